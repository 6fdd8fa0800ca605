// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// RoBERTa, ELECTRA, DistilBERT, XLM-RoBERTa and CamemBERT against what transformers computes (tests/parity/families_golden.py).
#include <algorithm>
#include <filesystem>
#include <string>
#include <vector>

#include <ATen/ops/cross_entropy_loss.h>
#include <ATen/ops/full.h>
#include <ATen/ops/zeros.h>
#include <boost/test/unit_test.hpp>

#include <bmae/batch/to_tensors.hpp>
#include <bmae/decoders/enhanced.hpp>
#include <bmae/encoders/bert_folder.hpp>
#include <bmae/io/tensors.hpp>
#include <bmae/nn/linear_cross_entropy.hpp>

#include "../parity_folder.hpp"

BOOST_AUTO_TEST_SUITE(encoder_families)

namespace {

using namespace bmae;

std::filesystem::path const golden = test::parity_folder() / "golden";

double largest_difference(at::Tensor const& a, at::Tensor const& b) { return (a - b).abs().max().item<double>(); }

PackedView view_of(NamedTensors const& file) {
    at::Tensor const ids = file.at("input_ids");
    at::Tensor const offsets = file.at("offsets");
    PackedView view;
    for (std::int64_t b = 0; b + 1 < offsets.numel(); ++b) {
        std::vector<TokenId> text;
        for (std::int64_t i = offsets[b].item<std::int64_t>(); i < offsets[b + 1].item<std::int64_t>(); ++i) {
            text.push_back(static_cast<TokenId>(ids[i].item<std::int64_t>()));
        }
        view.append({.original_ids = text, .input_ids = text});
    }
    return view;
}

/// The largest difference of hidden states and logits from the golden file.
double deviation(BertEncoder const& encoder, NamedTensors const& expected) {
    ForwardContext context;
    PackedView const view = view_of(expected);
    Encoded const encoded = encoder.encode(to_tensors(view), context, true);
    double worst = largest_difference(encoder.head.logits(encoded.hidden, encoder.embeddings.word), expected.at("logits"));
    BOOST_REQUIRE_EQUAL(encoded.layers.size(), 3U);
    for (std::size_t layer = 0; layer < 3; ++layer) {
        worst = std::max(worst, largest_difference(encoded.layers[layer], expected.at("hidden." + std::to_string(layer))));
    }
    return worst;
}

/// The message with which `action` refuses its input.
template <class Action>
std::string refusal(Action&& action) {
    try {
        action();
    } catch (InputError const& error) { return error.what(); }
    BOOST_ERROR("nothing was refused");
    return {};
}

bool contains(std::string const& text, std::string const& part) { return text.find(part) != text.npos; }

/// A folder that goes away with the test.
struct Scratch {
    std::filesystem::path path = std::filesystem::temp_directory_path() / "bmae-test-families";
    Scratch() { std::filesystem::remove_all(path); }
    Scratch(Scratch const&) = delete;
    Scratch& operator=(Scratch const&) = delete;
    ~Scratch() { std::filesystem::remove_all(path); }
};

}  // namespace

BOOST_AUTO_TEST_CASE(hidden_states_and_logits_equal_transformers) {
    at::NoGradGuard const no_gradients;
    for (std::string const name : {"roberta", "electra", "distilbert", "xlm-roberta", "camembert"}) {
        NamedTensors const expected = load_tensors(golden / (name + ".safetensors"));
        BertEncoder const encoder = load_masked_language_model(golden / ("tiny_" + name));
        double const worst = deviation(encoder, expected);
        BOOST_TEST_MESSAGE(name << " differs from transformers by " << worst);
        BOOST_CHECK_LE(worst, 2e-5);
        BOOST_TEST(encoder.config().usable_positions() == 40);
        BOOST_TEST(to_string(encoder.config().model_type) == name);

        Scratch const scratch;   // and the same after a round trip
        write_hf_folder(scratch.path, to_hf_bert(encoder));
        BOOST_CHECK_LE(deviation(load_bert(scratch.path), expected), 2e-5);
        NamedTensors const before = load_tensors(golden / ("tiny_" + name) / "model.safetensors");
        NamedTensors const after = load_tensors(scratch.path / "model.safetensors");
        BOOST_TEST(before.size() == after.size());
        for (auto const& [key, value] : before) { BOOST_CHECK_MESSAGE(after.contains(key) && after.at(key).equal(value), key); }
        BertConfig config = read_bert_config(scratch.path / "config.json");
        BOOST_TEST((config == encoder.config()));
    }
}

