// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Inner products of many queries with many rows, fused with top-k selection: no score matrix is stored.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include <bmae/detail/parallel.hpp>
#include <bmae/retrieval/top_k.hpp>

namespace bmae::detail {

/// Lanes of one accumulator. Every inner product is summed in this order: lane j takes the elements j, j + 16, j + 32, ..., then
/// lanes are added pairwise. So a score does not depend on blocking or on the number of threads.
inline constexpr std::size_t dot_lanes = 16;

/// Scores of Q queries with R rows, each `width` floats long, a multiple of dot_lanes.
///
/// The accumulators of the whole tile stay in registers: per step Q + R loads feed Q x R multiply-adds.
/// \param out  [Q, R], rows of `out_stride`
template <std::size_t Q, std::size_t R>
[[gnu::always_inline]] inline void dot_tile(float const* queries, float const* rows, std::size_t width, float* out,
                                            std::size_t out_stride) {
    using Lanes [[gnu::vector_size(dot_lanes * sizeof(float)), gnu::aligned(4), gnu::may_alias]] = float;
    using Register [[gnu::vector_size(dot_lanes * sizeof(float))]] = float;
    Register sums[Q][R] = {};
    for (std::size_t d = 0; d < width; d += dot_lanes) {
        Register row[R];
#pragma GCC unroll 8
        for (std::size_t r = 0; r < R; ++r) { row[r] = *reinterpret_cast<Lanes const*>(rows + r * width + d); }
#pragma GCC unroll 8
        for (std::size_t q = 0; q < Q; ++q) {
            Register const query = *reinterpret_cast<Lanes const*>(queries + q * width + d);
#pragma GCC unroll 8
            for (std::size_t r = 0; r < R; ++r) { sums[q][r] += query * row[r]; }
        }
    }
#pragma GCC unroll 8
    for (std::size_t q = 0; q < Q; ++q) {
#pragma GCC unroll 8
        for (std::size_t r = 0; r < R; ++r) {
            auto const all = sums[q][r];
            auto const eight = __builtin_shufflevector(all, all, 0, 1, 2, 3, 4, 5, 6, 7) +
                               __builtin_shufflevector(all, all, 8, 9, 10, 11, 12, 13, 14, 15);
            auto const four =
                __builtin_shufflevector(eight, eight, 0, 1, 2, 3) + __builtin_shufflevector(eight, eight, 4, 5, 6, 7);
            auto const two = __builtin_shufflevector(four, four, 0, 1) + __builtin_shufflevector(four, four, 2, 3);
            out[q * out_stride + r] = two[0] + two[1];
        }
    }
}

/// All pairs of `query_count` <= 4 queries and `row_count` rows.
template <std::size_t R>
[[gnu::always_inline]] inline void dot_block(float const* queries, std::size_t query_count, float const* rows,
                                             std::size_t row_count, std::size_t width, float* out, std::size_t out_stride) {
    std::size_t r = 0;
    if (query_count == 4) {
        for (; r + R <= row_count; r += R) { dot_tile<4, R>(queries, rows + r * width, width, out + r, out_stride); }
        for (; r < row_count; ++r) { dot_tile<4, 1>(queries, rows + r * width, width, out + r, out_stride); }
        return;
    }
    for (; r + 4 <= row_count; r += 4) {
        for (std::size_t q = 0; q < query_count; ++q) {
            dot_tile<1, 4>(queries + q * width, rows + r * width, width, out + q * out_stride + r, out_stride);
        }
    }
    for (; r < row_count; ++r) {
        for (std::size_t q = 0; q < query_count; ++q) {
            dot_tile<1, 1>(queries + q * width, rows + r * width, width, out + q * out_stride + r, out_stride);
        }
    }
}

using DotBlock = void (*)(float const*, std::size_t, float const*, std::size_t, std::size_t, float*, std::size_t);

inline void dot_block_plain(float const* queries, std::size_t query_count, float const* rows, std::size_t row_count,
                            std::size_t width, float* out, std::size_t out_stride) {
    dot_block<1>(queries, query_count, rows, row_count, width, out, out_stride);
}

#if defined(__x86_64__)
// Two more variants of the same loop for wider registers. Attributes, not compiler flags, choose the instructions, so that a
// user's program needs none; they differ from each other in speed, not in the result.
[[gnu::target("avx2,fma")]] inline void dot_block_avx2(float const* queries, std::size_t query_count, float const* rows,
                                                       std::size_t row_count, std::size_t width, float* out,
                                                       std::size_t out_stride) {
    dot_block<1>(queries, query_count, rows, row_count, width, out, out_stride);
}
[[gnu::target("avx512f,avx512vl,avx512dq,fma")]] inline void dot_block_avx512(float const* queries, std::size_t query_count,
                                                                              float const* rows, std::size_t row_count,
                                                                              std::size_t width, float* out,
                                                                              std::size_t out_stride) {
    dot_block<6>(queries, query_count, rows, row_count, width, out, out_stride);
}

#endif

/// The fastest variant that this processor supports.
inline DotBlock choose_dot_block() noexcept {
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx512f") != 0 && __builtin_cpu_supports("avx512vl") != 0 &&
        __builtin_cpu_supports("avx512dq") != 0) {
        return dot_block_avx512;
    }
    if (__builtin_cpu_supports("avx2") != 0 && __builtin_cpu_supports("fma") != 0) { return dot_block_avx2; }
#endif
    return dot_block_plain;
}

