// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// One post-LN transformer layer of BERT, with one stream or with a separate query stream.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>

#include <bmae/nn/activation.hpp>
#include <bmae/nn/attention.hpp>
#include <bmae/nn/dropout.hpp>
#include <bmae/nn/layer_norm.hpp>
#include <bmae/nn/linear.hpp>
#include <bmae/values/error.hpp>
#include <bmae/values/shape.hpp>

namespace bmae {

/// Attention with residual and LayerNorm, then a feed-forward block with residual and LayerNorm (BERT, arXiv 1810.04805).
struct TransformerLayer {
    Linear query = {};
    Linear key = {};
    Linear value = {};
    Linear attention_output = {};
    LayerNorm attention_norm = {};
    Linear intermediate = {};
    Linear output = {};
    LayerNorm output_norm = {};
    Activation activation = Activation::gelu;
    std::int64_t heads = 1;
    double hidden_dropout = 0.1;
    double attention_output_dropout = 0.1;   ///< between the attention and its residual
    double attention_dropout = 0.1;

    TransformerLayer() = default;
    explicit TransformerLayer(Shape const& shape)
        : query(shape.width, shape.width),
          key(shape.width, shape.width),
          value(shape.width, shape.width),
          attention_output(shape.width, shape.width),
          attention_norm(shape.width, shape.norm_epsilon),
          intermediate(shape.width, shape.inner_width),
          output(shape.inner_width, shape.width),
          output_norm(shape.width, shape.norm_epsilon),
          activation(shape.activation),
          heads(shape.heads),
          hidden_dropout(shape.hidden_dropout),
          attention_output_dropout(shape.attention_output_dropout),
          attention_dropout(shape.attention_dropout) {}

    /// \param stream      [T, H] query rows, which carry the residual
    /// \param context     [T, H] key and value rows; pass `stream` itself for ordinary self-attention
    /// \param visibility  which context rows each row attends to, or nullptr for all of its text
    /// \returns [T, H]
    at::Tensor operator()(at::Tensor const& stream, at::Tensor const& context_rows, PackedInput const& input,
                          std::vector<Visibility> const* visibility, ForwardContext& context) const {
        return transform(attend(stream, context_rows, input, visibility, context), context);
    }

    /// The first block: LayerNorm(stream + attention).                                                               [T, H]
    at::Tensor attend(at::Tensor const& stream, at::Tensor const& context_rows, PackedInput const& input,
                      std::vector<Visibility> const* visibility, ForwardContext& context) const {
        at::Tensor const read = packed_attention(query(stream), key(context_rows), value(context_rows), input,
                                                 attention_options(visibility), context);
        return attention_norm.after_block(attention_output.product(read), attention_output.bias, stream, attention_output_dropout,
                                          context);
    }

    /// The second block: LayerNorm(rows + feed-forward).                                                   [T, H] -> [T, H]
    at::Tensor transform(at::Tensor const& rows, ForwardContext& context) const {
        at::Tensor const expanded = activate(intermediate.product(rows), intermediate.bias, activation);
        return output_norm.after_block(output.product(expanded), output.bias, rows, hidden_dropout, context);
    }

    /// The same parameters with each LayerNorm before its block, as in GPT-2 (Radford et al. 2019).        [T, H] -> [T, H]
    at::Tensor pre_norm(at::Tensor const& stream, PackedInput const& input, std::vector<Visibility> const* visibility,
                        ForwardContext& context) const {
        at::Tensor const normed = attention_norm(stream);
        at::Tensor const read =
            packed_attention(query(normed), key(normed), value(normed), input, attention_options(visibility), context);
        at::Tensor const attended = stream + dropout(attention_output(read), attention_output_dropout, context);
        at::Tensor const expanded = activate(intermediate.product(output_norm(attended)), intermediate.bias, activation);
        return attended + dropout(output(expanded), hidden_dropout, context);
    }

    [[nodiscard]] AttentionOptions attention_options(std::vector<Visibility> const* visibility) const {
        return {.heads = heads, .visibility = visibility, .dropout = attention_dropout};
    }

    /// Visits the linear maps, to pack them.
    template <class Visit>
    void for_each_linear(Visit&& visit) {
        for (Linear* const map : {&query, &key, &value, &attention_output, &intermediate, &output}) { visit(*map); }
    }

    template <class Visit>
    void for_each_parameter(std::string const& prefix, Visit&& visit) {
        query.for_each_parameter(prefix + ".attention.self.query", visit);
        key.for_each_parameter(prefix + ".attention.self.key", visit);
        value.for_each_parameter(prefix + ".attention.self.value", visit);
        attention_output.for_each_parameter(prefix + ".attention.output.dense", visit);
        attention_norm.for_each_parameter(prefix + ".attention.output.LayerNorm", visit);
        intermediate.for_each_parameter(prefix + ".intermediate.dense", visit);
        output.for_each_parameter(prefix + ".output.dense", visit);
        output_norm.for_each_parameter(prefix + ".output.LayerNorm", visit);
    }
};

/// A stack of layers.
using LayerStack = std::vector<TransformerLayer>;

/// `count` layers of one shape, parameters not yet initialized. Throws InputError for a count below 0.
inline LayerStack make_layers(std::int64_t count, Shape const& shape) {
    if (count < 0) {
        throw InputError(Diagnostic{.file = {},
                                    .expected = "at least 0 layers",
                                    .found = std::to_string(count),
                                    .hint = "RetroMAE's decoder has 1, MASTER's 2."});
    }
    LayerStack layers;
    for (std::int64_t i = 0; i < count; ++i) { layers.emplace_back(shape); }   // each with tensors of its own
    return layers;
}

/// Visits the parameters of layer i as `prefix.layer.i`.
template <class Visit>
void for_each_parameter(LayerStack& layers, std::string const& prefix, Visit&& visit) {
    for (std::size_t i = 0; i < layers.size(); ++i) {
        layers[i].for_each_parameter(prefix + ".layer." + std::to_string(i), visit);
    }
}

}  // namespace bmae
