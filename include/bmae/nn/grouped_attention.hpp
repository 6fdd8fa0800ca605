// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Attention in LibTorch's operations, on any device and in any number format.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <span>
#include <utility>
#include <vector>

#include <ATen/OpMathType.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/_softmax.h>
#include <ATen/ops/_softmax_backward_data.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/zeros.h>

#include <bmae/nn/bf16_products.hpp>
#include <bmae/nn/cpu_path.hpp>
#include <bmae/nn/cpu_rows.hpp>
#include <bmae/values/draw.hpp>
#include <bmae/values/visibility.hpp>

namespace bmae::detail {

/// Texts of at most this many rows keep their [L, L] weights for the backward pass. Longer ones compute them again, in memory that
/// grows with L. Measured (benchmark_attention): that takes 1.2 times as long at 640 and 777 rows, is as fast from 1,000 on and faster
/// from 2,000 on. Texts under a window that is narrow for them compute them again as well. Tests lower it.
inline std::int64_t& stored_attention_rows() noexcept {
    static std::int64_t most = 512;
    return most;
}

/// Whether the weights of a text of `length` rows are computed again in the backward pass. The only place where that is decided.
inline bool recomputes_attention(std::int64_t length, std::int64_t window) noexcept {
    return length > stored_attention_rows() || (window > 0 && length > 3 * window && length > stored_attention_rows() / 4);
}

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

/// Copies of the masks of the texts that recompute, the others are empty: masks may be gone when the backward pass runs. Empty
/// where no text needs them.
inline std::vector<Visibility> kept_masks(std::span<std::int64_t const> offsets, std::vector<Visibility> const* visibility,
                                          std::int64_t window) {
    std::vector<Visibility> kept;
    bool any = false;
    for (std::size_t b = 0; visibility != nullptr && b + 1 < offsets.size(); ++b) {
        bool const again = recomputes_attention(offsets[b + 1] - offsets[b], window);
        kept.push_back(again ? (*visibility)[b] : Visibility());
        any = any || again;
    }
    return any ? kept : std::vector<Visibility>();
}

/// Some rows of the texts of a group, and the columns that they may attend to.
struct RowBlock {
    std::int64_t row;       ///< in each text
    std::int64_t rows;      ///< R
    std::int64_t column;    ///< in each text
    std::int64_t columns;   ///< C
};

/// Rows of a group by head: [n, heads, L, d], a view.
inline at::Tensor heads_view(at::Tensor const& rows, LengthGroup const& group, std::int64_t heads) {
    return rows.narrow(0, group.begin, group.texts * group.length)
        .view({group.texts, group.length, heads, rows.size(1) / heads})
        .transpose(1, 2);
}

/// Key of the dropout of one text, independent of the texts that share a product with it.
inline std::uint64_t text_key(std::int64_t key, std::int64_t first_row) noexcept {
    return mix64(static_cast<std::uint64_t>(key) ^ static_cast<std::uint64_t>(first_row));
}

inline namespace BMAE_KERNELS {

/// Attention over whole groups of texts of one length; long texts by blocks of rows.
struct GroupedAttention {
    std::vector<std::int64_t> offsets;
    std::int64_t heads;
    std::vector<Visibility> const* visibility;
    std::int64_t window;
    double rate;
    std::int64_t key;

    /// \param keep   whether a backward pass will follow
    /// \param saved  the weights of the texts that store them are appended, group by group
    at::Tensor forward(at::Tensor const& query, at::Tensor const& keys, at::Tensor const& value, bool keep,
                       std::vector<at::Tensor>& saved) const {
        at::Tensor output = at::empty_like(query);
        for (LengthGroup const& group : length_groups(offsets)) {
            for (RowBlock const& block : blocks(group)) {
                at::Tensor weights = weights_of(query, keys, group, block);
                if (keep && !recomputes_attention(group.length, window)) { saved.push_back(weights); }
                if (rate > 0) { weights = weights.mul(dropout_of(weights, group, block)); }
                rows_of(output, group, block).copy_(matrix_product(weights, columns_of(value, group, block)));
            }
        }
        return output;
    }

    /// \returns the gradients of query, keys and value
    std::vector<at::Tensor> backward(at::Tensor const& query, at::Tensor const& keys, at::Tensor const& value,
                                     at::Tensor const& gradient, at::Tensor const* saved) const {
        std::vector<at::Tensor> results{at::empty_like(query), at::empty_like(keys), at::empty_like(value)};
        for (LengthGroup const& group : length_groups(offsets)) {
            at::Tensor const key_gradient = heads_view(results[1], group, heads);
            at::Tensor const value_gradient = heads_view(results[2], group, heads);
            if (!recomputes_attention(group.length, window)) {
                Slopes const slopes =
                    differentiate(*saved++, query, keys, value, gradient, group, blocks(group).front(), results[0]);
                key_gradient.copy_(slopes.keys);
                value_gradient.copy_(slopes.values);
                continue;
            }
            auto const wide = key_gradient.options().dtype(at::toOpMathType(key_gradient.scalar_type()));
            at::Tensor const key_sum = at::zeros(key_gradient.sizes(), wide);   // bf16 sums over many blocks would lose digits
            at::Tensor const value_sum = at::zeros(key_gradient.sizes(), wide);
            for (RowBlock const& block : blocks(group)) {
                Slopes const slopes =
                    differentiate(weights_of(query, keys, group, block), query, keys, value, gradient, group, block, results[0]);
                key_sum.narrow(2, block.column, block.columns).add_(slopes.keys);
                value_sum.narrow(2, block.column, block.columns).add_(slopes.values);
            }
            key_gradient.copy_(key_sum);
            value_gradient.copy_(value_sum);
        }
        return results;
    }

private:
    /// What a block adds to the gradients of its columns: [n, heads, C, d] each.
    struct Slopes {
        at::Tensor keys;
        at::Tensor values;
    };

    /// One block of all rows where weights are stored, else blocks of about 16 million weights.
    [[nodiscard]] std::vector<RowBlock> blocks(LengthGroup const& group) const {
        if (!recomputes_attention(group.length, window)) { return {{0, group.length, 0, group.length}}; }
        std::int64_t const width = window == 0 ? group.length : std::min(group.length, 4 * window);
        std::int64_t step = std::max<std::int64_t>((1 << 24) / (group.texts * heads * width), 16);
        if (window > 0) { step = std::min(step, std::max<std::int64_t>(2 * window, 16)); }
        std::vector<RowBlock> all;
        for (std::int64_t row = 0; row < group.length; row += step) {
            std::int64_t const rows = std::min(step, group.length - row);
            std::int64_t const first = window == 0 ? 0 : std::max<std::int64_t>(row - window, 0);
            std::int64_t const end = window == 0 ? group.length : std::min(row + rows + window, group.length);
            all.push_back({.row = row, .rows = rows, .column = first, .columns = end - first});
        }
        return all;
    }

    [[nodiscard]] at::Tensor rows_of(at::Tensor const& rows, LengthGroup const& group, RowBlock const& block) const {
        return heads_view(rows, group, heads).narrow(2, block.row, block.rows);
    }
    [[nodiscard]] at::Tensor columns_of(at::Tensor const& rows, LengthGroup const& group, RowBlock const& block) const {
        return heads_view(rows, group, heads).narrow(2, block.column, block.columns);
    }
    [[nodiscard]] double scale(at::Tensor const& query) const {
        return 1.0 / std::sqrt(static_cast<double>(query.size(1) / heads));
    }

    /// softmax(Q K^T / sqrt(d) + M) of a block: [n, heads, R, C].
    [[nodiscard]] at::Tensor weights_of(at::Tensor const& query, at::Tensor const& keys, LengthGroup const& group,
                                        RowBlock const& block) const {
        at::Tensor scores = matrix_product(rows_of(query, group, block), columns_of(keys, group, block).transpose(2, 3));
        scores.mul_(scale(query));
        if (visibility != nullptr || window > 0) { scores.add_(added_mask(group, block).to(scores.options())); }
        return at::_softmax(scores, -1, false);
    }

    /// [n, 1, R, C] 0 where a row attends to a column; minus infinity beyond the window; else the most negative finite number, so
    /// that a row whose mask leaves nothing averages the columns of its window instead of becoming NaN.
    [[nodiscard]] at::Tensor added_mask(LengthGroup const& group, RowBlock const& block) const {
        at::Tensor mask = at::empty({group.texts, 1, block.rows, block.columns}, at::kFloat);
        float* out = mask.mutable_data_ptr<float>();
        constexpr float blocked = std::numeric_limits<float>::lowest() / 2;
        for (std::int64_t n = 0; n < group.texts; ++n) {
            Visibility const* const rows =
                visibility == nullptr ? nullptr : &(*visibility)[group.first + static_cast<std::size_t>(n)];
            for (std::int64_t i = block.row; i < block.row + block.rows; ++i) {
                for (std::int64_t j = block.column; j < block.column + block.columns; ++j) {
                    bool const far = window > 0 && (j < i - window || j > i + window);
                    bool const seen = rows == nullptr || rows->allows(static_cast<std::size_t>(i), static_cast<std::size_t>(j));
                    *out++ = far ? -std::numeric_limits<float>::infinity() : seen ? 0.0F : blocked;
                }
            }
        }
        return mask;
    }

    /// The dropout factors of a block's weights, each a function of its place in the [heads, L, L] weights of its text.
    [[nodiscard]] at::Tensor dropout_of(at::Tensor const& weights, LengthGroup const& group, RowBlock const& block) const {
        at::Tensor const mask = at::empty(weights.sizes(), at::kFloat);   // [n, heads, R, C]
        std::int64_t const whole = group.length * group.length;
        parallel_blocks(group.texts * heads, [&](std::int64_t task) {
            auto const site = DropoutSite::make(rate, text_key(key, group.begin + task / heads * group.length));
            float* out = write_to<float>(mask) + task * block.rows * block.columns;
            for (std::int64_t i = block.row; i < block.row + block.rows; ++i, out += block.columns) {
                std::int64_t const first = task % heads * whole + i * group.length + block.column;
                mask_elements(site, first, first + block.columns, out);
            }
        });
        return mask.to(weights.device(), weights.scalar_type());
    }

    /// Writes the gradient of the block's queries. \returns those of its keys and values
    Slopes differentiate(at::Tensor const& weights, at::Tensor const& query, at::Tensor const& keys, at::Tensor const& value,
                         at::Tensor const& gradient, LengthGroup const& group, RowBlock const& block,
                         at::Tensor const& query_gradient) const {
        at::Tensor const output_gradient = rows_of(gradient, group, block);
        at::Tensor weights_gradient = matrix_product(output_gradient, columns_of(value, group, block).transpose(2, 3));
        at::Tensor dropped = weights;
        if (rate > 0) {
            at::Tensor const mask = dropout_of(weights, group, block);
            dropped = weights.mul(mask);
            weights_gradient.mul_(mask);
        }
        at::Tensor const scores_gradient =
            at::_softmax_backward_data(weights_gradient, weights, -1, weights.scalar_type()).mul_(scale(query));
        rows_of(query_gradient, group, block).copy_(matrix_product(scores_gradient, columns_of(keys, group, block)));
        return {.keys = matrix_product(scores_gradient.transpose(2, 3), rows_of(query, group, block)),
                .values = matrix_product(dropped.transpose(2, 3), output_gradient)};
    }
};

}  // namespace BMAE_KERNELS
}  // namespace bmae::detail
