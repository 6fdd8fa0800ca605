// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Multi-head attention inside each text of a packed batch, with optional row masks.
#pragma once

#include <cmath>
#include <cstdint>
#include <limits>
#include <span>
#include <utility>
#include <vector>

#include <ATen/core/Tensor.h>
#include <ATen/ops/_softmax.h>
#include <ATen/ops/_softmax_backward_data.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/full.h>
#include <ATen/ops/matmul.h>
#include <torch/csrc/autograd/custom_function.h>

#include <bmae/nn/dropout.hpp>
#include <bmae/values/packed_input.hpp>

namespace bmae {

namespace detail {

/// Consecutive texts of one length: they share one batched matrix product.
struct LengthGroup {
    std::int64_t begin;    ///< first row
    std::int64_t texts;    ///< n
    std::int64_t length;   ///< L
    std::size_t first;     ///< index of the first text
};

inline std::vector<LengthGroup> length_groups(std::span<std::int64_t const> offsets) {
    std::vector<LengthGroup> groups;
    for (std::size_t b = 0; b + 1 < offsets.size(); ++b) {
        std::int64_t const length = offsets[b + 1] - offsets[b];
        if (length == 0) { continue; }
        if (!groups.empty() && groups.back().length == length) {
            ++groups.back().texts;
        } else {
            groups.push_back({.begin = offsets[b], .texts = 1, .length = length, .first = b});
        }
    }
    return groups;
}

/// Rows of a group seen head by head: [n, heads, L, d], a view.
inline at::Tensor heads_view(at::Tensor const& rows, LengthGroup const& group, std::int64_t heads) {
    return rows.narrow(0, group.begin, group.texts * group.length)
        .view({group.texts, group.length, heads, rows.size(1) / heads})
        .transpose(1, 2);
}

/// [n, 1, L, L] 0 where a row may read a column, else the most negative finite number: a row that may read nothing then
/// averages its context instead of becoming NaN.
inline at::Tensor additive_mask(std::vector<Visibility> const& visibility, LengthGroup const& group, at::TensorOptions options) {
    at::Tensor mask = at::empty({group.texts, 1, group.length, group.length}, at::kFloat);
    float* out = mask.mutable_data_ptr<float>();
    constexpr float blocked = std::numeric_limits<float>::lowest() / 2;
    for (std::int64_t n = 0; n < group.texts; ++n) {
        Visibility const& rows = visibility[group.first + static_cast<std::size_t>(n)];
        for (std::size_t i = 0; i < static_cast<std::size_t>(group.length); ++i) {
            std::uint64_t const* bits = rows.entry(i);
            for (std::size_t j = 0; j < static_cast<std::size_t>(group.length); ++j) {
                *out++ = i != j && ((bits[j / 64] >> (j % 64)) & 1U) != 0 ? 0.0F : blocked;
            }
        }
    }
    return mask.to(options);
}

/// softmax(Q K^T / sqrt(d) + M) V per text and head, forward and backward over whole length groups.
struct PackedAttention : torch::autograd::Function<PackedAttention> {
    static at::Tensor forward(torch::autograd::AutogradContext* context, at::Tensor const& query, at::Tensor const& key,
                              at::Tensor const& value, std::vector<std::int64_t> const& offsets, std::int64_t heads,
                              std::int64_t visibility, double dropout_rate, std::int64_t dropout_key) {
        // The pointer travels as an integer because autograd keeps only tensors and plain values.
        auto const* rows = reinterpret_cast<std::vector<Visibility> const*>(static_cast<std::uintptr_t>(visibility));
        double const scale = 1.0 / std::sqrt(static_cast<double>(query.size(1) / heads));
        at::Tensor output = at::empty_like(query);
        std::vector<at::Tensor> saved{query, key, value};
        for (LengthGroup const& group : length_groups(offsets)) {
            at::Tensor const q = heads_view(query, group, heads);
            at::Tensor scores = at::matmul(q, heads_view(key, group, heads).transpose(2, 3)).mul_(scale);   // [n, h, L, L]
            if (rows != nullptr) { scores.add_(additive_mask(*rows, group, scores.options())); }
            at::Tensor weights = at::_softmax(scores, -1, false);
            saved.push_back(weights);
            if (dropout_rate > 0) { weights = weights.mul(dropout_mask(weights, dropout_rate, group_key(dropout_key, group))); }
            heads_view(output, group, heads).copy_(at::matmul(weights, heads_view(value, group, heads)));
        }
        context->save_for_backward(std::move(saved));
        context->saved_data["offsets"] = offsets;
        context->saved_data["heads"] = heads;
        context->saved_data["rate"] = dropout_rate;
        context->saved_data["key"] = dropout_key;
        return output;
    }

