// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// The encoder against what transformers computes (tests/parity/bert_golden.py).
#include <filesystem>
#include <string>
#include <vector>

#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/cross_entropy_loss.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/tensor.h>
#include <boost/test/unit_test.hpp>

#include <bmae/batch/to_tensors.hpp>
#include <bmae/bottlenecks/sentence_bottleneck.hpp>
#include <bmae/encoders/bert_folder.hpp>
#include <bmae/io/tensors.hpp>

#include "../parity_folder.hpp"

BOOST_AUTO_TEST_SUITE(bert_encoder)

namespace {

using namespace bmae;

std::filesystem::path const golden = test::parity_folder() / "golden";

double largest_difference(at::Tensor const& a, at::Tensor const& b) { return (a - b).abs().max().item<double>(); }

/// The golden batch: 40 texts of 1 to 64 tokens.
PackedView golden_view(NamedTensors const& expected) {
    PackedView view;
    view.offsets =
        std::vector<std::int64_t>(expected.at("offsets").const_data_ptr<std::int64_t>(),
                                  expected.at("offsets").const_data_ptr<std::int64_t>() + expected.at("offsets").numel());
    for (std::int64_t i = 0; i < expected.at("input_ids").numel(); ++i) {
        view.input_ids.push_back(static_cast<TokenId>(expected.at("input_ids").const_data_ptr<std::int64_t>()[i]));
        view.labels.push_back(static_cast<TokenId>(expected.at("labels").const_data_ptr<std::int64_t>()[i]));
    }
    view.original_ids = view.input_ids;
    for (std::size_t b = 0; b + 1 < view.offsets.size(); ++b) {
        for (std::int64_t i = view.offsets[b]; i < view.offsets[b + 1]; ++i) {
            view.positions.push_back(static_cast<std::int32_t>(i - view.offsets[b]));
        }
    }
    return view;
}

}  // namespace

BOOST_AUTO_TEST_CASE(hidden_states_and_logits_equal_transformers) {
    NamedTensors const expected = load_tensors(golden / "bert.safetensors");
    BertEncoder const encoder = load_bert(golden / "tiny_bert");
    PackedView const view = golden_view(expected);
    PackedInput const input = to_tensors(view);
    ForwardContext context;
    Encoded const encoded = encoder.encode(input, context, true);
    BOOST_REQUIRE_EQUAL(encoded.layers.size(), 3U);
    for (std::size_t layer = 0; layer < encoded.layers.size(); ++layer) {
        BOOST_CHECK_LE(largest_difference(encoded.layers[layer], expected.at("hidden." + std::to_string(layer))), 2e-5);
    }
    at::Tensor const rows = encoded.hidden.index_select(0, expected.at("logits_rows"));
    BOOST_CHECK_LE(largest_difference(encoder.head.logits(rows, encoder.embeddings.word), expected.at("logits")), 2e-5);
    at::Tensor const labeled = encoded.hidden.index_select(0, input.label_rows);
    at::Tensor const loss = at::cross_entropy_loss(encoder.head.logits(labeled, encoder.embeddings.word), input.labels);
    BOOST_CHECK_CLOSE(loss.item<double>(), expected.at("loss").item<double>(), 1e-3);
}

BOOST_AUTO_TEST_CASE(a_text_does_not_see_its_neighbors_in_the_pack) {
    NamedTensors const expected = load_tensors(golden / "bert.safetensors");
    BertEncoder const encoder = load_bert(golden / "tiny_bert");
    PackedView const view = golden_view(expected);
    ForwardContext context;
    at::Tensor const packed = encoder.encode(to_tensors(view), context).hidden;
    for (std::size_t b : {std::size_t{0}, std::size_t{1}, std::size_t{2}, std::size_t{17}}) {
        PackedView alone;
        auto const begin = view.input_ids.begin() + view.offsets[b];
        std::vector<TokenId> const ids(begin, view.input_ids.begin() + view.offsets[b + 1]);
        alone.append({.original_ids = ids, .input_ids = ids});
        at::Tensor const single = encoder.encode(to_tensors(alone), context).hidden;
        BOOST_CHECK_LE(largest_difference(single, packed.narrow(0, view.offsets[b], view.offsets[b + 1] - view.offsets[b])),
                       1e-5);
    }
}

