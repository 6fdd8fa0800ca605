// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// Sentence encoders with an encoder of queries beside that of documents: vectors, folders, identity, refusals.
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include <ATen/ops/randn.h>
#include <boost/test/unit_test.hpp>

#include <bmae/edge/sentence_transformer_folder.hpp>
#include <bmae/encoders/bert.hpp>
#include <bmae/retrieval/sentence_encoder.hpp>
#include <bmae/retrieval/vector_folder.hpp>
#include <bmae/text/wordpiece.hpp>

#include "../io/support.hpp"

BOOST_AUTO_TEST_SUITE(two_encoders)

namespace {

using namespace bmae;
using io_test::contains;
using io_test::refusal;

std::vector<std::string> const texts{"w7 w8", "w20 w21 w22 w23 w24 w25 w26 w27 w28 w29", ""};

WordPiece words(int count = 60) {
    std::vector<std::string> tokens{"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"};
    for (int i = 5; i < count; ++i) { tokens.push_back("w" + std::to_string(i)); }
    return WordPiece(std::move(tokens));
}

BertEncoder encoder_of(std::uint64_t seed, std::int64_t width = 16) {
    BertConfig config = BertConfig::of_size(1, width);
    config.vocab_size = 60;
    config.num_attention_heads = 2;
    config.max_position_embeddings = 32;
    config.initializer_range = .3;
    return BertEncoder(config, seed);
}

SentenceEncoder two(std::uint64_t documents = 1, std::uint64_t queries = 2) {
    SentenceEncoderOptions const options{.pooling = MeanBottleneck{},
                                         .normalize = true,
                                         .max_length = 12,
                                         .query_length = 6,
                                         .prompts = {.texts = {{"query", "w9 "}, {"document", ""}}}};
    return SentenceEncoder(encoder_of(documents), words(), options).with_query_encoder(encoder_of(queries), MeanBottleneck{});
}

SentenceEncoder one(std::uint64_t seed, std::size_t length, std::string const& prompt) {
    return SentenceEncoder(encoder_of(seed), words(), {.pooling = MeanBottleneck{}, .normalize = true, .max_length = length})
        .with_prompt(prompt);
}

}  // namespace

BOOST_AUTO_TEST_CASE(each_role_is_read_by_its_own) {
    SentenceEncoder const both = two();
    BOOST_TEST(both.has_query_encoder());
    BOOST_TEST(both.towers().size() == 2U);
    BOOST_TEST(both.encode(texts).equal(one(1, 12, "").encode(texts)));
    BOOST_TEST(both.encode_queries(texts).equal(one(2, 6, "w9 ").encode(texts)));
    SentenceEncoder const queries = both.for_queries();
    BOOST_TEST(!queries.has_query_encoder());
    BOOST_TEST(queries.for_queries().encode(texts).equal(queries.encode(texts)));
    BOOST_TEST(!one(1, 12, "").has_query_encoder());
    BOOST_TEST(one(1, 12, "").towers().size() == 1U);
}

BOOST_AUTO_TEST_CASE(vectors_name_both_encoders) {
    SentenceEncoder const both = two();
    VectorModel const documents = describe_vectors(both, "fp32");
    BOOST_TEST(describe_vectors(both.for_queries(), "fp32", "query").weights == documents.weights);
    BOOST_TEST(documents.matches(describe_vectors(two(), "fp32")));
    for (SentenceEncoder const& other : {two(1, 3), two(3, 2), two(2, 1), one(1, 12, ""), one(2, 12, "")}) {
        BOOST_TEST(!documents.matches(describe_vectors(other, "fp32")));
    }
}

BOOST_AUTO_TEST_CASE(packed_weights_are_of_both) {
    SentenceEncoder const both = two();
    if (!both.model().packs(PackedType::fp32)) { return; }
    SentenceEncoder const packed = both.packed();
    BOOST_TEST((packed.encode_queries(texts) - both.encode_queries(texts)).abs().max().item<double>() < 1e-5);
    BOOST_TEST((packed.encode(texts) - both.encode(texts)).abs().max().item<double>() < 1e-5);
    BOOST_TEST(describe_vectors(packed, "fp32").matches(describe_vectors(both, "fp32")));
}

BOOST_AUTO_TEST_CASE(a_folder_holds_both) {
    io_test::Scratch const scratch;
    SentenceEncoder const both = two();
    save_sentence_transformer(both, scratch / "both");
    SentenceEncoder const read = load_sentence_encoder(scratch / "both");
    BOOST_TEST(read.encode(texts).equal(both.encode(texts)));
    BOOST_TEST(read.encode_queries(texts).equal(both.encode_queries(texts)));
    BOOST_TEST(read.options().query_length == 6U);
    BOOST_TEST(describe_vectors(read, "fp32").matches(describe_vectors(both, "fp32")));
    SentenceEncoder const shorter = load_sentence_encoder(scratch / "both", ClsBottleneck{}, 5);
    BOOST_TEST(shorter.options().max_length == 5U);
    BOOST_TEST(to_string(shorter.for_queries().options().pooling) == "cls");
    BOOST_TEST(contains(refusal([&] { save_sentence_transformer(both, scratch / "both"); }), "new or empty"));
}

BOOST_AUTO_TEST_CASE(a_map_behind_one_of_them_is_kept) {
    io_test::Scratch const scratch;
    SentenceBottleneck const mapped =
        SentenceBottleneck(MeanBottleneck{}).then({.weight = at::randn({16, 16}), .bias = at::randn({16})});
    SentenceEncoder const both = SentenceEncoder(encoder_of(1), words(), {.pooling = MeanBottleneck{}, .max_length = 12})
                                     .with_query_encoder(encoder_of(2), mapped);
    save_sentence_transformer(both, scratch / "mapped");
    SentenceEncoder const read = load_sentence_encoder(scratch / "mapped");
    BOOST_TEST(read.encode_queries(texts).equal(both.encode_queries(texts)));
    BOOST_TEST(to_string(read.for_queries().options().pooling) == "mean+dense");
    BOOST_TEST(to_string(read.options().pooling) == "mean");
}

BOOST_AUTO_TEST_CASE(what_does_not_fit_is_refused) {
    SentenceEncoder const documents = one(1, 12, "");
    BOOST_TEST(contains(refusal([&] { static_cast<void>(documents.with_query_encoder(encoder_of(1, 32), MeanBottleneck{})); }),
                        "16 numbers"));
    io_test::Scratch const scratch;
    save_sentence_transformer(two(), scratch / "both");
    auto const transformer = scratch / "both" / "query_0_Transformer";
    for (char const* const file : {"vocab.txt", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"}) {
        std::filesystem::remove(transformer / file);
    }
    words(50).save(transformer);
    BOOST_TEST(
        contains(refusal([&] { static_cast<void>(load_sentence_encoder(scratch / "both")); }), "the tokenizer of documents"));
}

BOOST_AUTO_TEST_SUITE_END()
