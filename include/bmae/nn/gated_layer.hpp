// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// ModernBERT's transformer layer: rotary positions, norms before the blocks, a gated feed-forward block, no biases.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>

#include <bmae/nn/attention.hpp>
#include <bmae/nn/bf16_products.hpp>
#include <bmae/nn/dropout.hpp>
#include <bmae/nn/gated_activation.hpp>
#include <bmae/nn/initialize.hpp>
#include <bmae/nn/linear.hpp>
#include <bmae/nn/rotary.hpp>
#include <bmae/nn/truncated_normal.hpp>
#include <bmae/nn/unshifted_norm.hpp>
#include <bmae/values/error.hpp>
#include <bmae/values/shape.hpp>

namespace bmae {

/// x + Attention(Norm(x)), then x + W_o (gelu(a) b) with [a, b] = W_i Norm(x) (Warner et al.: ModernBERT, arXiv 2412.13663, section
/// 2.1). Queries and keys are turned by the positions of their rows. Parameter names are those of Hugging Face's
/// ModernBertEncoderLayer.
struct GatedLayer {
    UnshiftedNorm attention_norm = {};   ///< the identity in the first layer, whose rows come from the embeddings' norm
    Linear qkv = {};                     ///< H -> 3H: queries, keys, values
    Linear attention_output = {};        ///< H -> H
    UnshiftedNorm mlp_norm = {};
    Linear wide = {};     ///< H -> 2I: values, then gates
    Linear narrow = {};   ///< I -> H
    Activation activation = Activation::gelu;
    std::int64_t heads = 1;
    std::int64_t window = 0;        ///< half-width of local attention; 0: global
    double attention_dropout = 0;   ///< of the weights
    double attention_output_dropout = 0;
    double inner_dropout = 0;   ///< between the gated product and its output

    GatedLayer() = default;
    explicit GatedLayer(Shape const& shape)
        : attention_norm(shape.width, shape.norm_epsilon),
          qkv(Linear::without_bias(shape.width, 3 * shape.width)),
          attention_output(Linear::without_bias(shape.width, shape.width)),
          mlp_norm(shape.width, shape.norm_epsilon),
          wide(Linear::without_bias(shape.width, 2 * shape.inner_width)),
          narrow(Linear::without_bias(shape.inner_width, shape.width)),
          activation(shape.activation),
          heads(shape.heads),
          attention_dropout(shape.attention_dropout),
          attention_output_dropout(shape.attention_output_dropout),
          inner_dropout(shape.hidden_dropout) {}

    /// \param stream        [T, H] query rows, which carry the residual
    /// \param context_rows  [T, H] key and value rows; pass `stream` itself for ordinary self-attention
    /// \param visibility    which context rows each row attends to, or nullptr for all of its text
    /// \param phases        of the rows of both
    /// \returns [T, H]
    at::Tensor operator()(at::Tensor const& stream, at::Tensor const& context_rows, PackedInput const& input,
                          std::vector<Visibility> const* visibility, RotaryPhases const& phases, ForwardContext& context) const {
        return transform(attend(stream, context_rows, input, visibility, phases, context), context);
    }

    /// The first block: stream + attention.                                                                        [T, H]
    at::Tensor attend(at::Tensor const& stream, at::Tensor const& context_rows, PackedInput const& input,
                      std::vector<Visibility> const* visibility, RotaryPhases const& phases, ForwardContext& context) const {
        std::int64_t const width = qkv.weight.size(1);
        at::Tensor const normed = attention_norm(stream);
        std::vector<at::Tensor> parts;   // queries, keys, values
        if (stream.is_same(context_rows)) {
            parts = rotated_parts(qkv(normed), phases, heads, 3, 2);
        } else {
            parts = rotated_parts(detail::affine(normed, qkv.weight.narrow(0, 0, width)), phases, heads, 1, 1);
            at::Tensor const read = detail::affine(attention_norm(context_rows), qkv.weight.narrow(0, width, 2 * width));
            for (at::Tensor& part : rotated_parts(read, phases, heads, 2, 1)) { parts.push_back(std::move(part)); }
        }
        AttentionOptions const options{.heads = heads, .visibility = visibility, .dropout = attention_dropout, .window = window};
        at::Tensor const attended = packed_attention(parts[0], parts[1], parts[2], input, options, context);
        return stream + dropout(attention_output(attended), attention_output_dropout, context);
    }

    /// The second block: rows + gated feed-forward.                                                        [T, H] -> [T, H]
    at::Tensor transform(at::Tensor const& rows, ForwardContext& context) const {
        at::Tensor const gated = gated_activation(wide(mlp_norm(rows)), activation);
        return rows + narrow(dropout(gated, inner_dropout, context));
    }

