// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// links LibTorch
// Vectors of chunks against the encoder's own hidden states.
#include <algorithm>
#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include <ATen/core/Tensor.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/stack.h>
#include <c10/core/GradMode.h>
#include <boost/test/unit_test.hpp>

#include <bmae/batch/to_tensors.hpp>
#include <bmae/bottlenecks/mean.hpp>
#include <bmae/encoders/bert.hpp>
#include <bmae/retrieval/chunk_encoder.hpp>
#include <bmae/text/wordpiece.hpp>

BOOST_AUTO_TEST_SUITE(chunk_encoder)

namespace {
using namespace bmae;

WordPiece sixty_words() {
    std::vector<std::string> tokens{"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"};
    for (int i = 5; i < 60; ++i) { tokens.push_back("w" + std::to_string(i)); }
    return WordPiece(std::move(tokens));
}

BertEncoder small_encoder() {
    BertConfig config;
    config.vocab_size = 60;
    config.hidden_size = 16;
    config.num_hidden_layers = 2;
    config.num_attention_heads = 2;
    config.intermediate_size = 32;
    config.max_position_embeddings = 24;
    return BertEncoder(config, 3);
}

SentenceEncoder small_model(SentenceBottleneck pooling, bool normalize = false) {
    return SentenceEncoder(small_encoder(), sixty_words(),
                           {.pooling = std::move(pooling), .normalize = normalize, .max_length = 20});
}

/// "w5 w6 ...", of `count` words.
std::string words(int count) {
    std::string text;
    for (int i = 0; i < count; ++i) { text += " w" + std::to_string(5 + i * 7 % 50); }
    return text;
}

template <class Action>
std::string refusal(Action const& action) {
    try {
        action();
    } catch (InputError const& error) { return error.what(); }
    return {};
}
}  // namespace

BOOST_AUTO_TEST_CASE(max_encodes_each_chunk_as_a_text) {
    SentenceEncoder const model = small_model(ClsBottleneck{});
    std::vector<std::string> const documents{words(12), "", words(5), words(4)};
    ChunkVectors const found = encode_chunks(model, documents, {.tokens = 5});
    BOOST_TEST((found.offsets == std::vector<std::int64_t>{0, 3, 4, 5, 6}));
    auto const tokens = model.tokenizer().encode(documents[0]);
    std::vector<std::vector<TokenId>> parts;
    SpecialIds const special = model.tokenizer().traits().special();
    for (std::size_t begin = 0; begin < tokens.size(); begin += 5) {
        std::vector<TokenId> content(tokens.begin() + static_cast<std::ptrdiff_t>(begin),
                                     tokens.begin() + static_cast<std::ptrdiff_t>(std::min(tokens.size(), begin + 5)));
        parts.push_back(detail::with_specials(content, special, 20));
    }
    at::Tensor const wanted = model.encode_ids(parts);
    BOOST_CHECK_LE((found.rows.narrow(0, 0, 3) - wanted).abs().max().item<double>(), 1e-6);
    BOOST_CHECK_LE((found.rows[3] - model.encode(std::string())[0]).abs().max().item<double>(), 1e-6);
}

BOOST_AUTO_TEST_CASE(late_takes_the_mean_of_a_chunk_of_the_whole_document) {
    SentenceEncoder const model = small_model(MeanBottleneck{});
    std::vector<std::string> const documents{words(3), words(12)};
    ChunkVectors const found = encode_chunks(model, documents, {.tokens = 5, .pooling = ChunkPooling::late});
    BOOST_TEST((found.offsets == std::vector<std::int64_t>{0, 1, 4}));
    BOOST_CHECK_LE((found.rows[0] - model.encode(documents[0])[0]).abs().max().item<double>(), 1e-6);   // one chunk: the text
    // The hidden states of the second document, [CLS] with the first chunk and [SEP] with the last.
    c10::NoGradGuard const no_gradients;
    auto const ids = detail::with_specials(model.tokenizer().encode(documents[1]), model.tokenizer().traits().special(), 20);
    PackedView view;
    view.append(MaskedText{.original_ids = ids, .input_ids = ids});
    ForwardContext context;
    at::Tensor const hidden = small_encoder().encode(to_tensors(view), context).hidden;   // [14, H]
    at::Tensor const wanted =
        at::stack({hidden.narrow(0, 0, 6).mean(0), hidden.narrow(0, 6, 5).mean(0), hidden.narrow(0, 11, 3).mean(0)});
    BOOST_CHECK_LE((found.rows.narrow(0, 1, 3) - wanted).abs().max().item<double>(), 1e-6);
}

