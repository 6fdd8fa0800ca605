// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Attention of one text on a CPU for inference: no weights are kept, queries may be fewer than keys; free of LibTorch.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <utility>

#include <bmae/nn/cpu_lanes.hpp>
#include <bmae/nn/packed_product.hpp>

namespace bmae::detail {
inline namespace BMAE_KERNELS {

/// One step of a transposition: exchanges the blocks of `distance` rows and columns off the diagonal.
template <int distance, std::size_t... i>
[[gnu::always_inline]] inline void exchange_blocks(Bits (&rows)[lanes], std::index_sequence<i...>) noexcept {
#pragma GCC unroll 16
    for (int r = 0; r < lanes; ++r) {
        if ((r & distance) != 0) { continue; }
        Bits const upper = rows[r];
        Bits const lower = rows[r + distance];
        rows[r] = __builtin_shufflevector(upper, lower, ((i & distance) == 0 ? i : i - distance + lanes)...);
        rows[r + distance] = __builtin_shufflevector(upper, lower, ((i & distance) == 0 ? i + distance : i + lanes)...);
    }
}

[[gnu::always_inline]] inline void transpose(Bits (&rows)[lanes]) noexcept {
    constexpr auto columns = std::make_index_sequence<static_cast<std::size_t>(lanes)>();
    exchange_blocks<8>(rows, columns);
    exchange_blocks<4>(rows, columns);
    exchange_blocks<2>(rows, columns);
    exchange_blocks<1>(rows, columns);
}

/// softmax(scale Q K^T) V of one text, every head, without masks and dropout.
///
/// The products run in fp32 or in bf16 with fp32 sums; the softmax is fp32. A row of the result depends on its own query and on the keys
/// of its text alone.
class InferenceAttention {
public:
    /// Whether there is a kernel for heads of this width.
    static constexpr bool fits(std::int64_t head_width) noexcept { return head_width > 0 && head_width % 32 == 0; }

    /// \param query      [queries, H], rows `stride` apart; H = heads x head width, head width a multiple of 32
    /// \param key,value  [length, H], likewise
    /// \param output     [queries, H], rows `stride` apart
    template <PackedType type>
    void run(float const* query, std::int64_t queries, float const* key, float const* value, std::int64_t length,
             std::int64_t heads, std::int64_t head_width, std::int64_t stride, float* output) {
        static_assert(type != PackedType::int8, "scores need a range of their own");
        with_lanes([&](auto level) __attribute__((always_inline)) {
            if constexpr (decltype(level)::value == LaneLevel::avx512) {
                for (std::int64_t head = 0; head < heads; ++head) {
                    std::int64_t const column = head * head_width;
                    pack_keys<type>(key + column, length, head_width, stride);
                    pack_values<type>(value + column, length, head_width, stride);
                    for (std::int64_t first = 0; first < queries; first += block) {
                        std::int64_t const rows = std::min(block, queries - first);
                        score<type>(query + first * stride + column, rows, length, head_width, stride);
                        for (std::int64_t r = 0; r < rows; ++r) { shares_[r] = softmax<type>(r, length, head_width); }
                        average<type>(value + column, rows, length, head_width, stride, output + first * stride + column);
                    }
                }
            }
        });
    }

private:
    static constexpr std::int64_t panel = PackedMatrix::panel;
    static constexpr std::int64_t tile = PackedMatrix::tile_rows;
    static constexpr std::int64_t block = 4 * tile;   ///< queries whose scores are in the cache

    static constexpr std::int64_t padded(std::int64_t length) noexcept { return (length + panel - 1) / panel * panel; }
    template <PackedType type>
    static constexpr std::int64_t words_of(std::int64_t numbers) noexcept {
        return (numbers + numbers_per_word(type) - 1) / numbers_per_word(type);
    }
    /// The bf16 numbers nearest to the even and the odd ones, in one word each.
    [[gnu::always_inline]] static Bits paired(Floats const& even, Floats const& odd) noexcept {
        return (nearest_halves(even) >> 16) | (nearest_halves(odd) & 0xffff0000U);
    }
    /// Sixteen words of a row.
    template <PackedType type>
    [[gnu::always_inline]] static Bits words_at(float const* row, std::int64_t word) noexcept {
        if constexpr (type == PackedType::fp32) {
            return std::bit_cast<Bits>(load(row + word));
        } else {
            Bf16 halves[2 * lanes];
            store(halves, load(row + 2 * word));
            store(halves + lanes, load(row + 2 * word + lanes));
            Bits words;
            std::memcpy(&words, halves, sizeof words);
            return words;
        }
    }

    /// K^T in panels of 64 keys: [panels, words, 64]; keys beyond the end are 0.
    template <PackedType type>
    [[gnu::always_inline]] void pack_keys(float const* key, std::int64_t length, std::int64_t head_width, std::int64_t stride) {
        std::int64_t const words = words_of<type>(head_width);
        std::uint32_t* const to = keys_.grow(padded(length) * words);
        for (std::int64_t k = 0; k < padded(length); k += lanes) {
            std::uint32_t* const columns = to + (k / panel) * words * panel + k % panel;
            for (std::int64_t word = 0; word < words; word += lanes) {
                Bits rows[lanes];
#pragma GCC unroll 16
                for (int r = 0; r < lanes; ++r) {
                    rows[r] = k + r < length ? words_at<type>(key + (k + r) * stride, word) : Bits{};
                }
                transpose(rows);
#pragma GCC unroll 16
                for (int r = 0; r < lanes; ++r) { std::memcpy(columns + (word + r) * panel, &rows[r], sizeof(Bits)); }
            }
        }
    }

    /// bf16: V in words of two rows each. fp32: it is read where it is.
    template <PackedType type>
    [[gnu::always_inline]] void pack_values(float const* value, std::int64_t length, std::int64_t head_width,
                                            std::int64_t stride) {
        if constexpr (type == PackedType::bf16) {
            std::uint32_t* const to = values_.grow(words_of<type>(length) * head_width);
            for (std::int64_t k = 0; k < length; k += 2) {
                for (std::int64_t i = 0; i < head_width; i += lanes) {
                    Floats const even = load(value + k * stride + i);
                    Bits const words = paired(even, k + 1 < length ? load(value + (k + 1) * stride + i) : Floats{});
                    std::memcpy(to + (k / 2) * head_width + i, &words, sizeof words);
                }
            }
        }
    }

    template <PackedType type>
    [[gnu::always_inline]] void score(float const* query, std::int64_t rows, std::int64_t length, std::int64_t head_width,
                                      std::int64_t stride) {
        std::int64_t const words = words_of<type>(head_width);
        auto const* left = reinterpret_cast<std::uint32_t const*>(query);
        std::int64_t left_row = stride;
        if constexpr (type == PackedType::bf16) {
            left_row = words;
            std::uint32_t* const to = queries_.grow(block * words);
            for (std::int64_t r = 0; r < rows; ++r) {
                for (std::int64_t word = 0; word < words; word += lanes) {
                    Bits const some = words_at<type>(query + r * stride, word);
                    std::memcpy(to + r * words + word, &some, sizeof some);
                }
            }
            left = to;
        }
        float* const scores = scores_.grow(block * padded(length));
        for (std::int64_t k = 0; k < padded(length); k += panel) {
            for (std::int64_t r = 0; r < rows; r += tile) {
                packed_tile_of<type, panel / lanes>(std::min(tile, rows - r), {.left = left + r * left_row,
                                                                               .left_row = left_row,
                                                                               .right = keys_.data() + k * words,
                                                                               .right_row = panel,
                                                                               .words = words,
                                                                               .out = scores + r * padded(length) + k,
                                                                               .out_row = padded(length)});
            }
        }
    }

    /// Replaces scores by e^(scale (score - largest)), in bf16 in the place of `masses_`.
    /// \returns 1 / their sum
    template <PackedType type>
    [[gnu::always_inline]] float softmax(std::int64_t r, std::int64_t length, std::int64_t head_width) {
        constexpr Bits places = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
        constexpr float nothing = -std::numeric_limits<float>::infinity();
        float const scale = 1.0F / std::sqrt(static_cast<float>(head_width));
        float* const row = scores_.data() + r * padded(length);
        std::int64_t const last = (length - 1) / lanes * lanes;
        Floats const tail = load(row + last);
        store(row + last, places < static_cast<std::uint32_t>(length - last) ? tail : splat(nothing));
        Floats most = splat(nothing);
        for (std::int64_t j = 0; j <= last; j += lanes) { most = larger(load(row + j), most); }
        float const top = largest(most) * scale;
        Bf16* halves = nullptr;
        if constexpr (type == PackedType::bf16) {
            halves = reinterpret_cast<Bf16*>(masses_.grow(block * padded(length) / 2)) + r * padded(length);
        }
        Floats total = {};
        for (std::int64_t j = 0; j <= last; j += lanes) {
            Floats const mass = exponential(load(row + j) * scale - top);
            if constexpr (type == PackedType::bf16) {
                store(halves + j, mass);
                total += rounded(halves, mass);
            } else {
                store(row + j, mass);
                total += mass;
            }
        }
        return 1.0F / sum(total);
    }

    template <PackedType type>
    [[gnu::always_inline]] void average(float const* value, std::int64_t rows, std::int64_t length, std::int64_t head_width,
                                        std::int64_t stride, float* output) {
        auto const* left = reinterpret_cast<std::uint32_t const*>(scores_.data());
        auto const* right = reinterpret_cast<std::uint32_t const*>(value);
        std::int64_t left_row = padded(length);
        std::int64_t right_row = stride;
        if constexpr (type == PackedType::bf16) {
            left = masses_.data();
            left_row /= 2;
            right = values_.data();
            right_row = head_width;
        }
        constexpr std::int64_t columns = 2 * lanes;
        for (std::int64_t i = 0; i < head_width; i += columns) {
            for (std::int64_t r = 0; r < rows; r += tile) {
                std::int64_t const count = std::min(tile, rows - r);
                float* const out = output + r * stride + i;
                packed_tile_of<type, columns / lanes>(count, {.left = left + r * left_row,
                                                              .left_row = left_row,
                                                              .right = right + i,
                                                              .right_row = right_row,
                                                              .words = words_of<type>(length),
                                                              .out = out,
                                                              .out_row = stride});
                for (std::int64_t t = 0; t < count; ++t) {
                    for (std::int64_t j = 0; j < columns; j += lanes) {
                        store(out + t * stride + j, load(out + t * stride + j) * shares_[r + t]);
                    }
                }
            }
        }
    }

    AlignedBuffer<std::uint32_t> keys_ = {};
    AlignedBuffer<std::uint32_t> values_ = {};
    AlignedBuffer<std::uint32_t> queries_ = {};
    AlignedBuffer<float> scores_ = {};
    AlignedBuffer<std::uint32_t> masses_ = {};
    float shares_[block] = {};
};

}  // namespace BMAE_KERNELS
}  // namespace bmae::detail
