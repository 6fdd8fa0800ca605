// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Multi-head attention inside each text of a packed batch, with optional row masks.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <functional>
#include <limits>
#include <span>
#include <utility>
#include <vector>

#include <ATen/core/Tensor.h>
#include <ATen/ops/_softmax.h>
#include <ATen/ops/_softmax_backward_data.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/matmul.h>
#include <torch/csrc/autograd/custom_function.h>

#include <bmae/nn/cpu_attention.hpp>
#include <bmae/nn/cpu_path.hpp>
#include <bmae/nn/dropout.hpp>
#include <bmae/nn/packed_rows.hpp>
#include <bmae/values/packed_input.hpp>
#include <bmae/values/visibility.hpp>

namespace bmae {

namespace detail {
inline namespace BMAE_KERNELS {

/// Consecutive texts of equal length, which share one batched matrix product.
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
        if (!groups.empty() && groups.back().length == length && offsets[b] == offsets[b - 1] + length) {
            ++groups.back().texts;
        } else {
            groups.push_back({.begin = offsets[b], .texts = 1, .length = length, .first = b});
        }
    }
    return groups;
}

/// Rows of a group by head: [n, heads, L, d], a view.
inline at::Tensor heads_view(at::Tensor const& rows, LengthGroup const& group, std::int64_t heads) {
    return rows.narrow(0, group.begin, group.texts * group.length)
        .view({group.texts, group.length, heads, rows.size(1) / heads})
        .transpose(1, 2);
}

/// [n, 1, L, L] 0 where a row attends to a column; minus infinity beyond the window; else the most negative finite number, so that
/// a row whose mask leaves nothing averages the columns of its window instead of becoming NaN.
inline at::Tensor additive_mask(std::vector<Visibility> const* visibility, std::int64_t window, LengthGroup const& group,
                                at::TensorOptions options) {
    at::Tensor mask = at::empty({group.texts, 1, group.length, group.length}, at::kFloat);
    float* out = mask.mutable_data_ptr<float>();
    constexpr float blocked = std::numeric_limits<float>::lowest() / 2;
    for (std::int64_t n = 0; n < group.texts; ++n) {
        Visibility const* const rows =
            visibility == nullptr ? nullptr : &(*visibility)[group.first + static_cast<std::size_t>(n)];
        for (std::int64_t i = 0; i < group.length; ++i) {
            for (std::int64_t j = 0; j < group.length; ++j) {
                bool const far = window > 0 && std::abs(i - j) > window;
                bool const seen = rows == nullptr || rows->allows(static_cast<std::size_t>(i), static_cast<std::size_t>(j));
                *out++ = far ? -std::numeric_limits<float>::infinity() : seen ? 0.0F : blocked;
            }
        }
    }
    return mask.to(options);
}

/// Key of the dropout of one text, independent of the texts that share a product with it.
inline std::uint64_t text_key(std::int64_t key, std::int64_t first_row) noexcept {
    return mix64(static_cast<std::uint64_t>(key) ^ static_cast<std::uint64_t>(first_row));
}

/// Dropout masks of the weights of a group of texts: [n, heads, L, L].
inline at::Tensor weights_mask(at::Tensor const& weights, LengthGroup const& group, double rate, std::int64_t key) {
    at::Tensor masks = at::empty_like(weights);
    for (std::int64_t n = 0; n < group.texts; ++n) {
        masks[n].copy_(dropout_mask(weights[n], rate, text_key(key, group.begin + n * group.length)));
    }
    return masks;
}

/// Attention in LibTorch's operations, over whole groups of texts of one length.
struct GroupedAttention {
    std::vector<std::int64_t> offsets;
    std::int64_t heads;
    std::vector<Visibility> const* visibility;
    std::int64_t window;
    double rate;
    std::int64_t key;

    at::Tensor forward(at::Tensor const& query, at::Tensor const& keys, at::Tensor const& value,
                       std::vector<at::Tensor>& saved) const {
        double const scale = 1.0 / std::sqrt(static_cast<double>(query.size(1) / heads));
        at::Tensor output = at::empty_like(query);
        for (LengthGroup const& group : length_groups(offsets)) {
            at::Tensor const q = heads_view(query, group, heads);
            at::Tensor scores = at::matmul(q, heads_view(keys, group, heads).transpose(2, 3)).mul_(scale);   // [n, h, L, L]
            if (visibility != nullptr || window > 0) { scores.add_(additive_mask(visibility, window, group, scores.options())); }
            at::Tensor weights = at::_softmax(scores, -1, false);
            saved.push_back(weights);
            if (rate > 0) { weights = weights.mul(weights_mask(weights, group, rate, key)); }
            heads_view(output, group, heads).copy_(at::matmul(weights, heads_view(value, group, heads)));
        }
        return output;
    }

