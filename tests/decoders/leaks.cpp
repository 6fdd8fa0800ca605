// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// What a decoder must not see, and what it must: the bottleneck is only one if nothing leaks around it.
#include <cmath>
#include <vector>

#include <ATen/ops/full.h>
#include <ATen/ops/linspace.h>
#include <boost/test/unit_test.hpp>

#include <bmae/batch/to_tensors.hpp>
#include <bmae/decoders/basic.hpp>
#include <bmae/decoders/enhanced.hpp>
#include <bmae/decoders/layered.hpp>
#include <bmae/decoders/tied.hpp>
#include <bmae/encoders/bert.hpp>
#include <bmae/maskers/row_visibility.hpp>

namespace {

using namespace bmae;

struct Fixture {
    BertConfig config = [] {
        BertConfig small = BertConfig::of_size(2, 32);
        small.vocab_size = 100;
        small.num_attention_heads = 4;
        small.max_position_embeddings = 64;
        small.initializer_range = .3;   // large weights, so that a leak is loud
        return small;
    }();
    BertEncoder encoder{config, 3};
    TokenTraits traits{{.pad = 0, .unk = 1, .cls = 2, .sep = 3, .mask = 4}, std::vector<std::uint8_t>(100, 0)};

    /// One text with row masks drawn at `rate`.
    PackedView view(std::vector<TokenId> const& content, double rate, std::uint64_t seed = 1) const {
        MaskedText text;
        text.original_ids = {traits.special().cls};
        text.original_ids.insert(text.original_ids.end(), content.begin(), content.end());
        text.original_ids.push_back(traits.special().sep);
        text.input_ids = text.original_ids;
        Draw draw({.seed = seed, .epoch = 0, .example = 0, .slot = 0});
        text.visibility = RowVisibility{.rate = rate}.draw(TokenSpan(text.original_ids, traits), draw);
        PackedView packed;
        packed.append(text);
        return packed;
    }