    static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context, torch::autograd::variable_list gradients) {
        auto const saved = context->get_saved_variables();
        at::Tensor const& query = saved[0];
        at::Tensor const& key = saved[1];
        at::Tensor const& value = saved[2];
        std::vector<std::int64_t> const offsets = context->saved_data["offsets"].toIntVector();
        std::int64_t const heads = context->saved_data["heads"].toInt();
        double const rate = context->saved_data["rate"].toDouble();
        std::int64_t const dropout_key = context->saved_data["key"].toInt();
        double const scale = 1.0 / std::sqrt(static_cast<double>(query.size(1) / heads));
        at::Tensor const gradient = gradients[0].contiguous();
        at::Tensor query_gradient = at::empty_like(query);
        at::Tensor key_gradient = at::empty_like(key);
        at::Tensor value_gradient = at::empty_like(value);
        std::size_t next = 3;
        for (LengthGroup const& group : length_groups(offsets)) {
            at::Tensor const& weights = saved[next++];
            at::Tensor const output_gradient = heads_view(gradient, group, heads);
            at::Tensor weights_gradient = at::matmul(output_gradient, heads_view(value, group, heads).transpose(2, 3));
            at::Tensor dropped = weights;
            if (rate > 0) {
                at::Tensor const mask = dropout_mask(weights, rate, group_key(dropout_key, group));
                dropped = weights.mul(mask);
                weights_gradient.mul_(mask);
            }
            heads_view(value_gradient, group, heads).copy_(at::matmul(dropped.transpose(2, 3), output_gradient));
            at::Tensor const scores_gradient =
                at::_softmax_backward_data(weights_gradient, weights, -1, weights.scalar_type()).mul_(scale);
            heads_view(query_gradient, group, heads).copy_(at::matmul(scores_gradient, heads_view(key, group, heads)));
            heads_view(key_gradient, group, heads).copy_(at::matmul(scores_gradient.transpose(2, 3), heads_view(query, group, heads)));
        }
        return {query_gradient, key_gradient, value_gradient, {}, {}, {}, {}, {}};
    }

private:
    static std::uint64_t group_key(std::int64_t key, LengthGroup const& group) noexcept {
        return mix64(static_cast<std::uint64_t>(key) ^ static_cast<std::uint64_t>(group.begin));
    }
};

}  // namespace detail

/// Each row attends to the rows of its own text: softmax(Q K^T / sqrt(d) + M) V (Vaswani et al., equation 1; M: RetroMAE eq. 7).
/// \param query,key,value  [T, H] projected rows, in the order of `input.offsets`
/// \param visibility       row masks M, one per text, or nullptr where every row may read every column of its text
/// \returns [T, H]
inline at::Tensor packed_attention(at::Tensor const& query, at::Tensor const& key, at::Tensor const& value, PackedInput const& input,
                                   std::int64_t heads, std::vector<Visibility> const* visibility, double dropout_rate,
                                   ForwardContext& context) {
    bool const drop = context.training && dropout_rate > 0;
    return detail::PackedAttention::apply(query, key, value, input.offsets, heads,
                                          static_cast<std::int64_t>(reinterpret_cast<std::uintptr_t>(visibility)),
                                          drop ? dropout_rate : 0.0, drop ? static_cast<std::int64_t>(context.next_key()) : 0);
}

}  // namespace bmae