    std::vector<at::Tensor> backward(at::Tensor const& query, at::Tensor const& keys, at::Tensor const& value,
                                     at::Tensor const& gradient, at::Tensor const* saved) const {
        double const scale = 1.0 / std::sqrt(static_cast<double>(query.size(1) / heads));
        at::Tensor query_gradient = at::empty_like(query);
        at::Tensor key_gradient = at::empty_like(keys);
        at::Tensor value_gradient = at::empty_like(value);
        for (LengthGroup const& group : length_groups(offsets)) {
            at::Tensor const& weights = *saved++;
            at::Tensor const output_gradient = heads_view(gradient, group, heads);
            at::Tensor weights_gradient = at::matmul(output_gradient, heads_view(value, group, heads).transpose(2, 3));
            at::Tensor dropped = weights;
            if (rate > 0) {
                at::Tensor const mask = weights_mask(weights, group, rate, key);
                dropped = weights.mul(mask);
                weights_gradient.mul_(mask);
            }
            heads_view(value_gradient, group, heads).copy_(at::matmul(dropped.transpose(2, 3), output_gradient));
            at::Tensor const scores_gradient =
                at::_softmax_backward_data(weights_gradient, weights, -1, weights.scalar_type()).mul_(scale);
            heads_view(query_gradient, group, heads).copy_(at::matmul(scores_gradient, heads_view(keys, group, heads)));
            heads_view(key_gradient, group, heads)
                .copy_(at::matmul(scores_gradient.transpose(2, 3), heads_view(query, group, heads)));
        }
        return {query_gradient, key_gradient, value_gradient};
    }
};

/// Attention in `HeadAttention`: one task per text and head, without padding or copies.
struct TiledAttention {
    std::vector<std::int64_t> const& offsets;
    std::int64_t heads;
    std::vector<Visibility> const* visibility;
    std::int64_t window;
    double rate;
    std::int64_t key;

    /// Calls `body(head kernel, its offset in weights, its offset in rows)` for each text and head, longest texts first.
    template <class Real, class Body>
    void run(at::Tensor const& query, at::Tensor const& keys, at::Tensor const& value, Body const& body) const {
        std::int64_t const stride = query.size(1);
        std::int64_t const width = stride / heads;
        std::vector<std::int64_t> cells{0};   // of the weights before each text
        std::vector<std::int64_t> order;
        for (std::size_t b = 0; b + 1 < offsets.size(); ++b) {
            std::int64_t const length = offsets[b + 1] - offsets[b];
            cells.push_back(cells.back() + heads * length * length);
            order.push_back(static_cast<std::int64_t>(b));
        }
        std::ranges::stable_sort(order, std::greater<>(), [&](std::int64_t b) {
            return cells[static_cast<std::size_t>(b) + 1] - cells[static_cast<std::size_t>(b)];
        });
        parallel_blocks(static_cast<std::int64_t>(order.size()) * heads, [&](std::int64_t task) {
            auto const b = static_cast<std::size_t>(order[static_cast<std::size_t>(task / heads)]);
            std::int64_t const head = task % heads;
            std::int64_t const length = offsets[b + 1] - offsets[b];
            if (length == 0) { return; }
            std::int64_t const place = offsets[b] * stride + head * width;
            std::int64_t const own = head * length * length;
            body(HeadAttention<Real>{.query = read_from<Real>(query) + place,
                                     .key = read_from<Real>(keys) + place,
                                     .value = read_from<Real>(value) + place,
                                     .length = length,
                                     .width = width,
                                     .stride = stride,
                                     .scale = 1.0F / std::sqrt(static_cast<float>(width)),
                                     .visibility = visibility == nullptr ? nullptr : &(*visibility)[b],
                                     .window = window,
                                     .dropout = rate > 0 ? DropoutSite::make(rate, text_key(key, offsets[b])) : DropoutSite(),
                                     .first_element = own},
                 cells[b] + own, place);
        });
    }

    /// Number of weights: the sum of heads x L x L.
    [[nodiscard]] std::int64_t cells() const {
        std::int64_t sum = 0;
        for (std::size_t b = 0; b + 1 < offsets.size(); ++b) {
            sum += heads * (offsets[b + 1] - offsets[b]) * (offsets[b + 1] - offsets[b]);
        }
        return sum;
    }

    at::Tensor forward(at::Tensor const& query, at::Tensor const& keys, at::Tensor const& value,
                       std::vector<at::Tensor>& saved) const {
        at::Tensor output = at::empty_like(query);
        at::Tensor const weights = at::empty({cells()}, query.options());
        with_real(query, [&]<class Real>(Real) {
            run<Real>(query, keys, value, [&](HeadAttention<Real> const& head, std::int64_t cell, std::int64_t place) {
                head.forward(write_to<Real>(weights) + cell, write_to<Real>(output) + place);
            });
        });
        saved.push_back(weights);
        return output;
    }

