// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Scores of many queries with many rows, fused with top-k selection: no score matrix is stored.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include <bmae/detail/parallel.hpp>
#include <bmae/retrieval/row_kernels.hpp>
#include <bmae/retrieval/top_k.hpp>

namespace bmae::detail {

/// Stored rows: one of the four pointers to rows is set.
struct StoredRows {
    float const* single = nullptr;         ///< [count, width] fp32
    std::uint16_t const* half = nullptr;   ///< [count, width] bf16 bits
    std::int8_t const* bytes = nullptr;    ///< [count, width] int8: element i of a row stands for scales[row] * i
    float const* scales = nullptr;         ///< [count] of `bytes`
    std::uint64_t const* bits = nullptr;   ///< [count, ceil(dimension / 64)] binary: see pack_bits
    std::size_t count = 0;
    std::size_t width = 0;       ///< a multiple of dot_lanes
    DotBlock score = nullptr;    ///< in place of inner products
    std::size_t dimension = 0;   ///< of `bits`: numbers of a row without those that fill up to `width`

    [[nodiscard]] std::size_t words() const noexcept {
        return (dimension + bits_per_word - 1) / bits_per_word;
    }   ///< of a row of `bits`
};

/// One thread's share of a search: its best rows of each query, and its buffers.
class RowSearch {
public:
    /// \param queries  [Q, width] fp32
    RowSearch(StoredRows const& rows, RowKernels const& kernels, std::span<float const> queries, std::size_t row_block,
              std::size_t k, std::span<std::uint32_t const> keys)
        : rows_(rows),
          kernels_(kernels),
          score_(rows.score != nullptr ? rows.score : kernels.score),
          queries_(queries),
          row_block_(row_block),
          keys_(keys),
          group_(std::max<std::size_t>(query_tile, query_bytes / (rows.width * sizeof(float)) / query_tile * query_tile)),
          best_(queries.size() / rows.width, TopK(k)),
          scores_(group_ * row_block),
          places_(row_block) {
        bool const converts_in_place =
            (rows.half != nullptr || rows.bytes != nullptr) && rows.score == nullptr && best_.size() < query_tile;
        if (rows.bits != nullptr) {
            query_bits_.resize(best_.size() * rows.words());
            for (std::size_t q = 0; q < best_.size(); ++q) {
                pack_bits(queries.data() + q * rows.width, rows.dimension, query_bits_.data() + q * rows.words());
            }
        } else if (rows.single == nullptr && !converts_in_place) {
            widened_.resize(row_block * rows.width);
        }
    }

    [[nodiscard]] std::vector<TopK>& best() noexcept { return best_; }

    void search_block(std::size_t begin, std::size_t length) {
        float const* const values = widen(begin, length);
        for (std::size_t q = 0; q < best_.size(); q += group_) {
            std::size_t const count = std::min(group_, best_.size() - q);
            float const* const asked = queries_.data() + q * rows_.width;
            if (rows_.bits != nullptr) {
                std::size_t const words = rows_.words();
                kernels_.score_bits(query_bits_.data() + q * words, count, rows_.bits + begin * words, length, words,
                                    rows_.dimension, scores_.data(), row_block_);
            } else if (values != nullptr) {
                score_(asked, count, values, length, rows_.width, scores_.data(), row_block_);
            } else if (rows_.half != nullptr) {
                kernels_.score_half(asked, count, rows_.half + begin * rows_.width, length, rows_.width, scores_.data(),
                                    row_block_);
            } else {
                kernels_.score_bytes(asked, count, rows_.bytes + begin * rows_.width, length, rows_.width, scores_.data(),
                                     row_block_);
            }
            if (rows_.bytes != nullptr && rows_.score == nullptr) { scale_scores(count, begin, length); }
            for (std::size_t i = 0; i < count; ++i) { offer(best_[q + i], scores_.data() + i * row_block_, begin, length); }
        }
    }

private:
    static constexpr std::size_t query_bytes = std::size_t{1}
                                               << 14;   // of queries that stay in the L1 cache beside a tile of rows

