// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// compiled without optimisation
// Terms with a bottleneck of their own: which vector they read, what their parameters and options are called.
#include <map>
#include <string>
#include <tuple>
#include <type_traits>
#include <vector>

#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/softmax.h>
#include <boost/test/unit_test.hpp>

#include <bmae/bottlenecks/cls.hpp>
#include <bmae/bottlenecks/lexical.hpp>
#include <bmae/bottlenecks/mean.hpp>
#include <bmae/edge/slot_names.hpp>
#include <bmae/losses/flops.hpp>
#include <bmae/model/flops_regularizer.hpp>
#include <bmae/model/parameters.hpp>
#include <bmae/model/rebind.hpp>
#include <bmae/model/via.hpp>
#include <bmae/presets/cot_mae.hpp>
#include <bmae/values/option.hpp>

#include "../scratch_folder.hpp"
#include "apart.hpp"

BOOST_AUTO_TEST_SUITE(via)

namespace {

using namespace bmae;
using test::cross_entropy;
using test::Texts;
using test::tiny;

using Words = View<Passage, WholeWordMasker>;

/// [CLS] times a learned vector and a factor.
class ScaledCls {
public:
    struct Options {
        double factor = 1;
        std::int64_t missing = 0;   ///< columns left out: a shape that nobody expects

        template <class Visit>
        void for_each_option(Visit&& visit) {
            visit("factor", factor, "factor of all columns");
            visit("missing", missing, "columns left out");
        }
    };
    static constexpr std::string_view name = "scaled";

    template <Encoder E>
    ScaledCls(Options options, E const& encoder, std::uint64_t seed, std::string const& own_name)
        : options_(options), scale_(at::empty({encoder.shape().width})) {
        initialize(*this, own_name, seed);
    }
    template <Encoder E>
    [[nodiscard]] at::Tensor pool(Encoded const& encoded, PackedInput const& input, E const&) const {
        at::Tensor const rows = encoded.hidden.index_select(0, input.first_rows) * scale_ * options_.factor;
        return rows.narrow(1, 0, rows.size(1) - options_.missing);
    }
    template <class Visit>
    void for_each_parameter(std::string const& prefix, Visit&& visit) {
        visit(prefix + ".scale", scale_, ParameterRole::norm_scale);
    }

private:
    Options options_;
    at::Tensor scale_;
};

using OneBranch = Branch<Words, Shared<"decoder", BasicDecoder>>;
using Scaled = Model<BertEncoder,
    Pass<Words, ClsBottleneck,
        OneBranch,
        Via<ScaledCls, OneBranch>>>;

/// Lexical vectors for search, kept sparse, beside a decoder that reads [CLS]; and the same with the roles exchanged.
using LexicalFirst = Model<BertEncoder, Pass<Words, LexicalBottleneck, FlopsRegularizer, Via<ClsBottleneck, OneBranch>>>;
using DenseFirst = Model<BertEncoder, Pass<Words, ClsBottleneck, Via<LexicalBottleneck, FlopsRegularizer>, OneBranch>>;
static_assert(
    std::is_same_v<WithBottleneck<LexicalFirst, ClsBottleneck, MeanBottleneck>,
                   Model<BertEncoder, Pass<Words, LexicalBottleneck, FlopsRegularizer, Via<MeanBottleneck, OneBranch>>>>);
static_assert(
    std::is_same_v<Without<Scaled, Via<ScaledCls, OneBranch>>, Model<BertEncoder, Pass<Words, ClsBottleneck, OneBranch>>>);

Scaled scaled(double factor, std::int64_t missing = 0) {
    Scaled::Options options;
    auto const list = option_entries(options);
    set_option(list, "passes.0.terms.1.bottleneck.factor", std::to_string(factor));
    set_option(list, "passes.0.terms.1.bottleneck.missing", std::to_string(missing));
    return {BertEncoder(tiny(), 3), options, 1};
}

}  // namespace

