// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Top-k selection from a stream of scores.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

namespace bmae {

/// Keeps the k largest scores with their keys; of equal scores the smaller key wins. Scores must not be NaN.
///
/// Candidates above a threshold go to a buffer of 2k entries; a full buffer is cut to its top k by selection, which raises the
/// threshold. A push costs O(1) on average, a score below the threshold one comparison.
class TopK {
public:
    struct Entry {
        float score;
        std::uint32_t key;
    };

    explicit TopK(std::size_t k) : k_(k) { buffer_.reserve(std::min<std::size_t>(capacity(), 4096)); }

    /// A score below this cannot enter; one equal to it may, by its key.
    [[nodiscard]] float threshold() const noexcept { return threshold_; }

    void push(float score, std::uint32_t key) {
        std::uint64_t const packed = pack(score, key);
        if (packed >= worst_) { return; }
        buffer_.push_back(packed);
        if (buffer_.size() >= capacity()) { cut(); }
    }

    /// Offers a row of scores; `key_of(i)` is called for candidates only.                                        scores [N]
    template <class KeyOf>
    void push_all(std::span<float const> scores, KeyOf&& key_of) {
        constexpr std::size_t width = 16;
        std::size_t i = 0;
        for (; i + width <= scores.size(); i += width) {
            float const* const row = scores.data() + i;
            float best = row[0];
            for (std::size_t j = 1; j < width; ++j) { best = row[j] > best ? row[j] : best; }
            if (best < threshold_) { continue; }
            for (std::size_t j = 0; j < width; ++j) {
                if (row[j] >= threshold_) { push(row[j], key_of(i + j)); }
            }
        }
        for (; i < scores.size(); ++i) {
            if (scores[i] >= threshold_) { push(scores[i], key_of(i)); }
        }
    }

    /// Merges the candidates of another selection.
    void merge(TopK const& other) {
        for (std::uint64_t const packed : other.buffer_) {
            Entry const entry = unpack(packed);
            push(entry.score, entry.key);
        }
    }

    /// The top k, best first. More scores may be pushed afterwards.
    std::vector<Entry> sorted() {
        if (buffer_.size() > k_) { cut(); }
        std::sort(buffer_.begin(), buffer_.end());
        std::vector<Entry> entries;
        entries.reserve(buffer_.size());
        for (std::uint64_t const packed : buffer_) { entries.push_back(unpack(packed)); }
        return entries;
    }

    void clear() noexcept {
        buffer_.clear();
        worst_ = k_ == 0 ? 0 : std::numeric_limits<std::uint64_t>::max();
        threshold_ = k_ == 0 ? std::numeric_limits<float>::infinity() : -std::numeric_limits<float>::infinity();
    }

private:
    [[nodiscard]] std::size_t capacity() const noexcept { return std::max<std::size_t>(2 * k_, 64); }

    /// Ascending packed numbers are descending scores, then ascending keys. -0 counts as 0.
    static std::uint64_t pack(float score, std::uint32_t key) noexcept {
        auto const bits = std::bit_cast<std::uint32_t>(score + 0.0F);
        std::uint32_t const ascending = (bits & 0x80000000U) != 0 ? ~bits : bits | 0x80000000U;
        return (static_cast<std::uint64_t>(~ascending) << 32) | key;
    }
    static Entry unpack(std::uint64_t packed) noexcept {
        std::uint32_t const ascending = ~static_cast<std::uint32_t>(packed >> 32);
        std::uint32_t const bits = (ascending & 0x80000000U) != 0 ? ascending & 0x7fffffffU : ~ascending;
        return {std::bit_cast<float>(bits), static_cast<std::uint32_t>(packed)};
    }

    void cut() {
        part_smallest();
        buffer_.resize(k_);
        worst_ = *std::max_element(buffer_.begin(), buffer_.end());
        threshold_ = unpack(worst_).score;
    }

    /// Moves the k smallest to the front. Quickselect without a branch that depends on a comparison: std::nth_element spends most of its
    /// time on mispredicted ones.
    void part_smallest() {
        constexpr std::size_t samples = 15;
        scratch_.resize(buffer_.size());
        std::size_t begin = 0;
        std::size_t end = buffer_.size();
        while (end - begin > 64) {
            std::array<std::uint64_t, samples> sample;
            for (std::size_t i = 0; i < samples; ++i) { sample[i] = buffer_[begin + (end - begin) * i / samples]; }
            std::sort(sample.begin(), sample.end());
            std::uint64_t const pivot = sample[std::min(samples - 1, (k_ - begin) * samples / (end - begin))];
            std::size_t low = begin;
            std::size_t high = end;
            for (std::size_t i = begin; i < end; ++i) {
                std::uint64_t const value = buffer_[i];
                bool const is_less = value < pivot;
                scratch_[low] = value;
                scratch_[high - 1] = value;
                low += is_less ? 1 : 0;
                high -= is_less ? 0 : 1;
            }
            if (low == begin) { break; }   // the pivot is the least: no progress
            std::copy(scratch_.begin() + static_cast<std::ptrdiff_t>(begin), scratch_.begin() + static_cast<std::ptrdiff_t>(end),
                      buffer_.begin() + static_cast<std::ptrdiff_t>(begin));
            (low <= k_ ? begin : end) = low;
            if (low == k_) { return; }
        }
        std::nth_element(buffer_.begin() + static_cast<std::ptrdiff_t>(begin),
                         buffer_.begin() + static_cast<std::ptrdiff_t>(k_ - 1),
                         buffer_.begin() + static_cast<std::ptrdiff_t>(end));
    }

    std::size_t k_;
    std::vector<std::uint64_t> buffer_;
    std::vector<std::uint64_t> scratch_ = {};   // of part_smallest
    std::uint64_t worst_ = k_ == 0 ? 0 : std::numeric_limits<std::uint64_t>::max();
    float threshold_ = k_ == 0 ? std::numeric_limits<float>::infinity() : -std::numeric_limits<float>::infinity();
};

}  // namespace bmae
