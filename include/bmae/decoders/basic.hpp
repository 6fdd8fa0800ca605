// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Bidirectional layers whose first row is the sentence vector.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include <ATen/core/Tensor.h>

#include <bmae/concepts/decoder.hpp>
#include <bmae/encoders/bert.hpp>
#include <bmae/nn/initialize.hpp>
#include <bmae/nn/transformer_layer.hpp>
#include <bmae/values/error.hpp>

namespace bmae {

/// Numbers of a `BasicDecoder`.
struct BasicDecoderOptions {
    std::int64_t layers = 1;   ///< RetroMAE: 1; MASTER, SimLM, CoT-MAE: 2
    Initialization initialization = Initialization::bert;

    template <class Visit>
    void for_each_option(Visit&& visit) {
        visit("layers", layers, "layers of the decoder");
        visit("initialization", initialization, "how fresh layers are drawn");
    }
};

/// H = [h, E(x_1), ..., E(x_N)], then n ordinary post-LN layers (SentMAE paper, equation 2; MASTER, equation 4).
/// Row 0 is the raw sentence vector: no position, no LayerNorm, no dropout.
class BasicDecoder {
public:
    using Options = BasicDecoderOptions;
    static constexpr std::string_view kind = "basic";
    static constexpr bool reads_visibility = false;

    BasicDecoder(Options options, BertEncoder const& encoder, std::uint64_t seed, std::string const& name)
        : layers(make_layers(options.layers, encoder.config())), options_(options) {
        initialize(*this, name, seed, options.initialization, encoder.config().initializer_range);
        if (options.initialization == Initialization::last_layers) { copy_last_layers(encoder); }
    }

    [[nodiscard]] at::Tensor decode(at::Tensor const& sentence, PackedInput const& view, BertEncoder const& encoder,
                                    Encoded const&, ForwardContext& context) const {
        at::Tensor rows = encoder.embeddings(view.input_ids, view.positions, context)
                              .index_copy(0, view.first_rows, sentence);   // [T, H], row 0 of each text = h
        for (TransformerLayer const& layer : layers) { rows = layer(rows, rows, view, nullptr, context); }
        return rows;
    }

    [[nodiscard]] Options const& options() const noexcept { return options_; }

    template <class Visit>
    void for_each_parameter(std::string const& prefix, Visit&& visit) {
        bmae::for_each_parameter(layers, prefix, visit);
    }

    LayerStack layers;

private:
    void copy_last_layers(BertEncoder const& encoder) {
        if (layers.size() > encoder.layers.size()) {
            throw InputError(Diagnostic{.file = {},
                                        .expected = "at most " + std::to_string(encoder.layers.size()) +
                                                    " decoder layers, to copy the encoder's last ones",
                                        .found = std::to_string(layers.size()),
                                        .hint = "Use fewer layers or Initialization::bert."});
        }
        std::size_t const first = encoder.layers.size() - layers.size();
        for (std::size_t i = 0; i < layers.size(); ++i) { copy_parameters(encoder.layers[first + i], layers[i]); }
    }

    Options options_;
};

static_assert(DecoderOf<BasicDecoder, BertEncoder>);

}  // namespace bmae
