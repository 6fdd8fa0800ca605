// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Inner products of queries with rows of vectors, for each instruction set of x86-64 and without any.
#pragma once

#include <cstddef>
#include <cstdint>

namespace bmae::detail {

/// Lanes of one accumulator. Every inner product is summed in this order: lane j takes the elements j, j + 16, j + 32, ..., then lanes
/// are added pairwise. So a score does not depend on blocking or on the number of threads.
inline constexpr std::size_t dot_lanes = 16;

/// Queries of one tile of the widest kernel.
inline constexpr std::size_t query_tile = 3;

using LaneSums [[gnu::vector_size(dot_lanes * sizeof(float))]] = float;
using LaneBits [[gnu::vector_size(dot_lanes * sizeof(float))]] = std::uint32_t;

// How the stored numbers of a row become fp32.
struct SingleRow {
    using Stored = float;
    [[gnu::always_inline]] static void load(float const* from, LaneSums& to) {
        using Unaligned [[gnu::vector_size(dot_lanes * sizeof(float)), gnu::aligned(4), gnu::may_alias]] = float;
        to = *reinterpret_cast<Unaligned const*>(from);
    }
};
struct HalfRow {
    using Stored = std::uint16_t;
    [[gnu::always_inline]] static void load(std::uint16_t const* from, LaneSums& to) {
        using Unaligned [[gnu::vector_size(dot_lanes * 2), gnu::aligned(2), gnu::may_alias]] = std::uint16_t;
        to = reinterpret_cast<LaneSums>(__builtin_convertvector(*reinterpret_cast<Unaligned const*>(from), LaneBits) << 16);
    }
};
struct ByteRow {
    using Stored = std::int8_t;
    [[gnu::always_inline]] static void load(std::int8_t const* from, LaneSums& to) {
        using Unaligned [[gnu::vector_size(dot_lanes), gnu::aligned(1), gnu::may_alias]] = std::int8_t;
        using Wide [[gnu::vector_size(dot_lanes * 4)]] = std::int32_t;
        using Half [[gnu::vector_size(dot_lanes * 2)]] = std::int16_t;   // a step that GCC has an instruction for
        auto const half = __builtin_convertvector(*reinterpret_cast<Unaligned const*>(from), Half);
        to = __builtin_convertvector(__builtin_convertvector(half, Wide), LaneSums);
    }
};

/// The lanes of one accumulator, added pairwise: j and j + 8, then j and j + 4, j + 2, j + 1.
[[gnu::always_inline]] inline float add_lanes(LaneSums const& all) {
    auto const eight = __builtin_shufflevector(all, all, 0, 1, 2, 3, 4, 5, 6, 7) +
                       __builtin_shufflevector(all, all, 8, 9, 10, 11, 12, 13, 14, 15);
    auto const four = __builtin_shufflevector(eight, eight, 0, 1, 2, 3) + __builtin_shufflevector(eight, eight, 4, 5, 6, 7);
    auto const two = __builtin_shufflevector(four, four, 0, 1) + __builtin_shufflevector(four, four, 2, 3);
    return two[0] + two[1];
}

/// The same sums of eight accumulators, side by side: a third of the instructions.
/// \param out  [8]
[[gnu::always_inline]] inline void add_lanes_of_eight(LaneSums const (&all)[8], float* out) {
    using Eight [[gnu::vector_size(8 * sizeof(float)), gnu::aligned(4), gnu::may_alias]] = float;
    LaneSums pair[4];
    LaneSums four[2];
#pragma GCC unroll 4
    for (int i = 0; i < 4; ++i) {   // 8 lanes of each of two accumulators
        pair[i] =
            __builtin_shufflevector(all[2 * i], all[2 * i + 1], 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23) +
            __builtin_shufflevector(all[2 * i], all[2 * i + 1], 8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31);
    }
#pragma GCC unroll 2
    for (int i = 0; i < 2; ++i) {   // 4 lanes of each of four
        four[i] =
            __builtin_shufflevector(pair[2 * i], pair[2 * i + 1], 0, 1, 2, 3, 8, 9, 10, 11, 16, 17, 18, 19, 24, 25, 26, 27) +
            __builtin_shufflevector(pair[2 * i], pair[2 * i + 1], 4, 5, 6, 7, 12, 13, 14, 15, 20, 21, 22, 23, 28, 29, 30, 31);
    }
    // 2 lanes of each: accumulators 0 4 | 1 5 | 2 6 | 3 7
    LaneSums const two = __builtin_shufflevector(four[0], four[1], 0, 1, 16, 17, 4, 5, 20, 21, 8, 9, 24, 25, 12, 13, 28, 29) +
                         __builtin_shufflevector(four[0], four[1], 2, 3, 18, 19, 6, 7, 22, 23, 10, 11, 26, 27, 14, 15, 30, 31);
    auto const sums = __builtin_shufflevector(two, two, 0, 4, 8, 12, 2, 6, 10, 14) +
                      __builtin_shufflevector(two, two, 1, 5, 9, 13, 3, 7, 11, 15);
    *reinterpret_cast<Eight*>(out) = sums;
}

/// Scores of Q queries with R rows, each `width` numbers long, a multiple of dot_lanes.
///
/// The accumulators of the whole tile stay in registers: per step Q + R loads feed Q x R multiply-adds. One query is bound by memory:
/// its tile asks for the rows of the next one while it reads its own.
/// \param out  [Q, R], rows of `out_stride`
template <class Row, std::size_t Q, std::size_t R>
[[gnu::always_inline]] inline void score_tile(float const* queries, typename Row::Stored const* rows, std::size_t width,
                                              float* out, std::size_t out_stride) {
    LaneSums sums[Q][R] = {};
    for (std::size_t d = 0; d < width; d += dot_lanes) {
        LaneSums query[Q];
#pragma GCC unroll 8
        for (std::size_t q = 0; q < Q; ++q) { SingleRow::load(queries + q * width + d, query[q]); }
#pragma GCC unroll 8
        for (std::size_t r = 0; r < R; ++r) {
            LaneSums row;
            Row::load(rows + r * width + d, row);
#if !defined(__clang__)                                              // which refuses the constraint for 512 bits
            if constexpr (Q > 1 && R > 1) { asm("" : "+v"(row)); }   // read once, not by each multiply-add
#endif
            if constexpr (Q == 1 && R > 1) { __builtin_prefetch(rows + (R + r) * width + d); }
#pragma GCC unroll 8
            for (std::size_t q = 0; q < Q; ++q) { sums[q][r] += query[q] * row; }
        }
    }
#pragma GCC unroll 8
    for (std::size_t q = 0; q < Q; ++q) {
        if constexpr (R == 8) {
            add_lanes_of_eight(sums[q], out + q * out_stride);
        } else {
#pragma GCC unroll 8
            for (std::size_t r = 0; r < R; ++r) { out[q * out_stride + r] = add_lanes(sums[q][r]); }
        }
    }
}

/// All pairs of `query_count` queries and `row_count` rows, in tiles of Q x R: a tile of rows stays in the L1 cache for all queries.
template <class Row, std::size_t Q, std::size_t R>
[[gnu::always_inline]] inline void score_block(float const* queries, std::size_t query_count, typename Row::Stored const* rows,
                                               std::size_t row_count, std::size_t width, float* out, std::size_t out_stride) {
    std::size_t r = 0;
    for (; r + R <= row_count; r += R) {
        std::size_t q = 0;
        for (; q + Q <= query_count; q += Q) {
            score_tile<Row, Q, R>(queries + q * width, rows + r * width, width, out + q * out_stride + r, out_stride);
        }
        for (; q < query_count; ++q) {
            score_tile<Row, 1, R>(queries + q * width, rows + r * width, width, out + q * out_stride + r, out_stride);
        }
    }
    for (; r < row_count; ++r) {
        for (std::size_t q = 0; q < query_count; ++q) {
            score_tile<Row, 1, 1>(queries + q * width, rows + r * width, width, out + q * out_stride + r, out_stride);
        }
    }
}

/// `count` numbers, a multiple of dot_lanes, as fp32, times `factor`.
template <class Row>
[[gnu::always_inline]] inline void widen_row(typename Row::Stored const* from, std::size_t count, float factor, float* to) {
    using Unaligned [[gnu::vector_size(dot_lanes * sizeof(float)), gnu::aligned(4), gnu::may_alias]] = float;
    for (std::size_t i = 0; i < count; i += dot_lanes) {
        LaneSums values;
        Row::load(from + i, values);
        *reinterpret_cast<Unaligned*>(to + i) = values * factor;
    }
}

/// Binary rows: one bit per number, set where it is above 0, in words of 64.
inline constexpr std::size_t bits_per_word = 64;

/// Of `width` numbers, the words of their bits.                                                           bits [ceil(width / 64)]
inline void pack_bits(float const* values, std::size_t width, std::uint64_t* bits) noexcept {
    for (std::size_t i = 0; i < width; i += bits_per_word) {
        std::uint64_t word = 0;
        for (std::size_t j = 0; j < bits_per_word && i + j < width; ++j) {
            word |= std::uint64_t{values[i + j] > 0 ? 1U : 0U} << j;
        }
        bits[i / bits_per_word] = word;
    }
}

/// Inner products of vectors of 1 and -1: `dimension` minus twice the number of bits that differ.
[[gnu::always_inline]] inline void score_bit_rows(std::uint64_t const* queries, std::size_t query_count,
                                                  std::uint64_t const* rows, std::size_t row_count, std::size_t words,
                                                  std::size_t dimension, float* out, std::size_t out_stride) {
    for (std::size_t q = 0; q < query_count; ++q) {
        for (std::size_t r = 0; r < row_count; ++r) {
            int different = 0;
            for (std::size_t w = 0; w < words; ++w) {
                different += __builtin_popcountll(queries[q * words + w] ^ rows[r * words + w]);
            }
            out[q * out_stride + r] = static_cast<float>(dimension) - 2.0F * static_cast<float>(different);
        }
    }
}

/// Scores of `query_count` queries with `row_count` rows.                                     out [query_count, row_count] of `out_stride`
using DotBlock = void (*)(float const* queries, std::size_t query_count, float const* rows, std::size_t row_count, std::size_t width,
                          float* out, std::size_t out_stride);

/// What a search calls, for one instruction set.
struct RowKernels {
    DotBlock score;
    void (*score_half)(float const* queries, std::size_t query_count, std::uint16_t const* rows, std::size_t row_count,
                       std::size_t width, float* out, std::size_t out_stride);
    void (*score_bytes)(float const* queries, std::size_t query_count, std::int8_t const* rows, std::size_t row_count,
                        std::size_t width, float* out, std::size_t out_stride);   // without the scales of the rows
    void (*score_bits)(std::uint64_t const* queries, std::size_t query_count, std::uint64_t const* rows, std::size_t row_count,
                       std::size_t words, std::size_t dimension, float* out, std::size_t out_stride);
    void (*widen_half)(std::uint16_t const* from, std::size_t count, float* to);
    /// \param scales  [rows], or nullptr: the stored numbers themselves
    void (*widen_bytes)(std::int8_t const* from, float const* scales, std::size_t rows, std::size_t width, float* to);
    /// The places of the scores that are not below `threshold`. \param places [count] \returns their number
    std::size_t (*select)(float const* scores, std::size_t count, float threshold, std::uint32_t* places);
};

[[gnu::always_inline]] inline std::size_t select_plain(float const* scores, std::size_t begin, std::size_t count, float threshold,
                                                       std::uint32_t* places, std::size_t found) {
    for (std::size_t i = begin; i < count; ++i) {
        places[found] = static_cast<std::uint32_t>(i);
        found += scores[i] >= threshold ? 1 : 0;
    }
    return found;
}

#if defined(__x86_64__)
/// Sixteen comparisons at a time, of which most find nothing.
[[gnu::always_inline, gnu::target("avx512f")]] inline std::size_t select_avx512(float const* scores, std::size_t begin,
                                                                                std::size_t count, float threshold,
                                                                                std::uint32_t* places, std::size_t found) {
    constexpr int not_below = 29;   // greater or equal, quiet: false for NaN
    LaneSums const bound = threshold - LaneSums{};
    std::size_t i = begin;
    for (; i + dot_lanes <= count; i += dot_lanes) {
        LaneSums values;
        SingleRow::load(scores + i, values);
        unsigned mask = __builtin_ia32_cmpps512_mask(values, bound, not_below, 0xffff, 4);
        for (; mask != 0; mask &= mask - 1) {
            places[found++] = static_cast<std::uint32_t>(i) + static_cast<std::uint32_t>(__builtin_ctz(mask));
        }
    }
    return select_plain(scores, i, count, threshold, places, found);
}
#endif

// Variants of the same loops for wider registers. Attributes, not compiler flags, choose the instructions, so that a user's program
// needs none; they differ from each other in speed, not in the result.
#define BMAE_ROW_KERNELS(NAME, TARGET, Q, R, SELECT)                                                                       \
    struct NAME {                                                                                                          \
        TARGET static void score(float const* queries, std::size_t query_count, float const* rows, std::size_t row_count,  \
                                 std::size_t width, float* out, std::size_t out_stride) {                                  \
            score_block<SingleRow, Q, R>(queries, query_count, rows, row_count, width, out, out_stride);                   \
        }                                                                                                                  \
        TARGET static void score_half(float const* queries, std::size_t query_count, std::uint16_t const* rows,            \
                                      std::size_t row_count, std::size_t width, float* out, std::size_t out_stride) {      \
            score_block<HalfRow, 1, R>(queries, query_count, rows, row_count, width, out, out_stride);                     \
        }                                                                                                                  \
        TARGET static void score_bytes(float const* queries, std::size_t query_count, std::int8_t const* rows,             \
                                       std::size_t row_count, std::size_t width, float* out, std::size_t out_stride) {     \
            score_block<ByteRow, 1, R>(queries, query_count, rows, row_count, width, out, out_stride);                     \
        }                                                                                                                  \
        TARGET static void score_bits(std::uint64_t const* queries, std::size_t query_count, std::uint64_t const* rows,    \
                                      std::size_t row_count, std::size_t words, std::size_t dimension, float* out,         \
                                      std::size_t out_stride) {                                                            \
            score_bit_rows(queries, query_count, rows, row_count, words, dimension, out, out_stride);                      \
        }                                                                                                                  \
        TARGET static void widen_half(std::uint16_t const* from, std::size_t count, float* to) {                           \
            widen_row<HalfRow>(from, count, 1.0F, to);                                                                     \
        }                                                                                                                  \
        TARGET static void widen_bytes(std::int8_t const* from, float const* scales, std::size_t rows, std::size_t width,  \
                                       float* to) {                                                                        \
            for (std::size_t r = 0; r < rows; ++r) {                                                                       \
                widen_row<ByteRow>(from + r * width, width, scales == nullptr ? 1.0F : scales[r], to + r * width);         \
            }                                                                                                              \
        }                                                                                                                  \
        TARGET static std::size_t select(float const* scores, std::size_t count, float threshold, std::uint32_t* places) { \
            return SELECT(scores, 0, count, threshold, places, 0);                                                         \
        }                                                                                                                  \
        static RowKernels all() noexcept {                                                                                 \
            return {score, score_half, score_bytes, score_bits, widen_half, widen_bytes, select};                          \
        }                                                                                                                  \
    };

BMAE_ROW_KERNELS(PlainRowKernels, , 1, 1, select_plain)
#if defined(__x86_64__)
BMAE_ROW_KERNELS(Avx2RowKernels, [[gnu::target("avx2,fma,popcnt")]], 4, 1, select_plain)
BMAE_ROW_KERNELS(Avx512RowKernels, [[gnu::target("avx512f,avx512vl,avx512dq,fma,popcnt")]], 3, 8, select_avx512)
#endif

#undef BMAE_ROW_KERNELS

/// The fastest variant that this processor supports.
inline RowKernels choose_row_kernels() noexcept {
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx512f") != 0 && __builtin_cpu_supports("avx512vl") != 0 &&
        __builtin_cpu_supports("avx512dq") != 0) {
        return Avx512RowKernels::all();
    }
    if (__builtin_cpu_supports("avx2") != 0 && __builtin_cpu_supports("fma") != 0) { return Avx2RowKernels::all(); }
#endif
    return PlainRowKernels::all();
}
inline DotBlock choose_dot_block() noexcept { return choose_row_kernels().score; }

}  // namespace bmae::detail