    template <class Decoder>
    at::Tensor decode(Decoder const& decoder, at::Tensor const& sentence, PackedView const& view) const {
        ForwardContext context;
        return decoder.decode(sentence, to_tensors(view), encoder, Encoded{}, context);
    }
};

double row_change(at::Tensor const& a, at::Tensor const& b, std::int64_t row) {
    return (a[row] - b[row]).abs().max().item<double>();
}

std::vector<TokenId> const content{10, 11, 12, 13, 14, 15, 16, 17, 18, 19};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(leaks, Fixture)

// The logits of token i do not change when token i changes, whatever the depth.
BOOST_AUTO_TEST_CASE(pitfall_11_no_row_reads_its_own_token) {
    for (std::int64_t const layers : {1, 2, 3}) {
        EnhancedDecoder const decoder({.layers = layers}, encoder, 5, "decoder");
        EnhancedDecoderLayerNormQuery const with_norm({.layers = layers}, encoder, 5, "decoder");
        at::Tensor const sentence = at::full({1, 32}, .3);
        for (std::size_t i = 0; i < content.size(); ++i) {
            PackedView const before = view(content, .5);
            PackedView after = before;
            after.original_ids[i + 1] = after.input_ids[i + 1] = 77;
            auto const row = static_cast<std::int64_t>(i + 1);
            BOOST_CHECK_EQUAL(row_change(decode(decoder, sentence, before), decode(decoder, sentence, after), row), 0);
            BOOST_CHECK_EQUAL(row_change(decode(with_norm, sentence, before), decode(with_norm, sentence, after), row), 0);
        }
    }
}

// ... and every other row does change if it may read the token: the context is really used.
BOOST_AUTO_TEST_CASE(rows_read_exactly_what_their_mask_shows) {
    EnhancedDecoder const decoder({}, encoder, 5, "decoder");
    at::Tensor const sentence = at::full({1, 32}, .3);
    PackedView const before = view(content, .5);
    for (std::size_t j = 1; j <= content.size(); ++j) {
        PackedView after = before;
        after.original_ids[j] = 77;
        at::Tensor const a = decode(decoder, sentence, before);
        at::Tensor const b = decode(decoder, sentence, after);
        for (std::size_t i = 0; i < before.input_ids.size(); ++i) {
            double const change = row_change(a, b, static_cast<std::int64_t>(i));
            BOOST_CHECK_EQUAL(change > 0, before.visibility[0].allows(i, j));
        }
    }
}

// A decoder that runs the encoder's bidirectional layers reads nothing to the right of a row, and all of what is to its left.
BOOST_AUTO_TEST_CASE(no_row_of_a_tied_decoder_reads_a_later_token) {
    TiedDecoder const decoder({}, encoder, 5, "decoder");
    at::Tensor const sentence = at::full({1, 32}, .3);
    PackedView const before = view(content, .5);
    at::Tensor const rows = decode(decoder, sentence, before);
    BOOST_CHECK_GT(row_change(rows, decode(decoder, sentence * -1, before), 0), 0);
    for (std::size_t j = 0; j < before.input_ids.size(); ++j) {
        PackedView after = before;
        after.input_ids[j] = 77;
        at::Tensor const changed = decode(decoder, sentence, after);
        for (std::size_t i = 0; i < before.input_ids.size(); ++i) {
            BOOST_CHECK_EQUAL(row_change(rows, changed, static_cast<std::int64_t>(i)) > 0, j <= i);
        }
    }
}

// The sentence vector is read as context in every row but its own, also where all content is hidden. It stands in the
// query too, so the test moves only the context: a one-token text has no other column than its own.
BOOST_AUTO_TEST_CASE(pitfall_11_the_sentence_column_is_visible_in_every_row_but_the_first) {
    for (double const rate : {.5, 1.0}) {
        PackedView const packed = view(content, rate);
        Visibility const& rows = packed.visibility[0];
        BOOST_CHECK(!rows.allows(0, 0));
        for (std::size_t i = 1; i < rows.length; ++i) { BOOST_CHECK(rows.allows(i, 0)); }
    }
}

// Rows that may read nothing give numbers, and gradients too.
BOOST_AUTO_TEST_CASE(pitfall_11_rows_that_may_read_nothing_are_finite) {
    EnhancedDecoder decoder({}, encoder, 5, "decoder");
    decoder.for_each_parameter("decoder", [](std::string const&, at::Tensor& value, bool) { value.requires_grad_(true); });
    for (std::vector<TokenId> const& text : {std::vector<TokenId>{}, std::vector<TokenId>{10}, content}) {
        PackedView packed = view(text, 1.0);
        for (std::uint64_t& bits : packed.visibility[0].bits) { bits = 0; }   // nothing at all
        at::Tensor const sentence = at::full({1, 32}, .3).requires_grad_(true);
        at::Tensor const rows = decode(decoder, sentence, packed);
        BOOST_CHECK(rows.isfinite().all().item<bool>());
        rows.sum().backward();
        BOOST_CHECK(sentence.grad().isfinite().all().item<bool>());
        BOOST_CHECK(decoder.layers[0].query.weight.grad().isfinite().all().item<bool>());
    }
}

// The residual carries the query stream. With attention and feed-forward silenced, what is left is LayerNorm of the
// query, which no token can touch.
BOOST_AUTO_TEST_CASE(pitfall_11_the_residual_is_the_query_stream) {
    EnhancedDecoder decoder({}, encoder, 5, "decoder");
    for (Linear* linear : {&decoder.layers[0].attention_output, &decoder.layers[0].output}) {
        linear->weight.zero_();
        linear->bias.zero_();
    }
    at::Tensor const sentence = at::linspace(-1, 1, 32).unsqueeze(0);
    PackedView const packed = view(content, .5);
    PackedView other = packed;
    for (std::size_t i = 1; i <= content.size(); ++i) { other.original_ids[i] = other.input_ids[i] = 77; }
    at::Tensor const rows = decode(decoder, sentence, packed);
    BOOST_CHECK(rows.equal(decode(decoder, sentence, other)));
    ForwardContext context;
    at::Tensor const query = PlainQuery::make(sentence, to_tensors(packed), encoder, context);
    at::Tensor const normal = decoder.layers[0].attention_norm(query);
    BOOST_CHECK_LE((rows - decoder.layers[0].output_norm(normal)).abs().max().item<double>(), 1e-5);
}

// The context holds the raw sentence vector: no position, no LayerNorm, and its change reaches every row.
BOOST_AUTO_TEST_CASE(decoders_depend_on_the_sentence) {
    EnhancedDecoder const enhanced({}, encoder, 5, "decoder");
    BasicDecoder const basic({}, encoder, 5, "decoder");
    PackedView const packed = view(content, .5);
    at::Tensor const a = at::full({1, 32}, .3);
    at::Tensor const b = at::linspace(-1, 1, 32).unsqueeze(0);
    for (std::int64_t row = 0; row < static_cast<std::int64_t>(packed.tokens()); ++row) {
        BOOST_CHECK_GT(row_change(decode(enhanced, a, packed), decode(enhanced, b, packed), row), 0);
        BOOST_CHECK_GT(row_change(decode(basic, a, packed), decode(basic, b, packed), row), 0);
    }
}

BOOST_AUTO_TEST_SUITE_END()
