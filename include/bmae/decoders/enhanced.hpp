// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Two streams: every token is rebuilt from its own random context.
#pragma once

#include <concepts>
#include <cstdint>
#include <string>
#include <string_view>

#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>

#include <bmae/concepts/decoder.hpp>
#include <bmae/encoders/bert.hpp>
#include <bmae/nn/initialize.hpp>
#include <bmae/nn/transformer_layer.hpp>

namespace bmae {

/// H1 = h + P: the sentence vector plus the position, nothing else (RetroMAE v1 as released; SentMAE paper, equation 4).
struct PlainQuery {
    static constexpr std::string_view name = "plain";

    static at::Tensor make(at::Tensor const& sentence, PackedInput const& view, BertEncoder const& encoder, ForwardContext&) {
        at::Tensor const rows = sentence.index_select(0, view.text_of_row);
        return rows + encoder.embeddings.position_rows(rows, view.positions);   // [T, H]
    }
};

/// H1 = Dropout(LayerNorm(h + P + type 0)): the embedding module around h (DupMAE; FlagEmbedding since March 2024).
struct LayerNormQuery {
    static constexpr std::string_view name = "layer_norm";

    static at::Tensor make(at::Tensor const& sentence, PackedInput const& view, BertEncoder const& encoder,
                           ForwardContext& context) {
        return encoder.embeddings.embed_vectors(sentence.index_select(0, view.text_of_row), view.positions, context);   // [T, H]
    }
};

/// How the query stream of a `TwoStreamDecoder` is made.
template <class Q>
concept QueryStream =
    requires(at::Tensor const& sentence, PackedInput const& view, BertEncoder const& encoder, ForwardContext& context) {
        { Q::make(sentence, view, encoder, context) } -> std::same_as<at::Tensor>;
        { Q::name } -> std::convertible_to<std::string_view>;
    };

/// Numbers of a `TwoStreamDecoder`.
struct EnhancedDecoderOptions {
    std::int64_t layers = 1;   ///< RetroMAE: 1; deeper ones keep keys and values at H2
    Initialization initialization = Initialization::bert;

    template <class Visit>
    void for_each_option(Visit&& visit) {
        visit("layers", layers, "layers of the decoder");
        visit("initialization", initialization, "how fresh layers are drawn");
    }
};

/// O = softmax(Q K^T / sqrt(d) + M) V with Q from H1 and K, V from H2 = [h, E(x_1), ..., E(x_N)] (SentMAE paper, equations 4-7).
///
/// H2 holds the clean tokens: hiding is done by the row masks M alone. The residual carries the query stream; carrying H2
/// would show every token to itself. In a deeper decoder only the query stream is updated, with the same M, because rows
/// of a second layer could otherwise read their own token through their neighbours.
template <QueryStream Query>
class TwoStreamDecoder {
public:
    using Options = EnhancedDecoderOptions;
    static constexpr std::string_view kind = "enhanced";
    static constexpr std::string_view query = Query::name;
    static constexpr bool reads_visibility = true;

    TwoStreamDecoder(Options options, BertEncoder const& encoder, std::uint64_t seed, std::string const& name)
        : layers(make_layers(options.layers, encoder.config())), options_(options) {
        initialize(*this, name, seed, options.initialization, encoder.config().initializer_range);
    }

    [[nodiscard]] at::Tensor decode(at::Tensor const& sentence, PackedInput const& view, BertEncoder const& encoder,
                                    Encoded const&, ForwardContext& context) const {
        at::Tensor const read =
            encoder.embeddings(view.original_ids, view.positions, context).index_copy(0, view.first_rows, sentence);   // [T, H]
        at::Tensor rows = Query::make(sentence, view, encoder, context);                                               // [T, H]
        for (TransformerLayer const& layer : layers) { rows = layer(rows, read, view, view.visibility, context); }
        return rows;
    }

    [[nodiscard]] Options const& options() const noexcept { return options_; }

    template <class Visit>
    void for_each_parameter(std::string const& prefix, Visit&& visit) {
        bmae::for_each_parameter(layers, prefix, visit);
    }

    LayerStack layers;

private:
    Options options_;
};

/// RetroMAE's decoder as first released.
using EnhancedDecoder = TwoStreamDecoder<PlainQuery>;
/// The decoder of DupMAE and of later releases.
using EnhancedDecoderLayerNormQuery = TwoStreamDecoder<LayerNormQuery>;

static_assert(DecoderOf<EnhancedDecoder, BertEncoder>);
static_assert(DecoderOf<EnhancedDecoderLayerNormQuery, BertEncoder>);

}  // namespace bmae