    /// The rows as fp32; nullptr where they are converted while they are read, which pays for few queries.
    float const* widen(std::size_t begin, std::size_t length) {
        if (rows_.single != nullptr) { return rows_.single + begin * rows_.width; }
        if (widened_.empty()) { return nullptr; }
        if (rows_.half != nullptr) {
            kernels_.widen_half(rows_.half + begin * rows_.width, length * rows_.width, widened_.data());
        } else {
            float const* const scales = rows_.score != nullptr ? rows_.scales + begin : nullptr;
            kernels_.widen_bytes(rows_.bytes + begin * rows_.width, scales, length, rows_.width, widened_.data());
        }
        return widened_.data();
    }

    /// Inner products with stored int8 numbers, times the scale of each row: the same bits for one query and for many.
    void scale_scores(std::size_t count, std::size_t begin, std::size_t length) {
        for (std::size_t q = 0; q < count; ++q) {
            float* const scores = scores_.data() + q * row_block_;
            for (std::size_t r = 0; r < length; ++r) { scores[r] *= rows_.scales[begin + r]; }
        }
    }

    void offer(TopK& best, float const* scores, std::size_t begin, std::size_t length) {
        std::size_t const count = kernels_.select(scores, length, best.threshold(), places_.data());
        for (std::size_t i = 0; i < count; ++i) {
            std::size_t const row = begin + places_[i];
            best.push(scores[places_[i]], keys_.empty() ? static_cast<std::uint32_t>(row) : keys_[row]);
        }
    }

    StoredRows const& rows_;
    RowKernels const& kernels_;
    DotBlock score_;
    std::span<float const> queries_;
    std::size_t row_block_;
    std::span<std::uint32_t const> keys_;
    std::size_t group_;
    std::vector<TopK> best_;
    std::vector<float> scores_;   // [group, row_block]
    std::vector<std::uint32_t> places_;
    std::vector<float> widened_ = {};
    std::vector<std::uint64_t> query_bits_ = {};
};

/// The top k rows of each query; of equal scores the row with the smaller key.
///
/// Threads take block after block of rows that fits into the L2 cache, so that a slow one holds up no other; a result does not depend
/// on who took which. Memory, beside the result: per thread (block of queries) x max(2k, 64) x 8 bytes and 256 KiB of rows.
/// \param queries  [Q, width] fp32
/// \param keys     [count] or empty: the row itself
template <class Take>
void search_rows(StoredRows const& rows, float const* queries, std::size_t query_count, std::size_t k,
                 std::span<std::uint32_t const> keys, std::size_t query_block, unsigned threads, Take&& take) {
    RowKernels const kernels = choose_row_kernels();
    std::size_t const row_bytes = rows.bits != nullptr ? rows.words() * sizeof(std::uint64_t) : rows.width * sizeof(float);
    std::size_t const row_block = std::max<std::size_t>(24, (std::size_t{1} << 18) / row_bytes / 24 * 24);
    std::size_t const blocks = (rows.count + row_block - 1) / row_block;
    std::size_t const shards = std::max<std::size_t>(1, std::min<std::size_t>(thread_count(threads), blocks));
    for (std::size_t first = 0; first < query_count; first += query_block) {
        std::size_t const count = std::min(query_block, query_count - first);
        std::vector<std::vector<TopK>> best(shards);
        std::atomic<std::size_t> next{0};
        parallel_for(shards, 1, threads, [&](std::size_t shard, std::size_t) {
            constexpr std::size_t run = 8;   // blocks in a row: pages and their addresses are read in order
            RowSearch search(rows, kernels, {queries + first * rows.width, count * rows.width}, row_block, k, keys);
            for (std::size_t block = next.fetch_add(run); block < blocks; block = next.fetch_add(run)) {
                for (std::size_t b = block; b < std::min(block + run, blocks); ++b) {
                    search.search_block(b * row_block, std::min(row_block, rows.count - b * row_block));
                }
            }
            best[shard] = std::move(search.best());
        });
        std::vector<std::vector<TopK::Entry>> entries(count);
        parallel_for(count, 16, threads, [&](std::size_t begin, std::size_t end) {
            for (std::size_t q = begin; q < end; ++q) {
                TopK& all = best[0][q];
                for (std::size_t shard = 1; shard < shards; ++shard) { all.merge(best[shard][q]); }
                entries[q] = all.sorted();
            }
        });
        for (std::size_t q = 0; q < count; ++q) { take(first + q, entries[q]); }
    }
}

}  // namespace bmae::detail
