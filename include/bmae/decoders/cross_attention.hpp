// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// A causal decoder that reads the sentence vector by cross-attention.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <ATen/core/Tensor.h>

#include <bmae/concepts/decoder.hpp>
#include <bmae/decoders/layered.hpp>
#include <bmae/nn/causal_window.hpp>

namespace bmae {

/// Options of a `CrossAttentionDecoder`.
struct CrossAttentionDecoderOptions {
    std::int64_t layers = 3;   ///< SEED as released: 3 with window 2, or 1 with window 8
    std::int64_t window = 2;   ///< columns, its own included; column 0 is always open
    Initialization initialization = Initialization::bert;

    template <class Visit>
    void for_each_option(Visit&& visit) {
        visit("layers", layers, "layers of the decoder");
        visit("window", window, "columns that a row attends to, its own included");
        visit("initialization", initialization, "how new layers are initialized");
    }
};

/// Attention to one key: softmax over one score is 1, so the result is the value itself for every query.
///
/// Query and key are parameters all the same, without gradient, so that a layer loads as one of Hugging Face's BertLayer.
struct SingleKeyAttention {
    Linear query = {};
    Linear key = {};
    Linear value = {};
    Linear output = {};
    LayerNorm norm = {};
    double dropout_rate = 0.1;

    explicit SingleKeyAttention(Shape const& shape)
        : query(shape.width, shape.width),
          key(shape.width, shape.width),
          value(shape.width, shape.width),
          output(shape.width, shape.width),
          norm(shape.width, shape.norm_epsilon),
          dropout_rate(shape.hidden_dropout) {}

    /// LayerNorm(x + W_o W_v h): an affine map of h added to every row of its text.
    /// \param rows      [T, H]
    /// \param sentence  [B, H]
    at::Tensor operator()(at::Tensor const& rows, at::Tensor const& sentence, PackedInput const& view,
                          ForwardContext& context) const {
        at::Tensor const added = output.product(value(sentence)).index_select(0, view.text_of_row);   // [T, H]
        return norm.after_block(added, output.bias, rows, dropout_rate, context);
    }

    template <class Visit>
    void for_each_parameter(std::string const& prefix, Visit&& visit) {
        query.for_each_parameter(prefix + ".self.query", visit);
        key.for_each_parameter(prefix + ".self.key", visit);
        value.for_each_parameter(prefix + ".self.value", visit);
        output.for_each_parameter(prefix + ".output.dense", visit);
        norm.for_each_parameter(prefix + ".output.LayerNorm", visit);
    }
};

namespace detail {

/// Parameters of layer i: `prefix.layer.i.crossattention`.
inline std::string crossing_name(std::string const& prefix, std::size_t i) {
    return prefix + ".layer." + std::to_string(i) + ".crossattention";
}

/// One cross-attention for each of `count` layers.
inline std::vector<SingleKeyAttention> make_crossings(std::size_t count, Shape const& shape, std::uint64_t seed,
                                                      std::string const& name, Initialization initialization) {
    std::vector<SingleKeyAttention> crossings;
    for (std::size_t i = 0; i < count; ++i) {
        crossings.emplace_back(shape);
        initialize(crossings.back(), crossing_name(name, i), seed, initialization, shape.initial_deviation);
    }
    return crossings;
}

/// The rows through all layers, which read the sentence vector between self-attention and feed-forward block.          [T, H]
inline at::Tensor run_crossed(LayerStack const& layers, std::vector<SingleKeyAttention> const& crossings, at::Tensor rows,
                              at::Tensor const& sentence, PackedInput const& view, std::vector<Visibility> const& windows,
                              ForwardContext& context) {
    for (std::size_t i = 0; i < layers.size(); ++i) {
        rows = layers[i].attend(rows, rows, view, &windows, context);
        rows = crossings[i](rows, sentence, view, context);
        rows = layers[i].transform(rows, context);
    }
    return rows;
}

template <class Visit>
void for_each_crossing_parameter(std::vector<SingleKeyAttention>& crossings, std::string const& prefix, Visit&& visit) {
    for (std::size_t i = 0; i < crossings.size(); ++i) { crossings[i].for_each_parameter(crossing_name(prefix, i), visit); }
}

}  // namespace detail

/// [E(x_0), ..., E(x_N)] under a causal window, h added in every layer (Lu et al.: SEED-Encoder, arXiv 2102.09206, section 4).
/// Its labels are the next tokens: `NextToken`. Its layers are BERT's beside any encoder; beside one with rotary positions it has a
/// table of positions of its own.
class CrossAttentionDecoder : public LayeredDecoder<CrossAttentionDecoderOptions> {
public:
    static constexpr std::string_view kind = "cross_attention";
    static constexpr bool reads_visibility = false;

    /// Throws InputError for a window below 1.
    template <Encoder E>
    CrossAttentionDecoder(Options options, E const& encoder, std::uint64_t seed, std::string const& name)
        : LayeredDecoder(options, encoder, seed, name),
          crossings(detail::make_crossings(layers.size(), encoder.shape(), seed, name, options.initialization)),
          window_(require_window(options.window, "SEED uses 2.")) {}

    template <Encoder E>
    [[nodiscard]] at::Tensor decode(at::Tensor const& sentence, PackedInput const& view, E const& encoder, Encoded const&,
                                    ForwardContext& context) const {
        std::vector<Visibility> const windows = causal_windows(view.offsets, window_);
        at::Tensor const rows = placed(encoder.embeddings(view.input_ids, view.positions, context), view);   // [T, H]
        return detail::run_crossed(layers, crossings, rows, sentence, view, windows, context);
    }

    template <class Visit>
    void for_each_parameter(std::string const& prefix, Visit&& visit) {
        LayeredDecoder::for_each_parameter(prefix, visit);
        detail::for_each_crossing_parameter(crossings, prefix, visit);
    }

    std::vector<SingleKeyAttention> crossings;

private:
    std::size_t window_;   // at least 1
};

}  // namespace bmae
