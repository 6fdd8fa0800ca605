// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// Decoders beside an encoder with rotary positions: the encoder's kind of layer or BERT's, what they see, and where places come from.
#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include <ATen/ops/full.h>
#include <boost/test/unit_test.hpp>

#include <bmae/batch/to_tensors.hpp>
#include <bmae/decoders/basic.hpp>
#include <bmae/decoders/causal_window.hpp>
#include <bmae/decoders/cross_attention.hpp>
#include <bmae/decoders/enhanced.hpp>
#include <bmae/decoders/full_depth.hpp>
#include <bmae/decoders/tap.hpp>
#include <bmae/encoders/bert.hpp>
#include <bmae/encoders/modern_bert.hpp>
#include <bmae/maskers/row_visibility.hpp>

namespace {

using namespace bmae;

struct Fixture {
    ModernBertConfig config{.vocab_size = 100,
                            .hidden_size = 32,
                            .num_hidden_layers = 3,
                            .num_attention_heads = 4,
                            .intermediate_size = 40,
                            .max_position_embeddings = 64,
                            .local_attention = 8,
                            .initializer_range = .3,
                            .pad_token_id = 0};
    ModernBertEncoder encoder{config, 3};
    at::Tensor sentence = at::full({1, 32}, .3);

    Fixture() { sentence[0][3] = -1; }   // a constant vector would be normalized to 0

    PackedView view(double rate = .5) const {
        TokenTraits const traits{{.pad = 0, .unk = 1, .cls = 2, .sep = 3, .mask = 4}, std::vector<std::uint8_t>(100, 0)};
        MaskedText text;
        text.original_ids = {2, 10, 11, 12, 13, 14, 15, 16, 17, 3};
        text.input_ids = text.original_ids;
        Draw draw({.seed = 1, .epoch = 0, .example = 0, .slot = 0});
        text.visibility = RowVisibility{.rate = rate}.draw(TokenSpan(text.original_ids, traits), draw);
        PackedView packed;
        packed.append(text);
        return packed;
    }