/// Stored rows: one of the two is set.
struct StoredRows {
    float const* single = nullptr;         ///< [count, width] fp32
    std::uint16_t const* half = nullptr;   ///< [count, width] bf16 bits
    std::size_t count = 0;
    std::size_t width = 0;   ///< a multiple of dot_lanes
};

/// The top k rows of each query; of equal scores the row with the smaller key.
///
/// Each thread takes a share of the rows and, in it, block after block that fits into the L2 cache. Memory, beside the
/// result: per thread (block of queries) x max(2k, 64) x 8 bytes and 256 KiB of rows.
/// \param queries  [Q, width] fp32
/// \param keys     [count] or empty: the row itself
template <class Take>
void search_rows(StoredRows const& rows, float const* queries, std::size_t query_count, std::size_t k,
                 std::span<std::uint32_t const> keys, std::size_t query_block, unsigned threads, Take&& take) {
    DotBlock const dot = choose_dot_block();
    std::size_t const row_block = std::max<std::size_t>(24, (std::size_t{1} << 18) / (rows.width * sizeof(float)) / 24 * 24);
    std::size_t const blocks = (rows.count + row_block - 1) / row_block;
    std::size_t const shards = std::max<std::size_t>(1, std::min<std::size_t>(thread_count(threads), blocks));
    for (std::size_t first = 0; first < query_count; first += query_block) {
        std::size_t const count = std::min(query_block, query_count - first);
        std::vector<std::vector<TopK>> best(shards);
        parallel_for(shards, 1, threads, [&](std::size_t shard, std::size_t) {
            std::vector<TopK>& mine = best[shard];
            mine.assign(count, TopK(k));
            std::vector<float> scores(4 * row_block);
            std::vector<float> widened(rows.half == nullptr ? 0 : row_block * rows.width);
            for (std::size_t block = blocks * shard / shards; block < blocks * (shard + 1) / shards; ++block) {
                std::size_t const begin = block * row_block;
                std::size_t const length = std::min(row_block, rows.count - begin);
                float const* values = rows.half == nullptr ? rows.single + begin * rows.width : widened.data();
                for (std::size_t i = 0; i < (rows.half == nullptr ? 0 : length * rows.width); ++i) {
                    widened[i] = std::bit_cast<float>(static_cast<std::uint32_t>(rows.half[begin * rows.width + i]) << 16);
                }
                for (std::size_t q = 0; q < count; q += 4) {
                    std::size_t const width = std::min<std::size_t>(4, count - q);
                    dot(queries + (first + q) * rows.width, width, values, length, rows.width, scores.data(), row_block);
                    for (std::size_t i = 0; i < width; ++i) {
                        mine[q + i].push_all(std::span(scores).subspan(i * row_block, length), [&](std::size_t row) {
                            return keys.empty() ? static_cast<std::uint32_t>(begin + row) : keys[begin + row];
                        });
                    }
                }
            }
        });
        for (std::size_t q = 0; q < count; ++q) {
            for (std::size_t shard = 1; shard < shards; ++shard) { best[0][q].merge(best[shard][q]); }
            take(first + q, best[0][q].sorted());
        }
    }
}

}  // namespace bmae::detail
