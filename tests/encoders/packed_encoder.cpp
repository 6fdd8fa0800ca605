// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// Sentence encoders with packed weights against the same without.
#include <algorithm>
#include <string>
#include <vector>

#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/cosine_similarity.h>
#include <boost/test/unit_test.hpp>

#include <bmae/encoders/bert.hpp>
#include <bmae/retrieval/sentence_encoder.hpp>
#include <bmae/text/wordpiece.hpp>
#include <bmae/values/packed_type.hpp>

BOOST_AUTO_TEST_SUITE(packed_encoder)

namespace {
using namespace bmae;

BertConfig config_of(std::int64_t hidden, std::int64_t heads) {
    BertConfig config;
    config.vocab_size = 60;
    config.hidden_size = hidden;
    config.num_hidden_layers = 3;
    config.num_attention_heads = heads;
    config.intermediate_size = 4 * hidden;
    config.max_position_embeddings = 64;
    config.initializer_range = .1;
    return config;
}

WordPiece sixty_words() {
    std::vector<std::string> tokens{"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"};
    for (int i = 5; i < 60; ++i) { tokens.push_back("w" + std::to_string(i)); }
    return WordPiece(std::move(tokens));
}

std::vector<std::vector<TokenId>> texts_of_many_lengths() {
    std::vector<std::vector<TokenId>> texts;
    for (std::size_t n = 2; n < 64; n += 3) {
        std::vector<TokenId>& text = texts.emplace_back(n, TokenId{3});
        for (std::size_t i = 1; i + 1 < n; ++i) { text[i] = static_cast<TokenId>(5 + (i * 7 + n) % 55); }
        text.front() = 2;
    }
    return texts;
}

SentenceEncoder encoder_of(SentenceBottleneck pooling, std::int64_t hidden = 64, std::int64_t heads = 2) {
    return {BertEncoder(config_of(hidden, heads), 7), sixty_words(), {.pooling = std::move(pooling), .max_length = 64}};
}

double distance(at::Tensor const& a, at::Tensor const& b) { return (a - b).abs().max().item<double>(); }
}  // namespace

BOOST_AUTO_TEST_CASE(vectors_are_those_of_the_weights) {
    auto const texts = texts_of_many_lengths();
    for (SentenceBottleneck const& pooling : SentenceBottleneck::all()) {
        for (std::int64_t const heads : {2, 4}) {   // heads of 32 columns have a kernel, those of 16 run through LibTorch
            SentenceEncoder const plain = encoder_of(pooling, 64, heads);
            if (!plain.model().packs(PackedType::fp32)) { return; }
            BOOST_CHECK_LE(distance(plain.packed().encode_ids(texts), plain.encode_ids(texts)), 1e-5);
        }
    }
}

BOOST_AUTO_TEST_CASE(a_vector_depends_on_its_own_text_bit_for_bit) {
    auto const texts = texts_of_many_lengths();
    int const threads = at::get_num_threads();
    for (PackedType const type : {PackedType::fp32, PackedType::bf16, PackedType::int8}) {
        SentenceEncoder const plain = encoder_of(MeanBottleneck{});
        if (!plain.model().packs(type)) { continue; }
        SentenceEncoder const packed = plain.packed(type);
        at::Tensor const all = packed.encode_ids(texts);
        for (std::size_t const i : {0U, 5U, 20U}) {
            std::vector<std::vector<TokenId>> const alone{texts[i]};
            at::Tensor const one = packed.encode_ids(alone);
            BOOST_TEST((one[0] == all[static_cast<std::int64_t>(i)]).all().item<bool>());
        }
        at::set_num_threads(1);
        BOOST_TEST((packed.encode_ids(texts, {.batch_tokens = 100}) == all).all().item<bool>());
        at::set_num_threads(threads);
    }
}

BOOST_AUTO_TEST_CASE(lower_precision_stays_close) {
    auto const texts = texts_of_many_lengths();
    SentenceEncoder const plain = encoder_of(MeanBottleneck{});
    at::Tensor const exact = plain.encode_ids(texts);
    for (PackedType const type : {PackedType::bf16, PackedType::int8}) {
        if (!plain.model().packs(type)) { continue; }
        at::Tensor const close = plain.packed(type).encode_ids(texts);
        BOOST_CHECK_GE(at::cosine_similarity(close, exact).min().item<double>(), type == PackedType::bf16 ? .999 : .99);
        BOOST_CHECK_GT(distance(close, exact), 0);
    }
}

BOOST_AUTO_TEST_CASE(the_first_token_alone_is_the_same_vector) {
    auto const texts = texts_of_many_lengths();
    SentenceEncoder const plain = encoder_of(ClsBottleneck{});
    if (!plain.model().packs(PackedType::fp32)) { return; }
    BertEncoder encoder = *plain.model().encoder<BertEncoder>();
    encoder.for_each_linear([](Linear& map) { map.pack(PackedType::fp32); });
    PackedView view;
    for (auto const& text : texts) { view.append({.original_ids = text, .input_ids = text}); }
    PackedInput const input = to_tensors(view);
    at::NoGradGuard const no_gradients;
    ForwardContext context;
    at::Tensor const all = encoder.encode(input, context).hidden;
    BOOST_TEST((encoder.encode_first(input, context) == all.index_select(0, input.first_rows)).all().item<bool>());
    Encoded const kept = encoder.encode(input, context, true);
    BOOST_TEST(kept.layers.size() == 4U);
    BOOST_TEST((kept.layers.back() == all).all().item<bool>());
    BertEncoder const& own = *plain.model().encoder<BertEncoder>();
    BOOST_CHECK_LE(distance(kept.layers[1], own.encode(input, context, true).layers[1]), 1e-5);
    BOOST_CHECK_LE(distance(own.encode_first(input, context), all.index_select(0, input.first_rows)), 1e-5);
}

BOOST_AUTO_TEST_CASE(training_does_not_reach_a_packed_copy) {
    SentenceEncoder const plain = encoder_of(ClsBottleneck{});
    if (!plain.model().packs(PackedType::fp32)) { return; }
    auto const texts = texts_of_many_lengths();
    SentenceEncoder const packed = plain.packed();
    at::NoGradGuard const no_gradients;
    BertEncoder encoder = *plain.model().encoder<BertEncoder>();
    encoder.for_each_linear([](Linear& map) { map.weight.mul_(1.5); });
    // A weight that was written to is not answered with the packed one.
    BOOST_CHECK_LE(distance(packed.encode_ids(texts), plain.encode_ids(texts)), 1e-5);
}

BOOST_AUTO_TEST_CASE(what_cannot_be_packed_is_refused_by_name) {
    BertEncoder halves(config_of(64, 2), 7);
    halves.for_each_parameter("", [](std::string const&, at::Tensor& value, auto) { value = value.detach().to(at::kBFloat16); });
    SentenceEncoder const encoder(halves, sixty_words(), {.max_length = 64});
    BOOST_TEST(!encoder.model().packs(PackedType::int8));
    std::string message;
    try {
        static_cast<void>(encoder.packed(PackedType::int8));
    } catch (InputError const& error) { message = error.what(); }
    BOOST_CHECK_MESSAGE(message.find("weights that are not fp32") != message.npos, message);
}

BOOST_AUTO_TEST_SUITE_END()