BOOST_AUTO_TEST_CASE(poolings) {
    NamedTensors const expected = load_tensors(golden / "bert.safetensors");
    PackedView const view = golden_view(expected);
    PackedInput const input = to_tensors(view);
    Encoded const encoded{.hidden = expected.at("hidden.2")};
    at::Tensor const cls = SentenceBottleneck().pool(encoded, input);
    at::Tensor const mean = MeanBottleneck{}.pool(encoded, input);
    for (std::int64_t b = 0; b < input.texts(); ++b) {
        auto const at = static_cast<std::size_t>(b);
        at::Tensor const rows = encoded.hidden.narrow(0, view.offsets[at], view.offsets[at + 1] - view.offsets[at]);
        BOOST_CHECK_EQUAL(largest_difference(cls[b], rows[0]), 0);
        BOOST_CHECK_LE(largest_difference(mean[b], rows.mean(0)), 1e-6);
    }
    BOOST_CHECK(!SentenceBottleneck::named("min") && !SentenceBottleneck::named("cls+cls") && !SentenceBottleneck::named("cls+"));
    BOOST_CHECK(!SentenceBottleneck(MeanBottleneck{}).keeps_layers() && SentenceBottleneck(TopTwoBottleneck{}).keeps_layers());
    for (SentenceBottleneck const& one : SentenceBottleneck::all()) {
        BOOST_REQUIRE(SentenceBottleneck::named(to_string(one)));
        BOOST_TEST(to_string(*SentenceBottleneck::named(to_string(one))) == to_string(one));
    }
    BOOST_TEST(SentenceBottleneck::named("cls+mean")->pool(encoded, input).equal(at::cat({cls, mean}, 1)));
}

BOOST_AUTO_TEST_CASE(poolings_of_two_layers_by_hand) {
    PackedView view;
    for (std::vector<TokenId> const& ids : {std::vector<TokenId>{2, 7, 3}, {2, 8, 9, 3}}) {
        view.append({.original_ids = ids, .input_ids = ids});
    }
    PackedInput const input = to_tensors(view);
    Encoded encoded;   // embeddings and three layers
    at::Tensor const counted = at::arange(14, at::kFloat).view({7, 2});
    for (double const step : {100.0, 1.0, 20.0, 3.0}) { encoded.layers.push_back(counted * step); }
    encoded.hidden = encoded.layers.back();
    // Row t is (2 t, 2 t + 1) times the step of its layer: text 0 has rows 0 to 2, mean (2, 3), text 1 rows 3 to 6, mean (9, 10).
    at::Tensor const means = at::tensor({2.F, 3.F, 9.F, 10.F}).view({2, 2});
    BOOST_CHECK_LE(largest_difference(FirstLastBottleneck{}.pool(encoded, input), means * 2), 1e-6);   // (1 + 3) / 2
    BOOST_CHECK_LE(largest_difference(TopTwoBottleneck{}.pool(encoded, input), means * 11.5), 1e-5);   // (20 + 3) / 2
    BOOST_CHECK_LE(largest_difference(MeanBottleneck{}.pool(encoded, input), means * 3), 1e-6);
}

BOOST_AUTO_TEST_CASE(a_seed_gives_the_same_weights_and_a_folder_gives_them_back) {
    BertConfig config = BertConfig::of_size(2, 32);
    config.vocab_size = 120;
    config.max_position_embeddings = 64;
    BertEncoder first(config, 7);
    BertEncoder second(config, 7);
    BertEncoder other(config, 8);
    BOOST_CHECK_EQUAL(largest_difference(first.layers[1].query.weight, second.layers[1].query.weight), 0);
    BOOST_CHECK_GT(largest_difference(first.layers[1].query.weight, other.layers[1].query.weight), 0);
    std::filesystem::path const folder = std::filesystem::temp_directory_path() / "bmae-test-bert-folder";
    std::filesystem::remove_all(folder);
    write_hf_folder(folder, to_hf_bert(first));
    BertEncoder loaded = load_bert(folder);
    std::vector<at::Tensor> weights;
    first.for_each_parameter("", [&](std::string const&, at::Tensor& value, bool) { weights.push_back(value); });
    std::size_t next = 0;
    loaded.for_each_parameter("", [&](std::string const& name, at::Tensor& value, bool) {
        BOOST_CHECK_MESSAGE(value.equal(weights[next]), name);
        ++next;
    });
    std::filesystem::remove_all(folder);
}

BOOST_AUTO_TEST_CASE(only_what_a_folder_lacks_is_drawn) {
    BertConfig config = BertConfig::of_size(2, 8);
    config.vocab_size = 16;
    BertEncoder const drawn(config, 5);
    HfBert files = to_hf_bert(drawn);
    std::string const first = files.tensors.begin()->first;
    files.tensors.erase(first);   // by its name and the seed it is drawn as before
    BertEncoder const loaded = make_bert(files, 5);
    HfBert const again = to_hf_bert(loaded);
    for (auto const& [name, tensor] : to_hf_bert(drawn).tensors) {
        BOOST_CHECK_MESSAGE(at::equal(tensor, again.tensors.at(name)), name);
    }
    std::vector<std::string> asked;
    BertEncoder const none(config, 5, [&](std::string const& name) {
        asked.push_back(name);
        return false;
    });
    BOOST_CHECK_GT(asked.size(), 10U);
}

BOOST_AUTO_TEST_SUITE_END()
