// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Base of decoders made of transformer layers: the layers, their options, their names.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>

#include <ATen/core/Tensor.h>

#include <bmae/concepts/encoder.hpp>
#include <bmae/nn/initialize.hpp>
#include <bmae/nn/transformer_layer.hpp>
#include <bmae/values/error.hpp>

namespace bmae {

/// An encoder that is a stack of this library's transformer layers, which a decoder may copy.
template <class E>
concept HasLayerStack = Encoder<E> && requires(E const& encoder) {
    { encoder.layers } -> std::same_as<LayerStack const&>;
};

/// Base of decoders that consist of `options.layers` layers beside an encoder, initialized by `options.initialization`.
template <class OptionsT>
class LayeredDecoder {
public:
    using Options = OptionsT;

    [[nodiscard]] Options const& options() const noexcept { return options_; }

    template <class Visit>
    void for_each_parameter(std::string const& prefix, Visit&& visit) {
        bmae::for_each_parameter(layers, prefix, visit);
    }

    LayerStack layers;

protected:
    /// Throws InputError for a number of layers below 0, and for more copied layers than the encoder has.
    template <Encoder E>
    LayeredDecoder(Options options, E const& encoder, std::uint64_t seed, std::string const& name)
        : layers(make_layers(options.layers, encoder.shape())), options_(std::move(options)) {
        initialize(*this, name, seed, options_.initialization, encoder.shape().initial_deviation);
        if (options_.initialization == Initialization::last_layers) { copy_last_layers(encoder); }
    }

    /// The rows through all layers, each row reading all of its text.                                                 [T, H]
    [[nodiscard]] at::Tensor run_layers(at::Tensor rows, PackedInput const& view, ForwardContext& context) const {
        for (TransformerLayer const& layer : layers) { rows = layer(rows, rows, view, nullptr, context); }
        return rows;
    }

    Options options_;

private:
    template <class E>
    void copy_last_layers(E const& encoder) {
        std::size_t depth = 0;
        if constexpr (HasLayerStack<E>) { depth = encoder.layers.size(); }
        if (layers.size() > depth) {
            throw InputError(
                Diagnostic{.file = {},
                           .expected = "at most " + std::to_string(depth) + " decoder layers, to copy the encoder's last ones",
                           .found = std::to_string(layers.size()),
                           .hint = "Use fewer layers or the initialization bert."});
        }
        if constexpr (HasLayerStack<E>) {
            for (std::size_t i = 0; i < layers.size(); ++i) {
                copy_parameters(encoder.layers[depth - layers.size() + i], layers[i]);
            }
        }
    }
};

}  // namespace bmae
