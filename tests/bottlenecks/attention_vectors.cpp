// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// Several vectors per text, against plain attention over each text alone.
#include <cstdint>
#include <string>
#include <vector>

#include <ATen/ops/mm.h>
#include <ATen/ops/softmax.h>
#include <boost/test/unit_test.hpp>

#include <bmae/batch/to_tensors.hpp>
#include <bmae/bottlenecks/attention_vectors.hpp>
#include <bmae/encoders/bert.hpp>

BOOST_AUTO_TEST_SUITE(attention_vectors)

namespace {

using namespace bmae;

BertConfig tiny() {
    BertConfig config = BertConfig::of_size(1, 16);
    config.vocab_size = 60;
    config.num_attention_heads = 2;
    config.max_position_embeddings = 40;
    config.initializer_range = .5;
    return config;
}

}  // namespace

BOOST_AUTO_TEST_CASE(each_vector_is_attention_over_its_text) {
    PackedView view;
    for (std::vector<TokenId> const& ids : {std::vector<TokenId>{2, 10, 11, 12, 3}, {2, 3}, {2}}) {
        view.append(MaskedText{.original_ids = ids, .input_ids = ids});
    }
    PackedInput const input = to_tensors(view);
    BertEncoder const encoder(tiny(), 3);
    ForwardContext context;
    Encoded const encoded = encoder.encode(input, context, false);
    AttentionVectors bottleneck({.vectors = 3}, encoder, 7, "passes.0.bottleneck");
    at::Tensor codes;
    bottleneck.for_each_parameter("", [&](std::string const& name, at::Tensor& value, auto) {
        BOOST_CHECK_EQUAL(name, "shared.codes.weight");
        codes = value;
    });
    at::Tensor const vectors = bottleneck.pool(encoded, input, encoder);
    BOOST_REQUIRE_EQUAL(vectors.size(0), 3);
    BOOST_REQUIRE_EQUAL(vectors.size(1), 3 * 16);
    BOOST_CHECK_EQUAL(bottleneck.width(encoder), 3 * 16);
    for (std::size_t b = 0; b < 3; ++b) {
        at::Tensor const text = encoded.hidden.narrow(0, input.offsets[b], input.offsets[b + 1] - input.offsets[b]);
        at::Tensor const expected = at::mm(at::softmax(at::mm(codes, text.t()), 1), text).flatten();   // [K H]
        double const error = (vectors[static_cast<std::int64_t>(b)] - expected).abs().max().item<double>();
        BOOST_TEST(error < 1e-5, "text " << b << " differs by " << error);
    }
}

BOOST_AUTO_TEST_CASE(no_vector_is_refused) {
    BertEncoder const encoder(tiny(), 3);
    BOOST_CHECK_EXCEPTION(AttentionVectors({.vectors = 0}, encoder, 7, ""), InputError, [](InputError const& e) {
        return std::string(e.what()).find("at least 1 vector of a text, found 0") != std::string::npos;
    });
}

BOOST_AUTO_TEST_SUITE_END()
