// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Negative distances of many queries to many rows, in place of inner products.
#pragma once

#include <cmath>
#include <cstddef>

#include <bmae/retrieval/exact_index_kernel.hpp>
#include <bmae/values/vector_similarity.hpp>

namespace bmae::detail {

/// -|q - d| or -sum |q_i - d_i| of one query and one row, from the differences themselves: close vectors lose no digits, as they do
/// by |q|^2 - 2 q.d + |d|^2. Summed in the order of `dot_tile`.
template <bool squared>
[[gnu::always_inline]] inline float negative_distance(float const* query, float const* row, std::size_t width) {
    using Lanes [[gnu::vector_size(dot_lanes * sizeof(float)), gnu::aligned(4), gnu::may_alias]] = float;
    using Register [[gnu::vector_size(dot_lanes * sizeof(float))]] = float;
    Register sums = {};
    for (std::size_t d = 0; d < width; d += dot_lanes) {
        Register const q = *reinterpret_cast<Lanes const*>(query + d);
        Register const r = *reinterpret_cast<Lanes const*>(row + d);
        Register const difference = q - r;
        if constexpr (squared) {
            sums += difference * difference;
        } else {
            sums += difference < 0 ? -difference : difference;
        }
    }
    for (std::size_t step = dot_lanes / 2; step != 0; step /= 2) {
        for (std::size_t lane = 0; lane < step; ++lane) { sums[lane] += sums[lane + step]; }
    }
    float const sum = sums[0];
    return 0 - (squared ? std::sqrt(sum) : sum);   // 0, not -0
}

template <bool squared>
[[gnu::always_inline]] inline void distance_block(float const* queries, std::size_t query_count, float const* rows,
                                                  std::size_t row_count, std::size_t width, float* out, std::size_t out_stride) {
    for (std::size_t r = 0; r < row_count; ++r) {
        for (std::size_t q = 0; q < query_count; ++q) {
            out[q * out_stride + r] = negative_distance<squared>(queries + q * width, rows + r * width, width);
        }
    }
}

template <bool squared>
inline void distance_block_plain(float const* queries, std::size_t query_count, float const* rows, std::size_t row_count,
                                 std::size_t width, float* out, std::size_t out_stride) {
    distance_block<squared>(queries, query_count, rows, row_count, width, out, out_stride);
}

#if defined(__x86_64__)
template <bool squared>
[[gnu::target("avx2,fma")]] inline void distance_block_avx2(float const* queries, std::size_t query_count, float const* rows,
                                                            std::size_t row_count, std::size_t width, float* out,
                                                            std::size_t out_stride) {
    distance_block<squared>(queries, query_count, rows, row_count, width, out, out_stride);
}
template <bool squared>
[[gnu::target("avx512f,avx512vl,avx512dq,fma")]] inline void distance_block_avx512(float const* queries, std::size_t query_count,
                                                                                   float const* rows, std::size_t row_count,
                                                                                   std::size_t width, float* out,
                                                                                   std::size_t out_stride) {
    distance_block<squared>(queries, query_count, rows, row_count, width, out, out_stride);
}
#endif

/// The fastest variant that this processor supports.
template <bool squared>
DotBlock choose_distance_block() noexcept {
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx512f") != 0 && __builtin_cpu_supports("avx512vl") != 0 &&
        __builtin_cpu_supports("avx512dq") != 0) {
        return distance_block_avx512<squared>;
    }
    if (__builtin_cpu_supports("avx2") != 0 && __builtin_cpu_supports("fma") != 0) { return distance_block_avx2<squared>; }
#endif
    return distance_block_plain<squared>;
}

/// What an index scores by; null: inner products, of unit vectors cosines.
inline DotBlock score_block(VectorSimilarity similarity) noexcept {
    switch (similarity) {
        case VectorSimilarity::euclidean:
            return choose_distance_block<true>();
        case VectorSimilarity::manhattan:
            return choose_distance_block<false>();
        case VectorSimilarity::cosine:
        case VectorSimilarity::dot:
            break;
    }
    return nullptr;
}

}  // namespace bmae::detail
