// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Attention of one head over one text on a CPU, in tiles that stay in the cache; free of LibTorch. Real is float or Bf16.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <type_traits>
#include <vector>

#include <bmae/nn/cpu_lanes.hpp>
#include <bmae/values/visibility.hpp>

namespace bmae::detail {
inline namespace BMAE_KERNELS {

/// C [R, w V] = A B, or C + A B, with A [R, depth] at strides (row_step, step) and B [depth, w V] at rows of `b_row`; w numbers in F.
template <class F, int R, int V, bool add>
[[gnu::always_inline]] inline void product_tile(float const* a, std::int64_t row_step, std::int64_t step, float const* b,
                                                std::int64_t b_row, std::int64_t depth, float* c, std::int64_t c_row) noexcept {
    constexpr std::int64_t width = VectorsOf<F>::lanes;
    F sums[R][V] = {};
    if constexpr (add) {
#pragma GCC unroll 8
        for (int r = 0; r < R; ++r) {
#pragma GCC unroll 8
            for (int v = 0; v < V; ++v) { sums[r][v] = load<F>(c + r * c_row + v * width); }
        }
    }
    for (std::int64_t k = 0; k < depth; ++k) {
        F right[V];
#pragma GCC unroll 8
        for (int v = 0; v < V; ++v) { right[v] = load<F>(b + k * b_row + v * width); }
#pragma GCC unroll 8
        for (int r = 0; r < R; ++r) {
            float const left = a[r * row_step + k * step];
#pragma GCC unroll 8
            for (int v = 0; v < V; ++v) { sums[r][v] += left * right[v]; }
        }
    }
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) {
#pragma GCC unroll 8
        for (int v = 0; v < V; ++v) { store(c + r * c_row + v * width, sums[r][v]); }
    }
}

template <class F, int V, bool add>
[[gnu::always_inline]] inline void product_columns(std::int64_t rows, float const* a, std::int64_t row_step, std::int64_t step,
                                                   float const* b, std::int64_t b_row, std::int64_t depth, float* c,
                                                   std::int64_t c_row) noexcept {
    std::int64_t r = 0;
    auto const tile = [&]<int R>(std::integral_constant<int, R>) __attribute__((always_inline)) {
        product_tile<F, R, V, add>(a + r * row_step, row_step, step, b, b_row, depth, c + r * c_row, c_row);
    };
    for (; r + 6 <= rows; r += 6) { tile(std::integral_constant<int, 6>()); }
    for (; r + 2 <= rows; r += 2) { tile(std::integral_constant<int, 2>()); }
    if (r < rows) { tile(std::integral_constant<int, 1>()); }
}

/// C [rows, columns] = A B, or C + A B; `columns` is a multiple of 16.
template <LaneLevel level, bool add = false>
[[gnu::always_inline]] inline void product(std::int64_t rows, std::int64_t columns, float const* a, std::int64_t row_step,
                                           std::int64_t step, float const* b, std::int64_t b_row, std::int64_t depth, float* c,
                                           std::int64_t c_row) noexcept {
    using F = FloatsOf<LaneConstant<level>>;
    constexpr std::int64_t width = VectorsOf<F>::lanes;
    constexpr int wide = level == LaneLevel::avx512 ? 4 : 2;   // 24 sums in 32 registers, 12 in 16
    std::int64_t j = 0;
    for (; j + wide * width <= columns; j += wide * width) {
        product_columns<F, wide, add>(rows, a, row_step, step, b + j, b_row, depth, c + j, c_row);
    }
    if constexpr (lanes % (wide * width) != 0) {
        for (; j < columns; j += width) {
            product_columns<F, 1, add>(rows, a, row_step, step, b + j, b_row, depth, c + j, c_row);
        }
    }
}

/// softmax(scale Q K^T + M) V of one text and head. Rows of all matrices are `stride` apart.
template <class Real>
struct HeadAttention {
    Real const* query = nullptr;
    Real const* key = nullptr;
    Real const* value = nullptr;
    std::int64_t length = 0;   ///< L
    std::int64_t width = 0;    ///< d
    std::int64_t stride = 0;
    float scale = 1;
    Visibility const* visibility = nullptr;   ///< row masks, or none
    std::int64_t window = 0;                  ///< row i attends to |i - j| <= window only; 0: to all columns
    DropoutSite dropout = {};
    std::int64_t first_element = 0;   ///< of the dropout site: this head's [L, L] weights are contiguous

