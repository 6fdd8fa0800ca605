// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// ModernBERT against what transformers computes (tests/parity/families_golden.py), its folders, its options, its limits.
#include <algorithm>
#include <cmath>
#include <concepts>
#include <filesystem>
#include <string>
#include <vector>

#include <ATen/TensorOperators.h>
#include <ATen/ops/full.h>
#include <ATen/ops/zeros.h>
#include <boost/test/unit_test.hpp>

#include <bmae/batch/to_tensors.hpp>
#include <bmae/encoders/encoder_description.hpp>
#include <bmae/encoders/encoder_folder.hpp>
#include <bmae/encoders/modern_bert_folder.hpp>
#include <bmae/io/tensors.hpp>
#include <bmae/nn/linear.hpp>
#include <bmae/values/packed_type.hpp>

#include "../parity_folder.hpp"
#include "../scratch_folder.hpp"

BOOST_AUTO_TEST_SUITE(modern_bert)

namespace {

using namespace bmae;

std::filesystem::path const golden = test::parity_folder() / "golden";

PackedInput input_of(NamedTensors const& file, PackedView& view) {
    at::Tensor const ids = file.at("input_ids");
    at::Tensor const offsets = file.at("offsets");
    for (std::int64_t b = 0; b + 1 < offsets.numel(); ++b) {
        std::vector<TokenId> text;
        for (std::int64_t i = offsets[b].item<std::int64_t>(); i < offsets[b + 1].item<std::int64_t>(); ++i) {
            text.push_back(static_cast<TokenId>(ids[i].item<std::int64_t>()));
        }
        view.append({.original_ids = text, .input_ids = text});
    }
    return to_tensors(view);
}

/// The largest difference of hidden states and logits from the golden file.
double deviation(ModernBertEncoder const& encoder) {
    NamedTensors const expected = load_tensors(golden / "modernbert.safetensors");
    ForwardContext context;
    PackedView view;
    Encoded const encoded = encoder.encode(input_of(expected, view), context, true);
    BOOST_REQUIRE_EQUAL(encoded.layers.size(), 3U);
    double worst =
        (encoder.head.logits(encoded.hidden, encoder.embeddings.word) - expected.at("logits")).abs().max().item<double>();
    for (std::size_t layer = 0; layer < 3; ++layer) {
        at::Tensor const wanted = expected.at("hidden." + std::to_string(layer));
        worst = std::max(worst, (encoded.layers[layer] - wanted).abs().max().item<double>());
    }
    return worst;
}

template <class Action>
std::string refusal(Action&& action) {
    try {
        action();
    } catch (InputError const& error) { return error.what(); }
    BOOST_ERROR("nothing was refused");
    return {};
}

bool contains(std::string const& text, std::string const& part) { return text.find(part) != text.npos; }

ModernBertConfig tiny() {
    return {.vocab_size = 60,
            .hidden_size = 16,
            .num_hidden_layers = 3,
            .num_attention_heads = 2,
            .intermediate_size = 24,
            .max_position_embeddings = 40,
            .local_attention = 8,
            .pad_token_id = 0};
}

/// Texts of the given lengths.
PackedInput texts(PackedView& view, std::vector<std::size_t> const& lengths) {
    for (std::size_t const length : lengths) {
        std::vector<TokenId> const text(length, 7);
        view.append({.original_ids = text, .input_ids = text});
    }
    return to_tensors(view);
}

}  // namespace

BOOST_AUTO_TEST_CASE(hidden_states_and_logits_are_those_of_transformers) {
    ModernBertEncoder const encoder = load_modern_bert(golden / "tiny_modernbert");
    BOOST_TEST(deviation(encoder) <= 2e-5);
    BOOST_TEST(encoder.config().local_rope_theta == 10000);
    BOOST_TEST(encoder.config().is_local(1));
}

// First rows alone, and packed weights: near the states of all rows with LibTorch's products.
BOOST_AUTO_TEST_CASE(first_rows_and_packed_weights_give_the_hidden_states) {
    at::NoGradGuard const no_gradients;
    ModernBertEncoder const encoder = load_modern_bert(golden / "tiny_modernbert");
    PackedView view;
    PackedInput const input = texts(view, {5, 20, 2, 9});
    ForwardContext context;
    at::Tensor const all = encoder.encode(input, context).hidden;
    at::Tensor const first = encoder.encode_first(input, context);
    BOOST_CHECK_LE((first - all.index_select(0, input.first_rows)).abs().max().item<double>(), 1e-5);
    std::size_t maps = 0;
    ModernBertEncoder counted = encoder;
    counted.for_each_linear([&](Linear&) { ++maps; });
    BOOST_TEST(maps == 4 * encoder.layers.layer.size());
    double const scale = all.abs().max().item<double>();
    for (PackedType const type : {PackedType::fp32, PackedType::bf16, PackedType::int8}) {
        if (!can_pack(type)) { continue; }
        ModernBertEncoder packed = encoder;
        packed.for_each_linear([&](Linear& map) { map.pack(type); });
        double const bound = type == PackedType::fp32 ? 1e-5 : type == PackedType::bf16 ? .03 : .1;
        double const error = (packed.encode(input, context).hidden - all).abs().max().item<double>();
        BOOST_CHECK_LE(error, bound * scale);
        BOOST_TEST((type == PackedType::fp32 || error > 0));   // the packed weights were used
        BOOST_CHECK_LE((packed.encode_first(input, context) - first).abs().max().item<double>(), bound * scale);
    }
}