BOOST_AUTO_TEST_CASE(parameters_keep_the_names_of_bert) {
    BertConfig config = BertConfig::electra_base_generator();
    config.vocab_size = 60;
    config.num_hidden_layers = 1;
    std::vector<std::string> names;
    BertEncoder electra(config);
    electra.for_each_parameter("", [&](std::string const& name, at::Tensor const&, bool) { names.push_back(name); });
    BOOST_TEST(std::count(names.begin(), names.end(), "encoder.embeddings_project.weight") == 1);
    BOOST_TEST(std::count(names.begin(), names.end(), "cls.predictions.transform.dense.weight") == 1);
    BOOST_TEST(electra.embeddings.projection.weight.sizes().vec() == (std::vector<std::int64_t>{256, 768}),
               boost::test_tools::per_element());
    BOOST_TEST(electra.head.dense.weight.sizes().vec() == (std::vector<std::int64_t>{768, 256}),
               boost::test_tools::per_element());
    BOOST_TEST(to_hf_bert(electra).tensors.size() == bert_tensors(config, true).size());
    BertConfig small = BertConfig::distilbert_base();
    small.vocab_size = 60;
    small.num_hidden_layers = 1;
    BertEncoder const distilled(small);
    BOOST_TEST(!distilled.embeddings.token_type.defined());
    BOOST_TEST(distilled.layers[0].attention_output_dropout == 0.0);
    BOOST_TEST(distilled.layers[0].hidden_dropout == 0.1);
}

BOOST_AUTO_TEST_CASE(the_fused_loss_trains_every_parameter_of_each_family) {
    for (std::string const name : {"roberta", "electra", "distilbert", "xlm-roberta", "camembert"}) {
        PackedInput const input = to_tensors(view_of(load_tensors(golden / (name + ".safetensors"))));
        std::vector<at::Tensor> gradients;
        std::vector<std::string> names;
        for (bool const fused : {false, true}) {
            BertEncoder encoder = load_masked_language_model(golden / ("tiny_" + name));
            encoder.for_each_parameter("", [](std::string const&, at::Tensor& value, bool) { value.requires_grad_(true); });
            ForwardContext context;
            at::Tensor const hidden = encoder.encode(input, context).hidden;
            at::Tensor const weights = at::full({hidden.size(0)}, 1.0 / static_cast<double>(hidden.size(0)));
            at::Tensor const loss =
                fused ? linear_cross_entropy(encoder.head.transform(hidden), encoder.embeddings.word, encoder.head.bias,
                                             input.input_ids, weights)
                            .total
                      : at::cross_entropy_loss(encoder.head.logits(hidden, encoder.embeddings.word), input.input_ids);
            loss.backward();
            encoder.for_each_parameter("", [&](std::string const& parameter, at::Tensor& value, bool) {
                BOOST_REQUIRE_MESSAGE(value.grad().defined(), parameter);
                gradients.push_back(value.grad());
                names.push_back(parameter);
            });
        }
        std::size_t const half = gradients.size() / 2;
        for (std::size_t i = 0; i < half; ++i) {
            BOOST_CHECK_MESSAGE(largest_difference(gradients[i], gradients[half + i]) < 2e-6, name << ' ' << names[i]);
        }
    }
}

BOOST_AUTO_TEST_CASE(a_decoder_reads_the_positions_of_roberta) {
    BertEncoder const encoder = load_bert(golden / "tiny_roberta");
    PackedView view;
    std::vector<TokenId> const text{0, 9, 2};
    view.append({.original_ids = text, .input_ids = text});
    ForwardContext context;
    PackedInput const input = to_tensors(view);
    at::Tensor const query = PlainQuery::make(at::zeros({1, 16}), input, encoder, context);
    BOOST_CHECK_EQUAL(largest_difference(query, encoder.embeddings.position.narrow(0, 2, 3)), 0);
    BertEncoder const electra = load_bert(golden / "tiny_electra");
    std::string const message = refusal([&] { PlainQuery::make(at::zeros({1, 16}), input, electra, context); });
    BOOST_CHECK_MESSAGE(contains(message, "as wide as the position embeddings, 24") && contains(message, "found 16"), message);
}

BOOST_AUTO_TEST_CASE(a_discriminator_has_no_head_to_draw_words_from) {
    HfBert files = read_hf_folder(golden / "tiny_electra");
    std::erase_if(files.tensors, [](auto const& pair) { return pair.first.starts_with(bert_head_prefix); });
    files.aside["discriminator_predictions.dense.weight"] = at::zeros({16, 16});
    files.aside["discriminator_predictions.dense.bias"] = at::zeros({16});
    files.aside["discriminator_predictions.dense_prediction.weight"] = at::zeros({1, 16});
    files.aside["discriminator_predictions.dense_prediction.bias"] = at::zeros({1});
    Scratch const scratch;
    write_hf_folder(scratch.path, files);
    BOOST_TEST(contains(detail::read_file(scratch.path / "config.json"), "ElectraForPreTraining"));
    NamedTensors const expected = load_tensors(golden / "electra.safetensors");
    ForwardContext context;
    PackedView const view = view_of(expected);
    at::Tensor const hidden = load_bert(scratch.path).encode(to_tensors(view), context).hidden;   // an encoder all the same
    BOOST_CHECK_LE(largest_difference(hidden, expected.at("hidden.2")), 2e-5);
    std::string const message = refusal([&] { static_cast<void>(load_masked_language_model(scratch.path)); });
    BOOST_CHECK_MESSAGE(contains(message, "generator_predictions.dense.weight") &&
                            contains(message, "the head of a discriminator") && contains(message, "folder of the generator"),
                        message);
}

BOOST_AUTO_TEST_SUITE_END()