// Two vectors of each span, two decoders for each vector: five losses in each direction, every one computed apart.
BOOST_AUTO_TEST_CASE(cot_mae_v2_is_the_sum_of_ten_cross_entropies) {
    Texts const texts({12, 20, 6});
    CotMaeV2 model(tiny(), CotMaeV2Hyperparameters{.window = 64, .span_tokens = 10});
    HostBatch const batch = model.collate(texts.examples, texts.traits, {.max_length = 40}, {.seed = 1});
    test::equals_apart(model, batch, [&] {
        BertEncoder const& encoder = model.encoder();
        auto const values = test::parameters_of(model);
        BasicDecoder const basic = test::with_tensors(BasicDecoder({.layers = 2}, encoder, 0, "own"), "shared.basic", values);
        CausalWindowDecoder const causal =
            test::with_tensors(CausalWindowDecoder({.layers = 2, .window = 64}, encoder, 0, "own"), "shared.causal", values);
        std::vector<at::Tensor> losses;
        for (std::size_t first : {0U, 5U}) {   // views of a pass: its own, then those of its four branches
            PackedView const& read = batch.views[first];
            std::vector<at::Tensor> const states = test::encode_apart(encoder, read);
            std::vector<at::Tensor> dense, mixtures;
            for (at::Tensor const& rows : states) {
                dense.push_back(rows.narrow(0, 0, 1));
                at::Tensor const logits =
                    encoder.head.logits(rows.narrow(0, 1, rows.size(0) - 2), encoder.embeddings.word);   // all but [CLS], [SEP]
                at::Tensor const shares = at::softmax(std::get<0>(logits.max(0)), 0);
                mixtures.push_back((shares.unsqueeze(1) * encoder.embeddings.word.detach()).sum(0, true));
            }
            auto const mean = [&](std::size_t v, auto&& rows_of) {
                losses.push_back(cross_entropy(encoder, batch.views[v], rows_of) / batch.term_labels[losses.size()]);
            };
            auto const decoded = [&](auto const& decoder, std::vector<at::Tensor> const& vectors) {
                return [&](PackedInput const& input, std::size_t b) {
                    ForwardContext context;
                    return decoder.decode(vectors[b], input, encoder, Encoded{}, context);
                };
            };
            mean(first, [&](PackedInput const&, std::size_t b) { return states[b]; });
            mean(first + 1, decoded(basic, dense));
            mean(first + 2, decoded(causal, dense));
            mean(first + 3, decoded(basic, mixtures));
            mean(first + 4, decoded(causal, mixtures));
        }
        return losses;
    });
    BOOST_TEST(batch.views[1].original_ids == batch.views[5].original_ids);   // the partner is one text in both directions
    BOOST_TEST(model.describe_terms()[3].bottleneck == "lexicon");
    BOOST_TEST(model.composition().find("branch via lexicon(") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(parameters_and_options_have_the_path_of_the_term) {
    Texts const texts({12, 20});
    auto const losses = [&](Scaled& model) {
        HostBatch batch = model.collate(texts.examples, texts.traits, {.max_length = 40}, {.seed = 1});
        batch.views[2] = batch.views[1];   // both branches are asked for the same tokens
        batch.term_labels[1] = batch.term_labels[0];
        ForwardContext context;
        ModelLoss loss = model.forward(batch, context, batch.term_labels);
        return std::pair(loss.terms[0].loss.item<double>(), loss.terms[1].loss.item<double>());
    };
    Scaled one = scaled(1), three = scaled(3);
    auto const [own, same] = losses(one);
    BOOST_CHECK_CLOSE(own, same, 1e-5);   // it starts at ones
    auto const [untouched, changed] = losses(three);
    BOOST_CHECK_CLOSE(own, untouched, 1e-5);
    BOOST_TEST(std::abs(changed - own) > 1e-3);
    BOOST_TEST(one.describe_terms()[0].bottleneck == "");
    BOOST_TEST(one.describe_terms()[1].bottleneck == "scaled");
    auto const names = detail::slot_names(one);
    std::map<std::string, std::string> const slots(names.begin(), names.end());
    BOOST_TEST(slots.contains("passes.0.terms.1.bottleneck"));
    BOOST_TEST(!slots.contains("passes.0.terms.0.bottleneck"));

    auto values = test::parameters_of(one);
    BOOST_TEST_REQUIRE(values.contains("passes.0.terms.1.bottleneck.scale"));
    BOOST_TEST(!values.contains("passes.0.bottleneck.scale"));
    test::need_gradients(one);
    HostBatch const batch = one.collate(texts.examples, texts.traits, {.max_length = 40}, {.seed = 1});
    ForwardContext context;
    one.forward(batch, context, batch.term_labels).total.backward();
    BOOST_TEST(test::parameters_of(one).at("passes.0.terms.1.bottleneck.scale").grad().abs().max().item<double>() > 0);
}

BOOST_AUTO_TEST_CASE(parameters_are_saved_and_loaded) {
    test::ScratchFolder const scratch;
    Scaled from = scaled(1), into = scaled(1);
    auto const scale = [](Scaled& model) { return test::parameters_of(model).at("passes.0.terms.1.bottleneck.scale"); };
    scale(from).fill_(7);
    save_parameters(from, scratch.path() / "model.safetensors");
    load_parameters(into, scratch.path() / "model.safetensors");
    BOOST_TEST(scale(into).equal(scale(from)));
}

BOOST_AUTO_TEST_CASE(a_vector_of_another_shape_is_refused_by_its_path) {
    Texts const texts({12, 20});
    Scaled model = scaled(1, 2);
    HostBatch const batch = model.collate(texts.examples, texts.traits, {.max_length = 40}, {.seed = 1});
    ForwardContext context;
    BOOST_CHECK_EXCEPTION(model.forward(batch, context, batch.term_labels), InputError, [](InputError const& error) {
        std::string const text = error.what();
        return text.find("passes.0.terms.1.bottleneck (scaled) to return [2, 16]") != std::string::npos &&
               text.find("[2, 14]") != std::string::npos;
    });
}

// A decoder may stand in a pass whose vectors are V wide, and a regularizer of V weights beside [CLS].
BOOST_AUTO_TEST_CASE(dense_and_lexical_vectors_of_one_run) {
    Texts const texts({12, 20, 6});
    LexicalFirst lexical(BertEncoder(tiny(), 3), {}, 1);
    DenseFirst dense(BertEncoder(tiny(), 3), {}, 1);
    HostBatch const batch = lexical.collate(texts.examples, texts.traits, {.max_length = 40}, {.seed = 1});
    ForwardContext context{.progress = .5};
    ModelLoss const one = lexical.forward(batch, context, batch.term_labels);
    ModelLoss const other = dense.forward(batch, context, batch.term_labels);
    std::vector<at::Tensor> highest;
    for (at::Tensor const& rows : test::encode_apart(lexical.encoder(), batch.views[0])) {
        at::Tensor const logits =
            lexical.encoder().head.logits(rows.narrow(0, 1, rows.size(0) - 1), lexical.encoder().embeddings.word);
        highest.push_back(std::get<0>(logits.max(0)).unsqueeze(0));
    }
    BOOST_CHECK_CLOSE(one.terms[0].loss.item<double>(), flops(at::cat(highest)).item<double>(), 1e-3);
    for (std::size_t t : {0U, 1U}) {
        BOOST_CHECK_CLOSE(one.terms[t].loss.item<double>(), other.terms[t].loss.item<double>(), 1e-3);
    }
}

BOOST_AUTO_TEST_SUITE_END()