// A folder that is written is read again as the same model, with a head and without.
BOOST_AUTO_TEST_CASE(folders_keep_the_model) {
    test::ScratchFolder const scratch;
    HfModernBert const files = read_modern_bert_folder(golden / "tiny_modernbert");
    write_modern_bert_files(scratch.path(), to_hf_modern_bert(make_modern_bert(files)));
    BOOST_TEST(deviation(load_modern_bert(scratch.path())) <= 2e-5);
    BOOST_TEST(contains(detail::read_file(scratch.path() / "config.json", 1U << 20U), "\"ModernBertForMaskedLM\""));
    for (char const* const name : {"model.embeddings.tok_embeddings.weight", "model.layers.1.attn_norm.weight", "decoder.bias"}) {
        BOOST_TEST(load_tensors(scratch.path() / "model.safetensors").contains(name), name);
    }
    std::filesystem::create_directory(scratch / "bare");
    write_modern_bert_files(scratch / "bare", to_hf_modern_bert(make_modern_bert(files), false));
    BOOST_TEST(load_tensors(scratch / "bare" / "model.safetensors").contains("layers.1.attn_norm.weight"));
    HfModernBert const bare = read_modern_bert_folder(scratch / "bare");
    BOOST_TEST(!bare.has_head());
    ModernBertEncoder const headless = make_modern_bert(bare, 5);   // with a new head
    BOOST_CHECK(headless.layers.layer[1].qkv.weight.equal(files.tensors.at("encoder.layers.1.attn.Wqkv.weight")));
    BOOST_TEST(headless.head.bias.abs().max().item<double>() == 0);
}

BOOST_AUTO_TEST_CASE(tensors_that_do_not_fit_are_named) {
    test::ScratchFolder const scratch;
    std::filesystem::copy(golden / "tiny_modernbert", scratch.path(), std::filesystem::copy_options::recursive);
    NamedTensors const all = load_tensors(scratch.path() / "model.safetensors");
    auto const message = [&](auto const& change) {
        NamedTensors changed = all;
        change(changed);
        std::filesystem::remove(scratch / "model.safetensors");
        save_tensors(scratch.path() / "model.safetensors", changed, {});
        return refusal([&] { load_modern_bert(scratch.path()); });
    };
    BOOST_TEST(
        contains(message([](NamedTensors& t) { t.erase("model.final_norm.weight"); }), "1 missing: model.final_norm.weight"));
    BOOST_TEST(contains(message([](NamedTensors& t) { t["model.layers.0.attn_norm.weight"] = at::zeros({16}); }),
                        "1 unexpected: model.layers.0.attn_norm.weight"));
    BOOST_TEST(contains(message([](NamedTensors& t) { t["head.norm.weight"] = at::zeros({3}); }),
                        "of a wrong shape: head.norm.weight [3]"));
    BOOST_TEST(contains(message([](NamedTensors& t) { t["decoder.bias"] = at::full({60}, NAN); }),
                        "1 with NaN or infinity: decoder.bias"));
    BOOST_TEST(contains(message([](NamedTensors& t) { t["decoder.weight"] = at::zeros({60, 16}); }), "a matrix of its own"));
}

BOOST_AUTO_TEST_CASE(a_classifier_keeps_its_tensors) {
    test::ScratchFolder const scratch;
    HfModernBert files = read_modern_bert_folder(golden / "tiny_modernbert");
    files.tensors.erase("head.bias");
    for (char const* const part : {"head.dense.weight", "head.norm.weight"}) { files.aside.insert(files.tensors.extract(part)); }
    files.aside["classifier.weight"] = at::full({2, 16}, .5);
    write_modern_bert_files(scratch.path(), files);
    BOOST_TEST(contains(detail::read_file(scratch.path() / "config.json", 1U << 20U), "ModernBertForSequenceClassification"));
    HfModernBert const again = read_modern_bert_folder(scratch.path());
    BOOST_TEST(!again.has_head());
    BOOST_TEST(again.aside.size() == 3U);
}

