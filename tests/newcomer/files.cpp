// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// Vectors and files of a composition over parts of one's own: what they are, and what is refused by name.
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include <ATen/ops/allclose.h>
#include <ATen/ops/ones.h>
#include <boost/test/unit_test.hpp>

#include <bmae/batch/to_tensors.hpp>
#include <bmae/bottlenecks/mean.hpp>
#include <bmae/bottlenecks/token_vectors.hpp>
#include <bmae/io/tensors.hpp>
#include <bmae/maskers/token.hpp>
#include <bmae/model/branch.hpp>
#include <bmae/model/contrast.hpp>
#include <bmae/model/masked_language_model.hpp>
#include <bmae/model/model.hpp>
#include <bmae/model/parameters.hpp>
#include <bmae/retrieval/encode.hpp>
#include <bmae/sources/passage.hpp>

#include "../blank_tokenizer.hpp"
#include "../concepts/poor_encoder.hpp"
#include "../model/tiny.hpp"
#include "../scratch_folder.hpp"
#include "parts.hpp"

namespace {

using namespace bmae;
using bmae_test::PoorEncoder;

using Words = View<Passage, TokenMasker>;
using Mine = Model<PoorEncoder, Pass<Words, newcomer::AttentionPooling, MaskedLanguageModel, Branch<Words, newcomer::OneByOne>>>;

std::vector<std::string> const texts{"a short text", "", "a text that is longer than the other ones are", "two words"};

/// What `run` throws, in full; empty where it throws nothing.
template <class Run>
std::string refusal(Run&& run) {
    try {
        run();
    } catch (InputError const& error) { return error.what(); }
    return "";
}
bool holds(std::string const& text, std::string_view part) { return text.find(part) != std::string::npos; }

/// Says [B, H] and returns something else.
template <int fault>
struct Wrong {
    static constexpr std::string_view name = "wrong";
    at::Tensor pool(Encoded const& encoded, PackedInput const& input) const {
        at::Tensor const rows = encoded.hidden.index_select(0, input.first_rows);
        if (fault == 0) { return rows.narrow(1, 0, 3); }            // narrower than it says
        if (fault == 1) { return rows.sum(0, /*keepdim=*/true); }   // one for all texts: would broadcast
        if (fault == 2) { return rows.sum(1); }                     // no vectors
        return encoded.hidden;                                      // one per token, and does not say so
    }
};

template <int fault>
std::string refused_pooling() {
    test::Texts const given({5, 9});
    Model<PoorEncoder, Pass<Words, MeanBottleneck, MaskedLanguageModel>, Pass<Words, Wrong<fault>, MaskedLanguageModel>> model(
        PoorEncoder({}, 1), {}, 1);
    HostBatch const batch = model.collate(given.examples, given.traits, {.max_length = 20}, {});
    return refusal([&] {
        ForwardContext context;
        static_cast<void>(model.forward(batch, context, batch.term_labels));
    });
}

}  // namespace

BOOST_AUTO_TEST_SUITE(newcomer_files)

BOOST_AUTO_TEST_CASE(vectors_are_those_of_the_first_pass_in_the_order_of_the_texts) {
    test::BlankTokenizer const tokenizer(60);
    Mine const model(PoorEncoder({}, 1), {}, 1);
    at::Tensor const vectors = encode(model, tokenizer, texts, 8);
    BOOST_REQUIRE((vectors.sizes() == at::IntArrayRef{4, 16}));
    for (std::size_t i = 0; i < texts.size(); ++i) {   // each by itself, framed by hand
        std::vector<TokenId> ids = tokenizer.encode(texts[i]);
        ids.resize(std::min<std::size_t>(ids.size(), 6));
        ids.insert(ids.begin(), 2);
        ids.push_back(3);
        PackedView view;
        view.append({.original_ids = ids, .input_ids = ids});
        PackedInput const input = to_tensors(view);
        ForwardContext context;
        Encoded const encoded = model.encoder().encode(input, context, false);
        at::Tensor expected;
        model.for_each_pass([&](auto const& pass, std::size_t) { expected = pass.pool(encoded, input, model.encoder()); });
        BOOST_TEST(at::allclose(vectors[static_cast<std::int64_t>(i)], expected[0], 1e-5, 1e-6));
    }
    BOOST_TEST(!vectors.requires_grad());
    BOOST_TEST(at::allclose(encode(model, tokenizer, texts, 8, {.batch_tokens = 1}), vectors, 1e-5, 1e-6));   // one by one
    BOOST_TEST(encode(model, tokenizer, {}, 8).size(0) == 0);
}

BOOST_AUTO_TEST_CASE(a_pass_of_a_second_encoder_is_read_by_it) {
    using Two = Model<PoorEncoder, Pass<Words, MeanBottleneck>, SecondPass<Words, MeanBottleneck>, Contrast>;
    test::BlankTokenizer const tokenizer(60);
    Two model(PoorEncoder({}, 1), {}, 1);
    BOOST_TEST(encode<1>(model, tokenizer, texts).equal(encode<0>(model, tokenizer, texts)));   // towers start equal
    model.second_encoder().embeddings.word.mul_(2);
    BOOST_TEST(!encode<1>(model, tokenizer, texts).equal(encode<0>(model, tokenizer, texts)));
}

