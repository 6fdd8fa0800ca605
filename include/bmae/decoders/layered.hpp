// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Base of decoders made of transformer layers: the layers, their options, their names.
#pragma once

#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>

#include <bmae/concepts/encoder.hpp>
#include <bmae/nn/gated_layer.hpp>
#include <bmae/nn/gather_rows.hpp>
#include <bmae/nn/initialize.hpp>
#include <bmae/nn/transformer_layer.hpp>
#include <bmae/values/error.hpp>

namespace bmae {

/// An encoder that is a stack of this library's transformer layers, which a decoder may copy.
template <class E>
concept HasLayerStack = Encoder<E> && requires(E const& encoder) {
    { encoder.layers } -> std::same_as<LayerStack const&>;
};

/// Which layers a decoder has beside an encoder whose positions are rotary (`Shape::rotary_base`); beside any other encoder they
/// are BERT's.
enum class DecoderFamily {
    encoder,   ///< the encoder's: gated pre-norm layers whose queries and keys are turned, then a norm
    bert       ///< BERT's post-norm layers; a table of positions of the decoder's own is added to what it reads
};

/// Names in command lines and checkpoints.
constexpr std::array<std::string_view, 2> names_of(DecoderFamily) noexcept { return {"encoder", "bert"}; }

namespace detail {

/// The layers of an encoder of the family of `GatedStack`, or nullptr.
template <class E>
GatedStack const* gated_layers_of(E const& encoder) {
    if constexpr (requires {
                      { encoder.gated_layers() } -> std::same_as<GatedStack const*>;
                  }) {
        return encoder.gated_layers();
    } else {
        return nullptr;
    }
}

/// Refuses to copy more layers than an encoder of `depth` layers has.
inline void require_depth(std::int64_t layers, std::size_t depth) {
    if (layers <= static_cast<std::int64_t>(depth)) { return; }
    throw InputError(Diagnostic{
        .file = {},
        .expected = "at most " + std::to_string(depth) + " decoder layers of the encoder's kind, to copy the encoder's last ones",
        .found = std::to_string(layers),
        .hint = "Use fewer layers or the initialization bert."});
}

}  // namespace detail

/// Base of decoders that consist of `options.layers` layers beside an encoder, initialized by `options.initialization`.
///
/// Beside an encoder with rotary positions the layers are `gated` (RetroMAE's decoder over ModernBERT as published forks have it),
/// or, with `options.family` bert or without such an option, `layers` and a `position` table.
template <class OptionsT>
class LayeredDecoder {
public:
    using Options = OptionsT;

    [[nodiscard]] Options const& options() const noexcept { return options_; }

    template <class Visit>
    void for_each_parameter(std::string const& prefix, Visit&& visit) {
        if (is_gated()) { gated.for_each_parameter(prefix, visit); }
        if (position.defined()) { visit(prefix + ".position_embeddings.weight", position, ParameterRole::weight); }
        bmae::for_each_parameter(layers, prefix, visit);
    }

    /// The decoder has the layers of its rotary encoder's family.
    [[nodiscard]] bool is_gated() const noexcept { return gated.final_norm.weight.defined(); }

    LayerStack layers;          ///< BERT's; empty where `is_gated()`
    GatedStack gated;           ///< of the family of a rotary encoder
    at::Tensor position = {};   ///< [P, H], or undefined where positions come from elsewhere

protected:
    /// Throws InputError for a number of layers below 0, and for more copied layers than the encoder has.
    template <Encoder E>
    LayeredDecoder(Options options, E const& encoder, std::uint64_t seed, std::string const& name)
        : options_(std::move(options)) {
        Shape const shape = encoder.shape();
        bool const rotary = shape.rotary_base > 0;
        if (rotary && wants_family()) {
            gated = GatedStack(options_.layers, shape);
        } else {
            layers = make_layers(options_.layers, shape);
            if (rotary) { position = at::empty({shape.positions, shape.width}); }
        }
        if (is_gated() && options_.initialization == Initialization::bert) {
            initialize_gated(gated, name, seed, shape);
        } else {
            initialize(*this, name, seed, options_.initialization, shape.initial_deviation);
        }
        if (options_.initialization == Initialization::last_layers) { copy_last_layers(encoder); }
    }

    /// The rows through all layers.                                                                                [T, H]
    /// \param visibility  which rows each row reads, or nullptr for all of its text
    [[nodiscard]] at::Tensor run_layers(at::Tensor rows, PackedInput const& view, ForwardContext& context,
                                        std::vector<Visibility> const* visibility = nullptr) const {
        if (is_gated()) { return gated(rows, view, visibility, context); }
        for (TransformerLayer const& layer : layers) { rows = layer(rows, rows, view, visibility, context); }
        return rows;
    }

    /// The rows of the decoder's view with the positions of its own table, where it has one.              [T, H] -> [T, H]
    [[nodiscard]] at::Tensor placed(at::Tensor const& rows, PackedInput const& view) const {
        return position.defined() ? rows + gather_rows(position, view.positions, "positions of the decoder") : rows;
    }

    Options options_;

private:
    [[nodiscard]] bool wants_family() const {
        if constexpr (requires { options_.family; }) {
            return options_.family == DecoderFamily::encoder;
        } else {
            return false;
        }
    }

    template <class E>
    void copy_last_layers(E const& encoder) {
        if (is_gated()) {
            GatedStack const* const source = detail::gated_layers_of(encoder);
            std::size_t const depth = source == nullptr ? 0 : source->layer.size();
            detail::require_depth(options_.layers, depth);
            for (std::size_t i = 0; i < gated.layer.size(); ++i) {
                copy_gated(source->layer[depth - gated.layer.size() + i], gated.layer[i]);
            }
            if (source != nullptr) { copy_parameters(source->final_norm, gated.final_norm); }
            return;
        }
        std::size_t depth = 0;
        if constexpr (HasLayerStack<E>) { depth = encoder.layers.size(); }
        detail::require_depth(options_.layers, depth);
        if constexpr (HasLayerStack<E>) {
            for (std::size_t i = 0; i < layers.size(); ++i) {
                copy_parameters(encoder.layers[depth - layers.size() + i], layers[i]);
            }
        }
    }

    /// The first layer of an encoder has no norm before its attention: the copy keeps a norm that starts as the identity's scale.
    static void copy_gated(GatedLayer const& from, GatedLayer& to) {
        GatedLayer whole = from;
        if (!whole.attention_norm.weight.defined()) { whole.attention_norm = to.attention_norm; }
        copy_parameters(whole, to);
    }
};

}  // namespace bmae
