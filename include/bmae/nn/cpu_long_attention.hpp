// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Attention of one head over one long text on a CPU, in memory that grows with its length; free of LibTorch.
///
/// Tile by tile with a running softmax (Dao et al.: FlashAttention, arXiv 2205.14135, algorithm 1; FlashAttention-2, arXiv
/// 2307.08691): the [L, L] weights are never stored. What is saved is two numbers per row, from which the backward pass computes the
/// weights again.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

#include <bmae/nn/cpu_attention.hpp>
#include <bmae/nn/cpu_lanes.hpp>

namespace bmae::detail {
inline namespace BMAE_KERNELS {

/// C [rows, columns] = A B, or C + A B, as `product` for the processor. Not a template of the number format, so that a program holds
/// it once.
template <bool add>
[[gnu::noinline]] inline void tile_product(std::int64_t rows, std::int64_t columns, float const* a, std::int64_t row_step,
                                           std::int64_t step, float const* b, std::int64_t b_row, std::int64_t depth, float* c,
                                           std::int64_t c_row) {
    with_lanes([&](auto level) __attribute__((always_inline)) {
        product<decltype(level)::value, add>(rows, columns, a, row_step, step, b, b_row, depth, c, c_row);
    });
}

/// softmax(scale Q K^T + M) V of one text and head, in tiles.
template <class Real>
struct LongHeadAttention {
    static constexpr std::int64_t tile_rows = 64;     ///< a tile and the operands of its products stay in the cache of a core
    static constexpr std::int64_t chunk_rows = 512;   ///< rows that share the copies of a tile of keys and values

    HeadAttention<Real> head;

    /// The rows [first, end) of the output.
    /// \param output     [L, d], rows `stride` apart
    /// \param top,share  [L] of each row: its largest score, and 1 over the sum of e^(score - top); written for [first, end)
    void forward(std::int64_t first, std::int64_t end, Real* output, float* top, float* share) const {
        Scratch& at = scratch(end - first);
        std::int64_t const inner = head.padded(head.width);
        pack(head.query + first * head.stride, end - first, at.query, head.scale);
        std::fill_n(at.sums.begin(), (end - first) * inner, 0.0F);
        std::fill(top + first, top + end, -std::numeric_limits<float>::infinity());
        std::fill(share + first, share + end, 0.0F);
        Range const seen = near({first, end});
        for (std::int64_t c = seen.first; c < seen.end; c += tile_columns()) {
            Range const columns{c, std::min(c + tile_columns(), seen.end)};
            pack_transposed(head.key + c * head.stride, columns.size(), at.keys);
            pack(head.value + c * head.stride, columns.size(), at.values, 1);
            Range const readers = near(columns);
            for (std::int64_t r = first; r < end; r += tile_rows) {
                Range const rows{r, std::min(r + tile_rows, end)};
                if (rows.first >= readers.end || rows.end <= readers.first || hidden(rows, columns)) { continue; }
                float* const sums = at.sums.data() + (r - first) * inner;
                std::int64_t const wide = head.padded(columns.size());
                tile_product<false>(rows.size(), wide, at.query.data() + (r - first) * inner, inner, 1, at.keys.data(), wide,
                                    head.width, at.scores.data(), wide);
                soften(rows, columns, at, sums, top + r, share + r);
                tile_product<true>(rows.size(), inner, at.scores.data(), wide, 1, at.values.data(), inner, columns.size(), sums,
                                   inner);
            }
        }
        finish({first, end}, at.sums.data(), output, top, share);
    }

    /// \param output           [L, d] as written by `forward`, like `top` and `share`
    /// \param output_gradient  [L, d]; the three results have the same layout
    void backward(Real const* output, Real const* output_gradient, float const* top, float const* share, Real* query_gradient,
                  Real* key_gradient, Real* value_gradient) const {
        std::int64_t const length = head.length;
        std::int64_t const inner = head.padded(head.width);
        Scratch& at = scratch(length);
        pack(head.query, length, at.query, head.scale);
        pack(output_gradient, length, at.slopes, 1);
        means(output, at);
        std::fill_n(at.sums.begin(), length * inner, 0.0F);   // of the queries' gradient
        for (std::int64_t c = 0; c < length; c += tile_columns()) {
            Range const columns{c, std::min(c + tile_columns(), length)};
            pack_transposed(head.key + c * head.stride, columns.size(), at.keys);
            pack_transposed(head.value + c * head.stride, columns.size(), at.values);
            pack(head.key + c * head.stride, columns.size(), at.key_rows, 1);
            std::fill_n(at.key_sums.begin(), columns.size() * inner, 0.0F);
            std::fill_n(at.value_sums.begin(), columns.size() * inner, 0.0F);
            Range const readers = near(columns);
            for (std::int64_t r = readers.first; r < readers.end; r += tile_rows) {
                Range const rows{r, std::min(r + tile_rows, readers.end)};
                if (!hidden(rows, columns)) { add_gradients(rows, columns, top, share, at); }
            }
            write(at.key_sums.data(), columns, key_gradient, 1);
            write(at.value_sums.data(), columns, value_gradient, 1);
        }
        write(at.sums.data(), {0, length}, query_gradient, head.scale);
    }

private:
    struct Range {
        std::int64_t first;
        std::int64_t end;
        [[nodiscard]] std::int64_t size() const noexcept { return end - first; }
    };

    struct Scratch {
        std::vector<float> query, slopes, sums, means;                     // of the rows
        std::vector<float> keys, key_rows, values, key_sums, value_sums;   // of a tile's columns
        std::vector<float> scores, gradients, factors;                     // of a tile
    };

    /// A narrow window would leave most of a wide tile empty.
    [[nodiscard]] std::int64_t tile_columns() const noexcept { return head.window == 0 ? 128 : 64; }

    /// The columns that some of these rows attend to, or the rows that attend to some of these columns: the window is symmetric.
    /// It starts at a whole vector.
    [[nodiscard]] Range near(Range const& range) const noexcept {
        if (head.window == 0) { return {0, head.length}; }
        return {std::max<std::int64_t>(range.first - head.window, 0) / lanes * lanes,
                std::min(range.end + head.window, head.length)};
    }

    /// Whether the masks hide a tile altogether, as causal ones do. Only where each row reads itself: a row whose mask leaves nothing
    /// averages its columns, so all of them count.
    [[nodiscard]] bool hidden(Range const& rows, Range const& columns) const noexcept {
        if (head.visibility == nullptr || !head.visibility->reads_itself) { return false; }
        for (std::int64_t i = rows.first; i < rows.end; ++i) {
            auto const row = static_cast<std::size_t>(i);
            if (!head.visibility->allows(row, row)) { return false; }
            std::uint64_t const* const bits = head.visibility->entry(row);
            for (std::int64_t word = columns.first / 64; word * 64 < columns.end; ++word) {
                if (bits[word] != 0) { return false; }
            }
        }
        return true;
    }

    /// Buffers that each thread reuses, for `rows` rows at once.
    [[nodiscard]] Scratch& scratch(std::int64_t rows) const {
        static thread_local Scratch mine;
        auto const grow = [](std::vector<float>& buffer, std::int64_t count) {
            if (buffer.size() < static_cast<std::size_t>(count)) { buffer.resize(static_cast<std::size_t>(count)); }
        };
        std::int64_t const inner = head.padded(head.width);
        for (auto* const buffer : {&mine.query, &mine.slopes, &mine.sums}) { grow(*buffer, rows * inner); }
        grow(mine.means, rows);
        for (auto* const buffer : {&mine.keys, &mine.key_rows, &mine.values, &mine.key_sums, &mine.value_sums}) {
            grow(*buffer, tile_columns() * inner);
        }
        for (auto* const buffer : {&mine.scores, &mine.gradients}) { grow(*buffer, tile_rows * tile_columns()); }
        grow(mine.factors, DropoutSite::room(tile_columns()));
        return mine;
    }

    [[gnu::noinline]] void pack(Real const* from, std::int64_t count, std::vector<float>& to, float factor) const {
        with_lanes([&](auto level) __attribute__((always_inline)) { head.pack(level, from, count, to, factor); });
    }
    [[gnu::noinline]] void pack_transposed(Real const* from, std::int64_t count, std::vector<float>& to) const {
        with_lanes([&](auto level) __attribute__((always_inline)) { head.pack_transposed(level, from, count, to); });
    }

    /// Rows of sums times `factor`, to the rows of a result.
    [[gnu::noinline]] void write(float* sums, Range const& rows, Real* result, float factor) const {
        with_lanes([&](auto level) __attribute__((always_inline)) {
            for (std::int64_t i = 0; i < rows.size(); ++i) {
                along(level, head.width, [&](auto read, auto write_at, std::int64_t) __attribute__((always_inline)) {
                    write_at(result + (rows.first + i) * head.stride, read(sums + i * head.padded(head.width)) * factor);
                });
            }
        });
    }

    /// The scores of a tile become e^(score - top), with dropout; what was summed before is rescaled where the top rises.
    /// \param top,mass  of the tile's rows: the largest score, and the sum of e^(score - top) so far
    [[gnu::noinline]] void soften(Range const& rows, Range const& columns, Scratch& at, float* sums, float* top,
                                  float* mass) const {
        with_lanes([&](auto level) __attribute__((always_inline)) {
            using Vector = FloatsOf<decltype(level)>;
            std::int64_t const wide = head.padded(columns.size());
            std::int64_t const inner = head.padded(head.width);
            for (std::int64_t k = 0; k < rows.size(); ++k) {
                std::int64_t const i = rows.first + k;
                float* const row = at.scores.data() + k * wide;
                std::uint64_t const* const bits = head.bits_of(i);
                Vector most = splat<Vector>(top[k]);
                for (std::int64_t j = 0; j < wide; j += level.lanes) {
                    Vector const score = head.masked(load<Vector>(row + j), bits, i, columns.first + j);
                    store(row + j, score);
                    most = larger(score, most);
                }
                float const above = largest(most);
                if (above > top[k]) {
                    Vector const decay = exponential(splat<Vector>(top[k] - above));
                    for (std::int64_t j = 0; j < inner; j += level.lanes) {
                        store(sums + k * inner + j, load<Vector>(sums + k * inner + j) * decay);
                    }
                    mass[k] *= decay[0];
                    top[k] = above;
                }
                Vector masses = {};
                float const base = finite(above);
                for (std::int64_t j = 0; j < wide; j += level.lanes) {
                    Vector const share = exponential(load<Vector>(row + j) - base);
                    store(row + j, share);
                    masses += share;
                }
                mass[k] += sum(masses);
                if (head.dropout.threshold != 0) {
                    float const* const factors = factors_of(level, i, columns, at, wide);
                    for (std::int64_t j = 0; j < wide; j += level.lanes) {
                        store(row + j, load<Vector>(row + j) * load<Vector>(factors + j));
                    }
                }
            }
        });
    }

    /// Minus infinity, the top of a row that has seen no column yet, becomes 0.
    static float finite(float top) noexcept { return top == -std::numeric_limits<float>::infinity() ? 0 : top; }

    template <class Level>
    [[gnu::always_inline]] float const* factors_of(Level level, std::int64_t i, Range const& columns, Scratch& at,
                                                   std::int64_t wide) const {
        return head.dropout.fill(level, at.factors.data(), head.first_element + i * head.length + columns.first, wide);
    }

    [[gnu::noinline]] void finish(Range const& rows, float* sums, Real* output, float* top, float* share) const {
        std::int64_t const inner = head.padded(head.width);
        for (std::int64_t i = rows.first; i < rows.end; ++i) {
            top[i] = finite(top[i]);
            share[i] = 1.0F / share[i];
            write(sums + (i - rows.first) * inner, {i, i + 1}, output, share[i]);
        }
    }

    /// Of each row, the mean of its weights' gradients under its weights: the product of output and gradient.
    [[gnu::noinline]] void means(Real const* output, Scratch& at) const {
        with_lanes([&](auto level) __attribute__((always_inline)) {
            using Vector = FloatsOf<decltype(level)>;
            for (std::int64_t i = 0; i < head.length; ++i) {
                Vector total = {};
                along(level, head.width, [&](auto read, auto, std::int64_t j) __attribute__((always_inline)) {
                    total += read(output + i * head.stride) * load<Vector>(at.slopes.data() + i * head.padded(head.width) + j);
                });
                at.means[static_cast<std::size_t>(i)] = sum(total);
            }
        });
    }

    /// What a tile adds to the gradients of its rows' queries and of its columns' keys and values.
    void add_gradients(Range const& rows, Range const& columns, float const* top, float const* share, Scratch& at) const {
        std::int64_t const inner = head.padded(head.width);
        std::int64_t const wide = head.padded(columns.size());
        float* const query = at.query.data() + rows.first * inner;
        float* const slopes = at.slopes.data() + rows.first * inner;
        tile_product<false>(rows.size(), wide, query, inner, 1, at.keys.data(), wide, head.width, at.scores.data(), wide);
        tile_product<false>(rows.size(), wide, slopes, inner, 1, at.values.data(), wide, head.width, at.gradients.data(), wide);
        differentiate(rows, columns, top, share, at);
        tile_product<true>(columns.size(), inner, at.scores.data(), 1, wide, slopes, inner, rows.size(), at.value_sums.data(),
                           inner);
        tile_product<true>(columns.size(), inner, at.gradients.data(), 1, wide, query, inner, rows.size(), at.key_sums.data(),
                           inner);
        tile_product<true>(rows.size(), inner, at.gradients.data(), wide, 1, at.key_rows.data(), inner, columns.size(),
                           at.sums.data() + rows.first * inner, inner);
    }

    /// The scores of a tile become its dropped weights, the gradients of those become the gradients of the scores.
    [[gnu::noinline]] void differentiate(Range const& rows, Range const& columns, float const* top, float const* share,
                                         Scratch& at) const {
        with_lanes([&](auto level) __attribute__((always_inline)) {
            using Vector = FloatsOf<decltype(level)>;
            std::int64_t const wide = head.padded(columns.size());
            bool const drops = head.dropout.threshold != 0;
            for (std::int64_t i = rows.first; i < rows.end; ++i) {
                float* const score = at.scores.data() + (i - rows.first) * wide;
                float* const slope = at.gradients.data() + (i - rows.first) * wide;
                std::uint64_t const* const bits = head.bits_of(i);
                float const* const factors = drops ? factors_of(level, i, columns, at, wide) : nullptr;
                float const mean = at.means[static_cast<std::size_t>(i)];
                for (std::int64_t j = 0; j < wide; j += level.lanes) {
                    Vector const weight =
                        exponential(head.masked(load<Vector>(score + j), bits, i, columns.first + j) - top[i]) * share[i];
                    Vector const factor = drops ? load<Vector>(factors + j) : splat<Vector>(1);
                    store(score + j, weight * factor);
                    store(slope + j, weight * (load<Vector>(slope + j) * factor - mean));
                }
            }
        });
    }
};

}  // namespace BMAE_KERNELS
}  // namespace bmae::detail
