// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// The order that ranx gives to equal scores: that of an unstable quicksort.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace bmae::detail {

struct RankedHit {
    double score;
    std::uint32_t place;   ///< in the run
};

/// Sorts by descending score as numba's argsort of the negated scores does: a quicksort by the median of three, insertion below 16 hits,
/// the smaller part first. Which of two equal scores comes first follows from its swaps alone, so they are made in the same order.
inline void quicksort_descending(std::vector<RankedHit>& hits) {
    auto const before = [&](RankedHit const& a, RankedHit const& b) { return a.score > b.score; };
    auto const insert = [&](std::size_t low, std::size_t end) {
        for (std::size_t i = low + 1; i < end; ++i) {
            RankedHit const moved = hits[i];
            std::size_t to = i;
            for (; to > low && before(moved, hits[to - 1]); --to) { hits[to] = hits[to - 1]; }
            hits[to] = moved;
        }
    };
    auto const split = [&](std::size_t low, std::size_t last) {   // of [low, last], both included
        std::size_t const middle = (low + last) / 2;
        if (before(hits[middle], hits[low])) { std::swap(hits[low], hits[middle]); }
        if (before(hits[last], hits[middle])) { std::swap(hits[last], hits[middle]); }
        if (before(hits[middle], hits[low])) { std::swap(hits[low], hits[middle]); }
        RankedHit const pivot = hits[middle];
        std::swap(hits[last], hits[middle]);
        std::size_t i = low, j = last;   // j is one behind the last that was not looked at
        while (true) {
            while (i < last && before(hits[i], pivot)) { ++i; }
            while (j > low && before(pivot, hits[j - 1])) { --j; }
            if (i + 1 >= j) { break; }
            std::swap(hits[i++], hits[--j]);
        }
        std::swap(hits[i], hits[last]);
        return i;
    };
    constexpr std::size_t small = 16;
    std::vector<std::pair<std::size_t, std::size_t>> parts = {{0, hits.size()}};   // [begin, end)
    while (!parts.empty()) {
        auto [begin, end] = parts.back();
        parts.pop_back();
        while (end - begin >= small) {
            std::size_t const middle = split(begin, end - 1);
            if (end - 1 - middle > middle - begin) {
                parts.emplace_back(middle + 1, end);
                end = middle;
            } else {
                parts.emplace_back(begin, middle);
                begin = middle + 1;
            }
        }
        if (end > begin) { insert(begin, end); }
    }
}

}  // namespace bmae::detail