    std::vector<at::Tensor> backward(at::Tensor const& query, at::Tensor const& keys, at::Tensor const& value,
                                     at::Tensor const& gradient, at::Tensor const* saved) const {
        std::vector<at::Tensor> results{at::empty_like(query), at::empty_like(keys), at::empty_like(value)};
        with_real(query, [&]<class Real>(Real) {
            run<Real>(query, keys, value, [&](HeadAttention<Real> const& head, std::int64_t cell, std::int64_t place) {
                head.backward(read_from<Real>(*saved) + cell, read_from<Real>(gradient) + place,
                              write_to<Real>(results[0]) + place, write_to<Real>(results[1]) + place,
                              write_to<Real>(results[2]) + place);
            });
        });
        return results;
    }
};

/// softmax(Q K^T / sqrt(d) + M) V per text and head, with its gradients.
struct PackedAttention : torch::autograd::Function<PackedAttention> {
    static at::Tensor forward(torch::autograd::AutogradContext* context, at::Tensor const& query, at::Tensor const& key,
                              at::Tensor const& value, std::vector<std::int64_t> const& offsets, std::int64_t heads,
                              std::int64_t visibility, std::int64_t window, double dropout_rate, std::int64_t dropout_key) {
        // The pointer is passed as an integer because autograd keeps only tensors and plain values.
        auto const* rows = reinterpret_cast<std::vector<Visibility> const*>(static_cast<std::uintptr_t>(visibility));
        at::Tensor const q = query.contiguous();
        at::Tensor const k = key.contiguous();
        at::Tensor const v = value.contiguous();
        std::vector<at::Tensor> saved{q, k, v};
        bool const tiled = has_row_kernels(q, k, v);
        auto const run = [&](auto const& attention) { return attention.forward(q, k, v, saved); };
        at::Tensor output = tiled ? run(TiledAttention{offsets, heads, rows, window, dropout_rate, dropout_key})
                                  : run(GroupedAttention{offsets, heads, rows, window, dropout_rate, dropout_key});
        context->save_for_backward(std::move(saved));
        context->saved_data["tiled"] = tiled;
        context->saved_data["offsets"] = offsets;
        context->saved_data["heads"] = heads;
        context->saved_data["rate"] = dropout_rate;
        context->saved_data["key"] = dropout_key;
        return output;
    }

    static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                   torch::autograd::variable_list gradients) {
        auto const saved = context->get_saved_variables();
        std::vector<std::int64_t> const offsets = context->saved_data["offsets"].toIntVector();
        std::int64_t const heads = context->saved_data["heads"].toInt();
        double const rate = context->saved_data["rate"].toDouble();
        std::int64_t const key = context->saved_data["key"].toInt();
        at::Tensor const gradient = gradients[0].contiguous();
        auto const run = [&](auto const& attention) {
            return attention.backward(saved[0], saved[1], saved[2], gradient, saved.data() + 3);
        };
        auto results = context->saved_data["tiled"].toBool() ? run(TiledAttention{offsets, heads, nullptr, 0, rate, key})
                                                             : run(GroupedAttention{offsets, heads, nullptr, 0, rate, key});
        results.resize(9);
        return results;
    }
};

}  // namespace BMAE_KERNELS
}  // namespace detail

/// Options of `packed_attention`.
struct AttentionOptions {
    std::int64_t heads = 1;   ///< divides the columns H
    std::vector<Visibility> const* visibility =
        nullptr;          ///< row masks M, one per text; none: every row attends to its whole text
    double dropout = 0;   ///< of the weights, in training only
    /// Half-width of local attention: row i attends to the columns j with |i - j| <= window (Beltagy et al.: Longformer, arXiv
    /// 2004.05150, section 3.1), as far as its mask allows them; 0: no window.
    std::int64_t window = 0;
};

/// Each row attends to the rows of its own text: softmax(Q K^T / sqrt(d) + M) V (Vaswani et al., equation 1; M: RetroMAE eq. 7).
/// A row whose mask leaves nothing averages the columns of its window, or of its text.
/// \param query,key,value  [T, H] projected rows, in the order of `input.offsets`
/// \returns [T, H]
/// \throws InputError  shapes, offsets, heads, masks or a window that do not fit each other
inline at::Tensor packed_attention(at::Tensor const& query, at::Tensor const& key, at::Tensor const& value,
                                   PackedInput const& input, AttentionOptions const& options, ForwardContext& context) {
    detail::require_packed(query, key, value, input.offsets, options.heads, options.visibility);
    detail::require_local(options.window);
    bool const drop = context.training && options.dropout > 0;
    return detail::PackedAttention::apply(query, key, value, input.offsets, options.heads,
                                          static_cast<std::int64_t>(reinterpret_cast<std::uintptr_t>(options.visibility)),
                                          options.window, drop ? options.dropout : 0.0,
                                          drop ? static_cast<std::int64_t>(context.next_key()) : 0);
}

}  // namespace bmae
