// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// Token types: from the source of a view to the embeddings of the encoder, and no further.
#include <cstdint>
#include <vector>

#include <ATen/ops/embedding.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros_like.h>
#include <boost/test/unit_test.hpp>

#include <bmae/batch/to_tensors.hpp>
#include <bmae/corruptors/none.hpp>
#include <bmae/encoders/bert.hpp>
#include <bmae/maskers/none.hpp>
#include <bmae/model/view.hpp>
#include <bmae/sources/passage.hpp>
#include <bmae/sources/title_and_body.hpp>

BOOST_AUTO_TEST_SUITE(token_types)

namespace {

using namespace bmae;

BertConfig tiny(std::int64_t types) {
    BertConfig config = BertConfig::of_size(2, 16);
    config.vocab_size = 60;
    config.num_attention_heads = 2;
    config.max_position_embeddings = 40;
    config.type_vocab_size = types;
    if (types == 0) { config.model_type = ModelType::distilbert; }
    config.initializer_range = .2;
    return config;
}

std::vector<TokenId> const text = {10, 11, 3, 20, 21, 22};   // title, [SEP], body
TokenTraits const traits({.pad = 0, .unk = 1, .cls = 2, .sep = 3, .mask = 4}, std::vector<std::uint8_t>(60, 0));

template <class Source>
PackedInput read(Source source) {
    View<Source, NoMasker, NoCorruption> const view{.source = source};
    Draw const draw({.seed = 1});
    PackedView packed;
    packed.append(view.assemble({.passage = text, .document = text}, traits, {.max_length = 40}, {draw, draw}).front().text);
    return to_tensors(packed);
}

}  // namespace

BOOST_AUTO_TEST_CASE(the_encoder_adds_their_embeddings) {
    BertEncoder const encoder(tiny(2), 3);
    ForwardContext context;
    PackedInput const typed = read(TitleAndBody{.token_types = true});
    BOOST_REQUIRE(typed.token_types.defined());
    BOOST_CHECK(typed.token_types.equal(at::tensor({0, 0, 0, 0, 1, 1, 1, 1}, at::kLong)));
    Embeddings const& tables = encoder.embeddings;
    at::Tensor const sum = at::embedding(tables.word, typed.input_ids) + tables.position.narrow(0, 0, 8) +
                           at::embedding(tables.token_type, typed.token_types);
    at::Tensor const found = encoder.encode(typed, context, true).layers.front();
    BOOST_CHECK_LE((found - tables.norm(sum)).abs().max().item<double>(), 1e-5);
}

BOOST_AUTO_TEST_CASE(without_them_nothing_changes) {
    BertEncoder const encoder(tiny(2), 3);
    ForwardContext context;
    PackedInput const plain = read(TitleAndBody{});
    BOOST_CHECK(!plain.token_types.defined());
    at::Tensor const hidden = encoder.encode(plain, context).hidden;
    BOOST_CHECK(hidden.equal(encoder.encode(read(Passage{}), context).hidden));
    PackedInput zeros = plain;
    zeros.token_types = at::zeros_like(plain.input_ids);
    BOOST_CHECK(hidden.equal(encoder.encode(zeros, context).hidden));
    BOOST_CHECK(!hidden.equal(encoder.encode(read(TitleAndBody{.token_types = true}), context).hidden));
}

BOOST_AUTO_TEST_CASE(an_encoder_without_two_types_refuses) {
    ForwardContext context;
    for (std::int64_t const types : {0, 1}) {
        BertEncoder const encoder(tiny(types), 3);
        BOOST_CHECK_THROW(encoder.encode(read(TitleAndBody{.token_types = true}), context), InputError);
        BOOST_CHECK_NO_THROW(encoder.encode(read(TitleAndBody{}), context));
    }
}

BOOST_AUTO_TEST_SUITE_END()
