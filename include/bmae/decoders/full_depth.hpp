// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// A whole second network that reads the sentence vector in place of its first token.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include <ATen/core/Tensor.h>

#include <bmae/concepts/decoder.hpp>
#include <bmae/encoders/bert.hpp>
#include <bmae/nn/embeddings.hpp>
#include <bmae/nn/initialize.hpp>
#include <bmae/nn/transformer_layer.hpp>

namespace bmae {

/// A `FullDepthDecoder` has no numbers: it has the encoder's.
struct FullDepthDecoderOptions {};

/// A copy of the encoder, embeddings included, made when training starts and trained apart from then on; its row 0 is h
/// (Chuang et al.: DiffCSE, arXiv 2204.10298, the discriminator).
class FullDepthDecoder {
public:
    using Options = FullDepthDecoderOptions;
    static constexpr std::string_view kind = "full_depth";
    static constexpr bool reads_visibility = false;

    FullDepthDecoder(Options, BertEncoder const& encoder, std::uint64_t, std::string const&)
        : embeddings(encoder.config()), layers(make_layers(encoder.config().num_hidden_layers, encoder.config())) {
        copy_parameters(encoder.embeddings, embeddings);
        for (std::size_t i = 0; i < layers.size(); ++i) { copy_parameters(encoder.layers[i], layers[i]); }
    }

    [[nodiscard]] at::Tensor decode(at::Tensor const& sentence, PackedInput const& view, BertEncoder const&, Encoded const&,
                                    ForwardContext& context) const {
        at::Tensor rows =
            embeddings(view.input_ids, view.positions, context).index_copy(0, view.first_rows, sentence);   // [T, H]
        for (TransformerLayer const& layer : layers) { rows = layer(rows, rows, view, nullptr, context); }
        return rows;
    }

    template <class Visit>
    void for_each_parameter(std::string const& prefix, Visit&& visit) {
        embeddings.for_each_parameter(prefix + ".embeddings", visit);
        bmae::for_each_parameter(layers, prefix, visit);
    }

    Embeddings embeddings;
    LayerStack layers;
};

static_assert(DecoderOf<FullDepthDecoder, BertEncoder>);

}  // namespace bmae
