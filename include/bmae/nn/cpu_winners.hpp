// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Gradients of a maximum over rows, for every token of a vocabulary, summed in fp32; free of LibTorch. Real is float or Bf16.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include <bmae/nn/cpu_lanes.hpp>

namespace bmae::detail {
inline namespace BMAE_KERNELS {

/// For B texts and V tokens: the logit of token v in text b is rows[winner] . weight[v], with winner = winners[b, v].
template <class Real>
struct WonWords {
    Real const* rows = nullptr;                ///< [T, H]
    Real const* weight = nullptr;              ///< [V, H]
    std::int64_t const* winners = nullptr;     ///< [B, V] in [0, T)
    float const* slopes = nullptr;             ///< [B, V] gradients of the logits
    std::int64_t const* texts = nullptr;       ///< [n] those that have rows, ascending; others are not read
    std::int64_t count = 0;                    ///< n
    std::int64_t vocabulary = 0;               ///< V
    std::int64_t width = 0;                    ///< H
    static constexpr std::int64_t part = 64;   ///< columns that `rows_gradient` takes at a time

    /// Writes the gradient of weight[v] for v in [first, end): the sum over texts of slope x winning row.
    void weight_gradient(std::int64_t first, std::int64_t end, Real* out) const {
        std::vector<float> sums(static_cast<std::size_t>(width));
        with_lanes([&](auto level) __attribute__((always_inline)) {
            for (std::int64_t v = first; v < end; ++v) {
                std::fill(sums.begin(), sums.end(), 0.0F);
                for (std::int64_t n = 0; n < count; ++n) {
                    std::int64_t const cell = texts[n] * vocabulary + v;
                    float const slope = slopes[cell];
                    Real const* const row = rows + winners[cell] * width;
                    along(level, width, [&](auto read, auto write, std::int64_t) __attribute__((always_inline)) {
                        write(sums.data(), read(sums.data()) + read(row) * slope);
                    });
                }
                along(level, width, [&](auto read, auto write, std::int64_t) __attribute__((always_inline)) {
                    write(out + v * width, read(sums.data()));
                });
            }
        });
    }

    /// Writes columns [column, column + part) of the gradient of the rows [begin, end) of text `b`: the sum over tokens that
    /// have the row as maximum, of slope x weight[v].
    void rows_gradient(std::int64_t b, std::int64_t begin, std::int64_t end, std::int64_t column, Real* out) const {
        std::int64_t const columns = std::min(part, width - column);
        std::vector<float> sums(static_cast<std::size_t>((end - begin) * part));
        with_lanes([&](auto level) __attribute__((always_inline)) {
            for (std::int64_t v = 0; v < vocabulary; ++v) {
                std::int64_t const cell = b * vocabulary + v;
                float const slope = slopes[cell];
                float* const sum = sums.data() + (winners[cell] - begin) * part;
                Real const* const from = weight + v * width + column;
                along(level, columns, [&](auto read, auto write, std::int64_t) __attribute__((always_inline)) {
                    write(sum, read(sum) + read(from) * slope);
                });
            }
            for (std::int64_t t = begin; t < end; ++t) {
                float const* const sum = sums.data() + (t - begin) * part;
                along(level, columns, [&](auto read, auto write, std::int64_t) __attribute__((always_inline)) {
                    write(out + t * width + column, read(sum));
                });
            }
        });
    }
};

}  // namespace BMAE_KERNELS
}  // namespace bmae::detail
