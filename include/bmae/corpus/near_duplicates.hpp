// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Groups of texts that share most of their phrases, found by MinHash in memory proportional to the number of texts.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <numeric>
#include <span>
#include <utility>
#include <vector>

#include <bmae/detail/hash.hpp>

namespace bmae {

/// Hashes of `width` terms in a row; of all terms where there are fewer; nothing of none.
inline std::vector<std::uint64_t> shingles_of(std::span<std::uint64_t const> terms, std::size_t width) {
    std::vector<std::uint64_t> shingles;
    std::size_t const span = std::min(width, terms.size());
    for (std::size_t i = 0; span != 0 && i + span <= terms.size(); ++i) {
        shingles.push_back(detail::xxh64(std::as_bytes(terms.subspan(i, span))));
    }
    return shingles;
}

/// The signature of a set: 120 minima under fixed permutations, one byte of each (Broder, SEQUENCES 1997; Li, Koenig, WWW 2010).
/// The share of equal bytes of two signatures estimates the Jaccard similarity of the sets, with a standard error of at most .046.
class MinHash {
public:
    static constexpr std::size_t bands = 24;
    static constexpr std::size_t rows = 5;
    static constexpr std::size_t hashes = bands * rows;

    /// \param features  hashes of the elements, in any order; not empty
    explicit MinHash(std::span<std::uint64_t const> features) noexcept {
        std::array<std::uint32_t, hashes> least;
        least.fill(std::numeric_limits<std::uint32_t>::max());
        auto const& [factors, offsets] = permutations();
        for (std::uint64_t const feature : features) {
            auto const value = static_cast<std::uint32_t>(feature ^ feature >> 32);
            for (std::size_t i = 0; i < hashes; ++i) {
                std::uint32_t mixed = value * factors[i] + offsets[i];
                mixed ^= mixed >> 16;
                least[i] = std::min(least[i], mixed * 0x85ebca6bU);
            }
        }
        for (std::size_t i = 0; i < hashes; ++i) { bytes_[i] = static_cast<std::uint8_t>(least[i]); }
    }

    /// The estimated Jaccard similarity of two sets, corrected for bytes that are equal by chance.
    [[nodiscard]] double similarity(MinHash const& other) const noexcept {
        std::size_t equal = 0;
        for (std::size_t i = 0; i < hashes; ++i) { equal += bytes_[i] == other.bytes_[i] ? 1U : 0U; }
        constexpr double chance = 1. / 256;
        return std::max(0., (static_cast<double>(equal) / hashes - chance) / (1 - chance));
    }

    /// The bytes of one band as a number: sets of similarity s agree in a band with a probability of about s^5.
    [[nodiscard]] std::uint64_t band(std::size_t number) const noexcept {
        std::uint64_t key = 0;
        for (std::size_t i = 0; i < rows; ++i) { key = key << 8 | bytes_[number * rows + i]; }
        return key;
    }

private:
    using Numbers = std::array<std::uint32_t, hashes>;

    static std::pair<Numbers, Numbers> const& permutations() noexcept {
        static std::pair<Numbers, Numbers> const numbers = [] {
            std::pair<Numbers, Numbers> drawn;
            for (std::size_t i = 0; i < hashes; ++i) {
                std::uint64_t const bits = detail::xxh64(std::as_bytes(std::span(&i, 1)), 0x6d696e68617368ULL);
                drawn.first[i] = static_cast<std::uint32_t>(bits) | 1U;   // odd: a permutation of the 32-bit numbers
                drawn.second[i] = static_cast<std::uint32_t>(bits >> 32);
            }
            return drawn;
        }();
        return numbers;
    }

    std::array<std::uint8_t, hashes> bytes_;
};

/// Texts that are near duplicates of each other.
struct DuplicateGroup {
    std::vector<std::uint32_t> members = {};   ///< places in order of `add`, ascending; at least two
    double similarity = 0;                     ///< estimated, of the second member to the first
};

/// Collects signatures and joins those whose estimated similarity reaches a threshold. 120 bytes per text, and 16 while groups are made;
/// the result does not depend on the number of threads. Groups are closed under similarity: their members are similar in a chain.
class NearDuplicates {
public:
    /// \param threshold  least estimated Jaccard similarity; pairs of a similarity above .7 are found with a probability above .98
    explicit NearDuplicates(double threshold = .8) : threshold_(threshold) {}

    void add(MinHash const& signature) { signatures_.push_back(signature); }
    [[nodiscard]] std::size_t size() const noexcept { return signatures_.size(); }

    /// Groups by their first member.
    [[nodiscard]] std::vector<DuplicateGroup> groups() const {
        std::vector<std::uint32_t> parent(size());
        std::iota(parent.begin(), parent.end(), 0U);
        std::vector<std::pair<std::uint64_t, std::uint32_t>> bucket(size());
        for (std::size_t band = 0; band < MinHash::bands; ++band) {
            for (std::uint32_t i = 0; i < size(); ++i) { bucket[i] = {signatures_[i].band(band), i}; }
            std::sort(bucket.begin(), bucket.end());
            for (std::size_t begin = 0, end = 0; begin < bucket.size(); begin = end) {
                while (end < bucket.size() && bucket[end].first == bucket[begin].first) { ++end; }
                join(std::span(bucket).subspan(begin, end - begin), parent);
            }
        }
        return collect(parent);
    }

private:
    static std::uint32_t root_of(std::vector<std::uint32_t>& parent, std::uint32_t i) noexcept {
        while (parent[i] != i) { i = parent[i] = parent[parent[i]]; }
        return i;
    }

    /// Compares each text of a bucket with some before it: a bucket of boilerplate would take quadratic time otherwise.
    void join(std::span<std::pair<std::uint64_t, std::uint32_t> const> bucket, std::vector<std::uint32_t>& parent) const {
        constexpr std::size_t looked_at = 32;
        for (std::size_t i = 1; i < bucket.size(); ++i) {
            for (std::size_t j = i - std::min(i, looked_at); j < i; ++j) {
                std::uint32_t const one = root_of(parent, bucket[j].second), other = root_of(parent, bucket[i].second);
                if (one == other) { continue; }
                if (signatures_[bucket[j].second].similarity(signatures_[bucket[i].second]) < threshold_) { continue; }
                parent[std::max(one, other)] = std::min(one, other);
            }
        }
    }

    [[nodiscard]] std::vector<DuplicateGroup> collect(std::vector<std::uint32_t>& parent) const {
        constexpr std::uint32_t none = std::numeric_limits<std::uint32_t>::max();
        std::vector<std::uint32_t> place(size(), none);
        std::vector<DuplicateGroup> all;
        for (std::uint32_t i = 0; i < size(); ++i) {   // a root is the smallest member, so it comes first
            std::uint32_t const root = root_of(parent, i);
            if (root == i) { continue; }
            if (place[root] == none) {
                place[root] = static_cast<std::uint32_t>(all.size());
                all.push_back({.members = {root}, .similarity = signatures_[root].similarity(signatures_[i])});
            }
            all[place[root]].members.push_back(i);
        }
        std::sort(all.begin(), all.end(), [](auto const& a, auto const& b) { return a.members.front() < b.members.front(); });
        return all;
    }

    double threshold_;
    std::vector<MinHash> signatures_;
};

}  // namespace bmae