// The program's way: by the model_type of a folder, and back into one; the parameters of a checkpoint.
BOOST_AUTO_TEST_CASE(a_family_of_the_list) {
    AnyEncoder const any = load_encoder(golden / "tiny_modernbert");
    BOOST_REQUIRE(any.as<ModernBertEncoder>() != nullptr);
    BOOST_TEST(any.gated_layers()->layer.size() == 2U);
    BOOST_TEST(encoder_title(any) == "ModernBERT");
    BOOST_TEST(describe_encoder(any).at("layers").dump() == "[\"global\",\"local\"]");
    test::ScratchFolder const scratch;
    save_encoder(scratch / "saved", any);
    BOOST_TEST(deviation(*load_encoder(scratch / "saved", 0, TokenHead::required).as<ModernBertEncoder>()) <= 2e-5);
    save_encoder(scratch / "bare", any, false);
    BOOST_TEST(contains(refusal([&] { load_encoder(scratch / "bare", 0, TokenHead::required); }), "head.dense.weight"));
    BOOST_TEST(with_dropout(any, .3).shape().hidden_dropout == .3);
    NamedTensors parameters;
    AnyEncoder copy = any;
    copy.for_each_parameter("", [&](std::string const& name, at::Tensor& value, bool) { parameters[name] = value; });
    parameters["passes.0.terms.1.decoder.final_norm.weight"] = at::zeros({16});
    AnyEncoder const again = encoder_from_parameters(golden / "tiny_modernbert" / "config.json", parameters, "checkpoint");
    BOOST_TEST(deviation(*again.as<ModernBertEncoder>()) <= 2e-5);
    static_assert(std::same_as<ModernBertFamily::EncoderType, ModernBertEncoder>);
}

BOOST_AUTO_TEST_CASE(every_dropout_of_the_configuration_is_obeyed) {
    for (auto const member :
         {&ModernBertConfig::embedding_dropout, &ModernBertConfig::attention_dropout, &ModernBertConfig::mlp_dropout}) {
        ModernBertConfig config = tiny();
        config.*member = .5;
        ModernBertEncoder const encoder(config, 1);
        PackedView view;
        PackedInput const input = texts(view, {6, 9});
        ForwardContext still, training{.training = true, .seed = 2};
        BOOST_CHECK(encoder.encode(input, still).hidden.equal(ModernBertEncoder(tiny(), 1).encode(input, still).hidden));
        BOOST_CHECK(!encoder.encode(input, training).hidden.equal(encoder.encode(input, still).hidden));
    }
}

// As transformers draws: .88 of the deviation is left by the cutoff at 2; both output matrices and the head's start smaller.
BOOST_AUTO_TEST_CASE(new_weights) {
    ModernBertConfig config = tiny();
    config.hidden_size = config.intermediate_size = 128;
    config.num_hidden_layers = 8;
    config.vocab_size = 500;
    ModernBertEncoder const encoder(config, 4);
    double const cut = .8796 * .02;
    BOOST_CHECK_CLOSE(encoder.embeddings.word.std().item<double>(), cut, 2);
    BOOST_CHECK_CLOSE(encoder.layers.layer[3].wide.weight.std().item<double>(), cut, 2);
    BOOST_CHECK_CLOSE(encoder.layers.layer[3].narrow.weight.std().item<double>(), cut / 4, 3);
    BOOST_CHECK_CLOSE(encoder.head.dense.std().item<double>(), cut / 4, 3);
    BOOST_CHECK(!encoder.layers.layer[0].attention_norm.weight.defined());
    BOOST_CHECK(ModernBertEncoder(config, 4).embeddings.word.equal(encoder.embeddings.word));
}

BOOST_AUTO_TEST_CASE(inputs_that_it_cannot_read_are_refused) {
    ModernBertEncoder const encoder(tiny(), 1);
    ForwardContext context;
    PackedView view;
    PackedInput input = texts(view, {6, 41});
    BOOST_TEST(contains(refusal([&] { static_cast<void>(encoder.encode(input, context)); }), "at most 40 tokens"));
    PackedView short_view;
    input = texts(short_view, {6});
    input.token_types = at::zeros({6}, at::kLong);
    BOOST_TEST(contains(refusal([&] { static_cast<void>(encoder.encode(input, context)); }), "which has none"));
    input.token_types = at::Tensor();
    input.input_ids = at::full({6}, 60, at::kLong);
    BOOST_TEST(contains(refusal([&] { static_cast<void>(encoder.encode(input, context)); }), "token ids from 0 to 59"));
}

BOOST_AUTO_TEST_SUITE_END()