    template <class Decoder>
    at::Tensor decode(Decoder const& decoder, PackedView const& packed) const {
        ForwardContext context;
        PackedInput const input = to_tensors(packed);
        return decoder.decode(sentence, input, encoder, encoder.encode(input, context, true), context);
    }
};

double row_change(at::Tensor const& a, at::Tensor const& b, std::size_t row) {
    auto const i = static_cast<std::int64_t>(row);
    return (a[i] - b[i]).abs().max().item<double>();
}

template <class Decoder>
std::vector<std::string> names(Decoder decoder) {
    std::vector<std::string> found;
    decoder.for_each_parameter("d", [&](std::string const& name, at::Tensor&, bool) { found.push_back(name); });
    return found;
}
template <class Decoder>
bool has(Decoder const& decoder, std::string const& name) {
    return std::ranges::count(names(decoder), name) == 1;
}

constexpr DecoderFamily families[] = {DecoderFamily::encoder, DecoderFamily::bert};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(rotary_decoders, Fixture)

// A row reads exactly what its mask shows, never its own token, whatever the layers and their number.
BOOST_AUTO_TEST_CASE(enhanced_rows_read_what_their_mask_shows) {
    for (DecoderFamily const family : families) {
        for (std::int64_t const layers : {1, 2}) {
            EnhancedDecoder const plain({.layers = layers, .family = family}, encoder, 5, "d");
            EnhancedDecoderLayerNormQuery const normed({.layers = layers, .family = family}, encoder, 5, "d");
            PackedView const before = view();
            for (std::size_t j = 1; j + 1 < before.input_ids.size(); ++j) {
                PackedView after = before;
                after.original_ids[j] = after.input_ids[j] = 77;
                for (std::size_t i = 0; i < before.input_ids.size(); ++i) {
                    bool const seen = before.visibility[0].allows(i, j);
                    BOOST_CHECK_EQUAL(row_change(decode(plain, before), decode(plain, after), i) > 0, seen);
                    BOOST_CHECK_EQUAL(row_change(decode(normed, before), decode(normed, after), i) > 0, seen);
                }
            }
        }
    }
}

// Where all rows see the same columns, only their places tell them apart: by turned queries, or by a table.
BOOST_AUTO_TEST_CASE(rows_know_their_places) {
    for (DecoderFamily const family : families) {
        EnhancedDecoder const decoder({.family = family}, encoder, 5, "d");
        PackedView open = view(0);
        for (TokenId& id : open.original_ids) { id = 10; }
        at::Tensor const rows = decode(decoder, open);
        BOOST_TEST((rows[3] - rows[6]).abs().max().item<double>() > 1e-3);
        BasicDecoder const basic({.family = family}, encoder, 5, "d");
        open.input_ids = open.original_ids;
        at::Tensor const basic_rows = decode(basic, open);
        BOOST_TEST((basic_rows[3] - basic_rows[6]).abs().max().item<double>() > 1e-3);
    }
}

BOOST_AUTO_TEST_CASE(parameters_are_named_as_their_family) {
    for (std::string const name :
         {"d.layers.0.attn.Wqkv.weight", "d.layers.0.attn_norm.weight", "d.layers.0.mlp.Wi.weight", "d.final_norm.weight"}) {
        BOOST_TEST(has(BasicDecoder({}, encoder, 5, "d"), name), name);
        BOOST_TEST(has(EnhancedDecoder({}, encoder, 5, "d"), name), name);
        BOOST_TEST(has(TapDecoder({}, encoder, 5, "d"), name), name);
        BOOST_TEST(has(CausalWindowDecoder({}, encoder, 5, "d"), name), name);
    }
    BOOST_TEST(!has(CausalWindowDecoder({}, encoder, 5, "d"), "d.LayerNorm.weight"));
    BasicDecoder const bert({.family = DecoderFamily::bert}, encoder, 5, "d");
    BOOST_TEST(has(bert, "d.position_embeddings.weight"));
    BOOST_TEST(has(bert, "d.layer.0.attention.self.query.weight"));
    BOOST_TEST(!has(bert, "d.final_norm.weight"));
    BOOST_TEST(has(CrossAttentionDecoder({}, encoder, 5, "d"), "d.position_embeddings.weight"));
    BOOST_TEST(has(FullDepthDecoder({}, encoder, 5, "d"), "d.layers.1.attn_norm.weight"));
    // Beside BERT there is nothing new.
    BertConfig bert_config = BertConfig::of_size(1, 32);
    bert_config.vocab_size = 100;
    BOOST_CHECK(names(BasicDecoder({}, BertEncoder(bert_config), 5, "d")) ==
                names(BasicDecoder({.family = DecoderFamily::bert}, BertEncoder(bert_config), 5, "d")));
}

BOOST_AUTO_TEST_CASE(causal_rows_read_nothing_to_the_right) {
    for (DecoderFamily const family : families) {
        CausalWindowDecoder const decoder({.layers = 1, .window = 3, .family = family}, encoder, 5, "d");
        PackedView const before = view();
        for (std::size_t j = 1; j < before.input_ids.size(); ++j) {
            PackedView after = before;
            after.input_ids[j] = 77;
            for (std::size_t i = 0; i < before.input_ids.size(); ++i) {
                BOOST_CHECK_EQUAL(row_change(decode(decoder, before), decode(decoder, after), i) > 0, j <= i && i < j + 3);
            }
        }
    }
}

// SimLM: the encoder's last layers and its last norm; the first layer of an encoder lacks a norm that the copy has.
BOOST_AUTO_TEST_CASE(last_layers_are_copied) {
    BasicDecoder const two({.layers = 2, .initialization = Initialization::last_layers}, encoder, 5, "d");
    BOOST_CHECK(two.gated.layer[0].qkv.weight.equal(encoder.layers.layer[1].qkv.weight));
    BOOST_CHECK(two.gated.layer[1].narrow.weight.equal(encoder.layers.layer[2].narrow.weight));
    BOOST_CHECK(two.gated.layer[1].qkv.weight.data_ptr() != encoder.layers.layer[2].qkv.weight.data_ptr());
    BOOST_CHECK(two.gated.layer[0].window == 0);
    BasicDecoder const all({.layers = 3, .initialization = Initialization::last_layers}, encoder, 5, "d");
    BOOST_TEST((all.gated.layer[0].attention_norm.weight - 1).abs().max().item<double>() == 0);
    BOOST_CHECK_THROW(BasicDecoder({.layers = 4, .initialization = Initialization::last_layers}, encoder, 5, "d"), InputError);
    BOOST_CHECK_THROW(BasicDecoder({.layers = 1, .initialization = Initialization::last_layers, .family = DecoderFamily::bert},
                                   encoder, 5, "d"),
                      InputError);
    BOOST_CHECK_THROW(BasicDecoder({.layers = -1}, encoder, 5, "d"), InputError);
}

BOOST_AUTO_TEST_CASE(new_layers_are_drawn_as_those_of_the_encoder) {
    BasicDecoder const cut({}, encoder, 5, "d");
    BOOST_TEST(cut.gated.layer[0].qkv.weight.abs().max().item<double>() <= 2 * .3 + 1e-6);
    BOOST_TEST(cut.gated.layer[0].narrow.weight.std().item<double>() < .6 * cut.gated.layer[0].wide.weight.std().item<double>());
    BasicDecoder const fan_in({.initialization = Initialization::fan_in}, encoder, 5, "d");
    BOOST_TEST(fan_in.gated.layer[0].qkv.weight.abs().max().item<double>() <= 1 / std::sqrt(32.0));
}

BOOST_AUTO_TEST_SUITE_END()