    /// \param weights  [L, L] softmax before dropout, for the backward pass; may be null
    /// \param output   [L, d], rows `stride` apart
    void forward(Real* weights, Real* output) const {
        Scratch& at = scratch();
        with_lanes([&](auto level) __attribute__((always_inline)) {
            using Vector = FloatsOf<decltype(level)>;
            std::int64_t const columns = padded(length);
            std::int64_t const inner = padded(width);
            pack(level, query, length, at.first, scale);
            pack_transposed(level, key, length, at.second);
            pack(level, value, length, at.third, 1);
            product<decltype(level)::value>(length, columns, at.first.data(), inner, 1, at.second.data(), columns, width,
                                            at.scores.data(), columns);
            for (std::int64_t i = 0; i < length; ++i) {
                float* const row = at.scores.data() + i * columns;
                softmax(level, row, i, columns);
                if (weights != nullptr) { copy(level, row, weights + i * length, length); }
                if (dropout.threshold != 0) {
                    float const* const factors = dropout.fill(level, at.factors.data(), first_element + i * length, columns);
                    for (std::int64_t j = 0; j < columns; j += level.lanes) {
                        store(row + j, load<Vector>(row + j) * load<Vector>(factors + j));
                    }
                }
            }
            product<decltype(level)::value>(length, inner, at.scores.data(), columns, 1, at.third.data(), inner, length,
                                            at.first.data(), inner);
            for (std::int64_t i = 0; i < length; ++i) { copy(level, at.first.data() + i * inner, output + i * stride, width); }
        });
    }

    /// \param weights          as written by `forward`
    /// \param output_gradient  [L, d]; the three results have the same layout
    void backward(Real const* weights, Real const* output_gradient, Real* query_gradient, Real* key_gradient,
                  Real* value_gradient) const {
        Scratch& at = scratch();
        with_lanes([&](auto level) __attribute__((always_inline)) {
            using Vector = FloatsOf<decltype(level)>;
            constexpr LaneLevel set = decltype(level)::value;
            std::int64_t const columns = padded(length);
            std::int64_t const inner = padded(width);
            pack(level, output_gradient, length, at.first, 1);
            pack_transposed(level, value, length, at.second);
            product<set>(length, columns, at.first.data(), inner, 1, at.second.data(), columns, width, at.scores.data(), columns);
            for (std::int64_t i = 0; i < length; ++i) {
                float* const slope = at.scores.data() + i * columns;
                float* const dropped = at.dropped.data() + i * columns;
                bool const drops = dropout.threshold != 0;
                float const* const factors =
                    drops ? dropout.fill(level, at.factors.data(), first_element + i * length, columns) : nullptr;
                Vector total = {};
                along(level, length, [&](auto read, auto, std::int64_t j) __attribute__((always_inline)) {
                    Vector const weight = read(weights + i * length);   // 0 beyond the end, so all below is
                    Vector const factor = drops ? load<Vector>(factors + j) : splat<Vector>(1);
                    Vector const gradient = load<Vector>(slope + j) * factor;
                    store(dropped + j, weight * factor);
                    store(slope + j, gradient);
                    total += weight * gradient;
                });
                float const mean = sum(total);
                along(level, length, [&](auto read, auto, std::int64_t j) __attribute__((always_inline)) {
                    store(slope + j, read(weights + i * length) * (load<Vector>(slope + j) - mean) * scale);
                });
            }
            product<set>(length, inner, at.dropped.data(), 1, columns, at.first.data(), inner, length, at.third.data(), inner);
            for (std::int64_t i = 0; i < length; ++i) {
                copy(level, at.third.data() + i * inner, value_gradient + i * stride, width);
            }
            pack(level, key, length, at.first, 1);
            product<set>(length, inner, at.scores.data(), columns, 1, at.first.data(), inner, length, at.third.data(), inner);
            for (std::int64_t i = 0; i < length; ++i) {
                copy(level, at.third.data() + i * inner, query_gradient + i * stride, width);
            }
            pack(level, query, length, at.first, 1);
            product<set>(length, inner, at.scores.data(), 1, columns, at.first.data(), inner, length, at.third.data(), inner);
            for (std::int64_t i = 0; i < length; ++i) {
                copy(level, at.third.data() + i * inner, key_gradient + i * stride, width);
            }
        });
    }

    /// The first `count` rows of a matrix of this head, times `factor`: [count, padded(width)].
    template <class Level>
    [[gnu::always_inline]] void pack(Level level, Real const* from, std::int64_t count, std::vector<float>& to,
                                     float factor) const noexcept {
        for (std::int64_t i = 0; i < count; ++i) {
            along(level, width, [&](auto read, auto, std::int64_t j) __attribute__((always_inline)) {
                store(to.data() + i * padded(width) + j, read(from + i * stride) * factor);
            });
        }
    }

    /// The same transposed: [width, padded(count)].
    template <class Level>
    [[gnu::always_inline]] void pack_transposed(Level level, Real const* from, std::int64_t count,
                                                std::vector<float>& to) const noexcept {
        std::int64_t const columns = padded(count);
        float row[Level::lanes];
        for (std::int64_t i = 0; i < columns; ++i) {
            if (i >= count) {
                for (std::int64_t k = 0; k < width; ++k) { to[static_cast<std::size_t>(k * columns + i)] = 0; }
                continue;
            }
            along(level, width, [&](auto read, auto, std::int64_t k) __attribute__((always_inline)) {
                store(row, read(from + i * stride));
                for (std::int64_t j = 0; j < Level::lanes && k + j < width; ++j) {
                    to[static_cast<std::size_t>((k + j) * columns + i)] = row[j];
                }
            });
        }
    }