    template <class Visit>
    void for_each_parameter(std::string const& prefix, Visit&& visit) {
        attention_norm.for_each_parameter(prefix + ".attn_norm", visit);
        qkv.for_each_parameter(prefix + ".attn.Wqkv", visit);
        attention_output.for_each_parameter(prefix + ".attn.Wo", visit);
        mlp_norm.for_each_parameter(prefix + ".mlp_norm", visit);
        wide.for_each_parameter(prefix + ".mlp.Wi", visit);
        narrow.for_each_parameter(prefix + ".mlp.Wo", visit);
    }
    /// The linear maps, to pack them for inference.
    template <class Visit>
    void for_each_linear(Visit&& visit) {
        for (Linear* const map : {&qkv, &attention_output, &wide, &narrow}) { visit(*map); }
    }

    /// The parameter writes into the residual stream: it starts smaller, by 1/sqrt(2 layers).
    [[nodiscard]] bool writes_residual(at::Tensor const& parameter) const {
        return parameter.is_same(attention_output.weight) || parameter.is_same(narrow.weight);
    }
};

/// Layers of one kind and the norm behind the last of them.
struct GatedStack {
    std::vector<GatedLayer> layer = {};
    UnshiftedNorm final_norm = {};
    std::int64_t head_width = 0;   ///< d, columns of a head
    double rotary_base = 0;        ///< of layers with global attention
    double local_base = 0;         ///< of layers with a window; 0: there are none

    GatedStack() = default;
    /// `count` layers with global attention, parameters not yet initialized. Throws InputError for a count below 0.
    GatedStack(std::int64_t count, Shape const& shape)
        : final_norm(shape.width, shape.norm_epsilon), head_width(shape.width / shape.heads), rotary_base(shape.rotary_base) {
        if (count < 0) {
            throw InputError(Diagnostic{.file = {},
                                        .expected = "at least 0 layers",
                                        .found = std::to_string(count),
                                        .hint = "RetroMAE's decoder has 1, MASTER's 2."});
        }
        for (std::int64_t i = 0; i < count; ++i) { layer.emplace_back(shape); }   // each with tensors of its own
    }

    /// The phases of the rows for layers with global attention and for those with a window.
    struct Phases {
        RotaryPhases global = {};
        RotaryPhases local = {};
        [[nodiscard]] RotaryPhases const& of(GatedLayer const& layer) const { return layer.window > 0 ? local : global; }
    };
    [[nodiscard]] Phases phases(at::Tensor const& positions) const {
        Phases made{.global = rotary_phases(positions, head_width, rotary_base)};
        if (local_base == rotary_base) {
            made.local = made.global;
        } else if (local_base > 0) {
            made.local = rotary_phases(positions, head_width, local_base);
        }
        return made;
    }

    /// All layers and the norm, in one stream.                                                            [T, H] -> [T, H]
    at::Tensor operator()(at::Tensor rows, PackedInput const& input, std::vector<Visibility> const* visibility,
                          ForwardContext& context) const {
        Phases const turned = phases(input.positions);
        for (GatedLayer const& each : layer) { rows = each(rows, rows, input, visibility, turned.of(each), context); }
        return final_norm(rows);
    }

    /// The same in two streams: `rows` read `context_rows` in every layer, and these stay as they are.    [T, H] -> [T, H]
    at::Tensor read(at::Tensor rows, at::Tensor const& context_rows, PackedInput const& input,
                    std::vector<Visibility> const* visibility, ForwardContext& context) const {
        Phases const turned = phases(input.positions);
        for (GatedLayer const& each : layer) { rows = each(rows, context_rows, input, visibility, turned.of(each), context); }
        return final_norm(rows);
    }

    /// Layer i is `prefix.layers.i`, the norm `prefix.final_norm`.
    template <class Visit>
    void for_each_parameter(std::string const& prefix, Visit&& visit) {
        for (std::size_t i = 0; i < layer.size(); ++i) {
            layer[i].for_each_parameter(prefix + ".layers." + std::to_string(i), visit);
        }
        final_norm.for_each_parameter(prefix + ".final_norm", visit);
    }
    [[nodiscard]] bool writes_residual(at::Tensor const& parameter) const {
        for (GatedLayer const& each : layer) {
            if (each.writes_residual(parameter)) { return true; }
        }
        return false;
    }
};

/// Fills a new stack as transformers fills ModernBERT: N(0, s) within the cutoff, s the shape's deviation, divided by sqrt(2 n) for
/// what writes into the residual stream, n the layers of the encoder of this shape.
inline void initialize_gated(GatedStack& stack, std::string const& prefix, std::uint64_t seed, Shape const& shape) {
    double const smaller = shape.initial_deviation / std::sqrt(2.0 * static_cast<double>(shape.layers));
    stack.for_each_parameter(prefix, [&](std::string const& name, at::Tensor& value, ParameterRole role) {
        double const deviation = stack.writes_residual(value) ? smaller : shape.initial_deviation;
        initialize_truncated(name, value, role, seed, deviation, shape.initial_cutoff);
    });
}

}  // namespace bmae