BOOST_AUTO_TEST_CASE(what_cannot_be_encoded_is_refused) {
    Mine const model(PoorEncoder({}, 1), {}, 1);
    BOOST_TEST(holds(refusal([&] { static_cast<void>(encode(model, test::BlankTokenizer(61), texts)); }),
                     "tokenizer of at most 60 tokens"));
    test::BlankTokenizer const tokenizer(60);
    BOOST_TEST(holds(refusal([&] { static_cast<void>(encode(model, tokenizer, texts, 41)); }), "from 2 to 40"));
    BOOST_TEST(holds(refusal([&] { static_cast<void>(encode(model, tokenizer, texts, 1)); }), "from 2 to 40"));
    Model<PoorEncoder, MomentumPass<Words, MeanBottleneck>, Pass<Words, MeanBottleneck>, Contrast> const momentum(
        PoorEncoder({}, 1), {}, 1);
    BOOST_TEST(holds(refusal([&] { static_cast<void>(encode(momentum, tokenizer, texts)); }), "momentum"));
}

BOOST_AUTO_TEST_CASE(a_bottleneck_of_another_shape_is_refused_by_its_path) {
    std::string const narrow = refused_pooling<0>();
    BOOST_TEST(holds(narrow, "passes.1.bottleneck (wrong)"), narrow);
    BOOST_TEST(holds(narrow, "[2, 16]"), narrow);
    BOOST_TEST(holds(narrow, "[2, 3]"), narrow);
    BOOST_TEST(holds(refused_pooling<1>(), "[1, 16]"));
    BOOST_TEST(holds(refused_pooling<2>(), "1 dimensions"));
    BOOST_TEST(holds(refused_pooling<3>(), "one vector per text"));
}

BOOST_AUTO_TEST_CASE(parameters_return_from_a_file) {
    test::ScratchFolder const scratch;
    Mine first(PoorEncoder({}, 1), {}, 1);
    Mine second(PoorEncoder({}, 2), {}, 2);
    save_parameters(first, scratch / "one.safetensors");
    BOOST_TEST(!refusal([&] { save_parameters(first, scratch / "one.safetensors"); }).empty());   // it is there already
    save_parameters(first, scratch / "one.safetensors", Existing::replace);
    test::need_gradients(second);
    load_parameters(second, scratch / "one.safetensors");
    std::map<std::string, at::Tensor> values;
    first.for_each_parameter([&](std::string const& name, at::Tensor& value, bool) { values[name] = value; });
    second.for_each_parameter([&](std::string const& name, at::Tensor& value, bool) {
        BOOST_TEST(value.equal(values.at(name)), name);
        BOOST_TEST(value.requires_grad(), name);
    });
    BOOST_TEST(values.contains("passes.0.bottleneck.query"));
    BOOST_TEST(values.contains("passes.0.terms.1.decoder.map"));
}

BOOST_AUTO_TEST_CASE(parameters_that_do_not_fit_are_refused_by_name_and_nothing_changes) {
    test::ScratchFolder const scratch;
    Mine model(PoorEncoder({}, 1), {}, 1);
    save_parameters(model, scratch / "right");
    NamedTensors const right = load_tensors(scratch / "right");
    auto const refused = [&](std::string const& name, NamedTensors const& tensors) {
        save_tensors(scratch / name, tensors);
        at::Tensor const before = model.encoder().embeddings.word.clone();
        std::string const said = refusal([&] { load_parameters(model, scratch / name); });
        BOOST_TEST(model.encoder().embeddings.word.equal(before), name);
        BOOST_TEST(holds(said, name), said);   // the file
        return said;
    };
    NamedTensors other = right;
    for (auto& [name, tensor] : other) { tensor = tensor + 1; }
    NamedTensors const changed = other;
    other.erase("passes.0.bottleneck.query");
    BOOST_TEST(holds(refused("missing", other), "passes.0.bottleneck.query [16, 1]"));
    other = changed;
    other["passes.7.bottleneck.query"] = at::ones({2});
    BOOST_TEST(holds(refused("surplus", other), "passes.7.bottleneck.query [2]"));
    other = changed;
    other["head.bias"] = at::ones({59});
    std::string const shape = refused("shape", other);
    BOOST_TEST((holds(shape, "head.bias [60]") && holds(shape, "[59]")), shape);
    other = changed;
    other["head.bias"] = at::ones({60}, at::kLong);
    BOOST_TEST(holds(refused("type", other), "head.bias"));
    BOOST_TEST(!refusal([&] { load_parameters(model, scratch / "nothing"); }).empty());
}

BOOST_AUTO_TEST_SUITE_END()
