// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Two streams: every token is predicted from its own random context.
#pragma once

#include <concepts>
#include <cstdint>
#include <string>
#include <string_view>

#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>

#include <bmae/concepts/decoder.hpp>
#include <bmae/decoders/layered.hpp>
#include <bmae/encoders/encoder_role.hpp>

namespace bmae {

/// H1 = h + P: the sentence vector plus the position, nothing else (RetroMAE v1 as released; SentMAE paper, equation 4).
struct PlainQuery {
    static constexpr std::string_view name = "plain";

    template <HasPositionTable E>
    static at::Tensor make(at::Tensor const& sentence, PackedInput const& view, E const& encoder, ForwardContext&) {
        at::Tensor const rows = sentence.index_select(0, view.text_of_row);
        return rows + encoder.embeddings.position_rows(rows, view.positions);   // [T, H]
    }
};

/// H1 = Dropout(LayerNorm(h + P + type 0)): the embedding module applied to h (DupMAE; FlagEmbedding since March 2024).
struct LayerNormQuery {
    static constexpr std::string_view name = "layer_norm";

    template <HasPositionTable E>
    static at::Tensor make(at::Tensor const& sentence, PackedInput const& view, E const& encoder, ForwardContext& context) {
        return encoder.embeddings.embed_vectors(sentence.index_select(0, view.text_of_row), view.positions, context);   // [T, H]
    }
};

/// How the query stream of a `TwoStreamDecoder` is made: `Q::make(sentence, view, encoder, context)` returns [T, H]; `Q::name` is
/// its name in reports.
template <class Q>
concept QueryStream = requires {
    { Q::name } -> std::convertible_to<std::string_view>;
};

/// Options of a `TwoStreamDecoder`.
struct EnhancedDecoderOptions {
    std::int64_t layers = 1;   ///< RetroMAE: 1; deeper ones keep keys and values at H2
    Initialization initialization = Initialization::bert;
    DecoderFamily family = DecoderFamily::encoder;   ///< beside an encoder with rotary positions: its layers, or BERT's

    template <class Visit>
    void for_each_option(Visit&& visit) {
        visit("layers", layers, "layers of the decoder");
        visit("initialization", initialization, "how new layers are initialized");
        visit("family", family, "layers beside an encoder with rotary positions: the encoder's, or BERT's");
    }
};

/// O = softmax(Q K^T / sqrt(d) + M) V with Q from H1 and K, V from H2 = [h, E(x_1), ..., E(x_N)] (SentMAE paper, equations 4-7).
///
/// H2 holds the clean tokens: masking is done by the row masks M alone. The residual carries the query stream; carrying H2
/// would let every token attend to itself. In a deeper decoder only the query stream is updated, with the same M, because rows
/// of a second layer could otherwise read their own token through their neighbors.
///
/// Beside an encoder with rotary positions P is not added: it enters by the turned queries and keys of the encoder's kind of layer,
/// whose norm before the attention both streams go through (`DecoderFamily::encoder`); or it is a table of the decoder's own, added to
/// both streams (`DecoderFamily::bert`).
template <QueryStream Query>
class TwoStreamDecoder : public LayeredDecoder<EnhancedDecoderOptions> {
public:
    using typename LayeredDecoder<EnhancedDecoderOptions>::Options;
    static constexpr std::string_view kind = "enhanced";
    static constexpr std::string_view query = Query::name;
    static constexpr bool reads_visibility = true;
    static constexpr bool needs_position_table = true;

    template <Encoder E>
    TwoStreamDecoder(Options options, E const& encoder, std::uint64_t seed, std::string const& name)
        : LayeredDecoder(options, encoder, seed, name) {
        require_role(encoder, EncoderRole::position_table, name, kind);
    }

    template <Encoder E>
    [[nodiscard]] at::Tensor decode(at::Tensor const& sentence, PackedInput const& view, E const& encoder, Encoded const&,
                                    ForwardContext& context) const {
        at::Tensor const read = placed(encoder.embeddings(view.original_ids, view.positions, context), view)
                                    .index_copy(0, view.first_rows, sentence);           // [T, H]
        at::Tensor rows = placed(Query::make(sentence, view, encoder, context), view);   // [T, H]
        if (is_gated()) { return gated.read(rows, read, view, view.visibility, context); }
        for (TransformerLayer const& layer : layers) { rows = layer(rows, read, view, view.visibility, context); }
        return rows;
    }
};

/// RetroMAE's decoder as first released.
using EnhancedDecoder = TwoStreamDecoder<PlainQuery>;
/// The decoder of DupMAE and of later releases.
using EnhancedDecoderLayerNormQuery = TwoStreamDecoder<LayerNormQuery>;

}  // namespace bmae