    /// The first `count` numbers of a row.
    template <class Level>
    [[gnu::always_inline]] static void copy(Level level, float const* from, Real* to, std::int64_t count) noexcept {
        along(level, count, [&](auto read, auto write, std::int64_t) __attribute__((always_inline)) { write(to, read(from)); });
    }

    /// The bits of row `i`, or null.
    [[nodiscard]] std::uint64_t const* bits_of(std::int64_t i) const noexcept {
        return visibility == nullptr ? nullptr : visibility->entry(static_cast<std::size_t>(i));
    }

    /// The scores of row `i` in the columns from j on, a vector of them; j is a multiple of its width. The most negative number is
    /// added where the mask hides a column, so that a row whose mask leaves nothing averages its window instead of becoming NaN; minus
    /// infinity stands beyond the window and beyond the end.
    template <class F>
    [[gnu::always_inline]] F masked(F const& scores, std::uint64_t const* bits, std::int64_t i, std::int64_t j) const noexcept {
        using Unsigned = typename VectorsOf<F>::Bits;
        using Signed = typename VectorsOf<F>::Integers;
        constexpr std::int64_t count = VectorsOf<F>::lanes;
        constexpr float blocked = std::numeric_limits<float>::lowest() / 2;
        auto const places = counting<Unsigned, std::uint32_t>();
        F score = scores;
        if (bits != nullptr && j < length) {
            auto sees = static_cast<std::uint32_t>(bits[j / 64] >> (j % 64));
            if (i >= j && i < j + count && !visibility->reads_itself) { sees &= ~(std::uint32_t{1} << (i - j)); }
            Unsigned const seen = ((Unsigned{} + sees) >> places) & (Unsigned{} + 1U);
            score += seen != Unsigned{} ? F{} : splat<F>(blocked);   // both sides vectors: clang does not widen a scalar here
        }
        if (window > 0 && (j < i - window || j + count - 1 > i + window)) {
            Signed const column = std::bit_cast<Signed>(places) + static_cast<std::int32_t>(j);
            Signed const near =
                (column >= static_cast<std::int32_t>(i - window)) & (column <= static_cast<std::int32_t>(i + window));
            score = near != Signed{} ? score : splat<F>(-std::numeric_limits<float>::infinity());
        }
        if (j + count > length) {
            auto const rest = static_cast<std::uint32_t>(std::max<std::int64_t>(length - j, 0));
            score = places < rest ? score : splat<F>(-std::numeric_limits<float>::infinity());
        }
        return score;
    }

    /// Rounded up to whole vectors.
    static constexpr std::int64_t padded(std::int64_t count) noexcept { return (count + lanes - 1) / lanes * lanes; }

private:
    struct Scratch {
        std::vector<float> first, second, third, scores, dropped, factors;
    };

    /// Buffers that each thread reuses.
    [[nodiscard]] Scratch& scratch() const {
        static thread_local Scratch mine;
        auto const grow = [](std::vector<float>& buffer, std::int64_t count) {
            if (buffer.size() < static_cast<std::size_t>(count)) { buffer.resize(static_cast<std::size_t>(count)); }
        };
        for (auto* const buffer : {&mine.first, &mine.third}) { grow(*buffer, length * padded(width)); }
        grow(mine.second, width * padded(length));
        for (auto* const buffer : {&mine.scores, &mine.dropped}) { grow(*buffer, length * padded(length)); }
        grow(mine.factors, DropoutSite::room(padded(length)));
        return mine;
    }

    /// Softmax in place of row `i`.
    template <class Level>
    [[gnu::always_inline]] void softmax(Level, float* row, std::int64_t i, std::int64_t columns) const noexcept {
        using Vector = FloatsOf<Level>;
        std::uint64_t const* const bits = bits_of(i);
        auto most = splat<Vector>(-std::numeric_limits<float>::infinity());
        for (std::int64_t j = 0; j < columns; j += Level::lanes) {
            Vector const score = masked(load<Vector>(row + j), bits, i, j);
            store(row + j, score);
            most = larger(score, most);
        }
        float const top = largest(most);
        Vector masses = {};
        for (std::int64_t j = 0; j < columns; j += Level::lanes) {
            Vector const mass = exponential(load<Vector>(row + j) - top);
            store(row + j, mass);
            masses += mass;
        }
        float const share = 1.0F / sum(masses);
        for (std::int64_t j = 0; j < columns; j += Level::lanes) { store(row + j, load<Vector>(row + j) * share); }
    }
};

}  // namespace BMAE_KERNELS
}  // namespace bmae::detail