BOOST_AUTO_TEST_CASE(documents_beyond_the_length_of_the_model_are_read_to_their_end) {
    for (bool const normalize : {false, true}) {
        SentenceEncoder const model = small_model(MeanBottleneck{}, normalize);
        std::vector<std::string> const documents{words(40)};   // parts of 15, 15 and 10 tokens: the model takes 18
        ChunkVectors const found = encode_chunks(model, documents, {.tokens = 5, .pooling = ChunkPooling::late});
        BOOST_TEST((found.offsets == std::vector<std::int64_t>{0, 8}));
        if (normalize) { BOOST_CHECK_LE((found.rows.norm(2, 1) - 1).abs().max().item<double>(), 1e-6); }
        auto const tokens = model.tokenizer().encode(documents[0]);
        auto const last = detail::with_specials({tokens.begin() + 30, tokens.end()}, model.tokenizer().traits().special(), 20);
        std::vector<std::vector<TokenId>> const parts{last};
        if (!normalize) {   // the chunks of a part add up to its mean
            at::Tensor const sum = found.rows[6] * 6 + found.rows[7] * 6;
            BOOST_CHECK_LE((sum / 12 - model.encode_ids(parts)[0]).abs().max().item<double>(), 1e-6);
        }
    }
}

BOOST_AUTO_TEST_CASE(a_prompt_stands_before_each_part) {
    for (auto const pooling : {ChunkPooling::max, ChunkPooling::late}) {
        SentenceEncoder const plain = small_model(MeanBottleneck{});
        SentenceEncoder const model = plain.with_prompt("w50 w51 ");
        std::vector<std::string> const documents{words(3), words(12), ""};
        ChunkVectors const found = encode_chunks(model, documents, {.tokens = 5, .pooling = pooling});
        BOOST_TEST((found.offsets == std::vector<std::int64_t>{0, 1, 4, 5}));
        BOOST_CHECK_LE((found.rows[0] - model.encode(documents[0])[0]).abs().max().item<double>(), 1e-6);   // one chunk: the text
        BOOST_CHECK_LE((found.rows[4] - model.encode(documents[2])[0]).abs().max().item<double>(), 1e-6);
        auto const tokens = model.tokenizer().encode("w50 w51 " + documents[1]);   // 14
        std::vector<std::vector<TokenId>> parts;
        for (std::size_t const begin : {2U, 7U, 12U}) {
            std::vector<TokenId> ids(tokens.begin(), tokens.begin() + 2);
            ids.insert(ids.end(), tokens.begin() + begin, tokens.begin() + std::min<std::ptrdiff_t>(begin + 5, 14));
            parts.push_back(detail::with_specials(ids, model.tokenizer().traits().special(), 20));
        }
        if (pooling == ChunkPooling::max) {
            BOOST_CHECK_LE((found.rows.narrow(0, 1, 3) - model.encode_ids(parts)).abs().max().item<double>(), 1e-6);
        } else {   // [CLS], prompt and 5 tokens; 5 tokens; 2 and [SEP]: together the mean of the whole
            at::Tensor const sum = found.rows[1] * 8 + found.rows[2] * 5 + found.rows[3] * 3;
            BOOST_CHECK_LE((sum / 16 - model.encode(documents[1])[0]).abs().max().item<double>(), 1e-6);
        }
    }
    std::vector<std::string> const documents{"w5"};
    SentenceEncoder const prompted = small_model(ClsBottleneck{}).with_prompt("w50 w51 ");
    auto const says = refusal([&] { static_cast<void>(encode_chunks(prompted, documents, {.tokens = 17})); });
    BOOST_CHECK_NE(says.find("1 to 16 tokens"), std::string::npos);
    SentenceEncoderOptions apart{.pooling = MeanBottleneck{}, .max_length = 20, .prompts = {}, .pools_prompt = false};
    SentenceEncoder const unpooled = SentenceEncoder(small_encoder(), sixty_words(), apart).with_prompt("w50 ");
    BOOST_CHECK_EQUAL(refusal([&] { static_cast<void>(encode_chunks(unpooled, documents, {.tokens = 5})); }), "");
    auto const late =
        refusal([&] { static_cast<void>(encode_chunks(unpooled, documents, {.tokens = 5, .pooling = ChunkPooling::late})); });
    BOOST_CHECK_NE(late.find("pools its prompts"), std::string::npos);
}

BOOST_AUTO_TEST_CASE(what_does_not_fit_is_refused) {
    std::vector<std::string> const documents{"w5"};
    SentenceEncoder const cls = small_model(ClsBottleneck{});
    auto const found = [&](ChunkOptions const& options) {
        return refusal([&] { static_cast<void>(encode_chunks(cls, documents, options)); });
    };
    BOOST_CHECK_EQUAL(found({.tokens = 18}), "");
    BOOST_CHECK_NE(found({.tokens = 19}).find("1 to 18 tokens"), std::string::npos);
    BOOST_CHECK_NE(found({.tokens = 0}).find("found 0"), std::string::npos);
    BOOST_CHECK_NE(found({.tokens = 5, .pooling = ChunkPooling::late}).find("pools by cls"), std::string::npos);
    BOOST_CHECK_EQUAL(names_of(ChunkPooling::late)[1], "late");
}

BOOST_AUTO_TEST_SUITE_END()
