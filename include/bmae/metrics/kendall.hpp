// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Kendall's tau-b: correlation of the order of pairs.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <bmae/concepts/value_metric.hpp>
#include <bmae/metrics/correlation.hpp>

namespace bmae {

namespace detail {

/// Sorts values[begin, end) and gives the number of pairs that stood in descending order, equal ones not counted.
inline std::uint64_t sort_inversions(std::vector<double>& values, std::vector<double>& spare, std::size_t begin,
                                     std::size_t end) {
    if (end - begin < 2) { return 0; }
    std::size_t const middle = begin + (end - begin) / 2;
    std::uint64_t count = sort_inversions(values, spare, begin, middle) + sort_inversions(values, spare, middle, end);
    std::size_t left = begin, right = middle;
    for (std::size_t i = begin; i < end; ++i) {
        bool const from_left = right == end || (left < middle && values[left] <= values[right]);
        if (!from_left) { count += middle - left; }
        spare[i] = from_left ? values[left++] : values[right++];
    }
    std::copy(spare.begin() + static_cast<std::ptrdiff_t>(begin), spare.begin() + static_cast<std::ptrdiff_t>(end),
              values.begin() + static_cast<std::ptrdiff_t>(begin));
    return count;
}

/// Pairs i < j of [0, count) for which all elements from i to j are the same to `same(i, i + 1)`.
template <class Same>
std::uint64_t pairs_in_runs(std::size_t count, Same&& same) {
    std::uint64_t pairs = 0, length = 1;
    for (std::size_t i = 1; i <= count; ++i) {
        if (i < count && same(i - 1, i)) {
            ++length;
        } else {
            pairs += length * (length - 1) / 2;
            length = 1;
        }
    }
    return pairs;
}

}  // namespace detail

/// (concordant - discordant) / sqrt((pairs - ties of x)(pairs - ties of y)), in O(n log n) (Knight, JASA 1966; scipy.stats.kendalltau).
/// \returns nothing where it is undefined: fewer than two pairs, or all x or all y equal
/// Throws InputError for lists of different length and for numbers that are not finite.
inline std::optional<double> kendall(std::span<double const> x, std::span<double const> y) {
    detail::require_pairs(x, y);
    std::size_t const count = x.size();
    if (count < 2 || detail::is_constant(x) || detail::is_constant(y)) { return std::nullopt; }
    std::vector<std::size_t> order(count);
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::ranges::sort(order, {}, [&](std::size_t i) { return std::pair(x[i], y[i]); });
    std::vector<double> values(count), spare(count);
    for (std::size_t i = 0; i < count; ++i) { values[i] = y[order[i]]; }
    auto const same_x = [&](std::size_t i, std::size_t j) { return x[order[i]] == x[order[j]]; };
    std::uint64_t const ties_x = detail::pairs_in_runs(count, same_x);
    std::uint64_t const ties_both =
        detail::pairs_in_runs(count, [&](std::size_t i, std::size_t j) { return same_x(i, j) && values[i] == values[j]; });
    std::uint64_t const discordant = detail::sort_inversions(values, spare, 0, count);
    std::uint64_t const ties_y =
        detail::pairs_in_runs(count, [&](std::size_t i, std::size_t j) { return values[i] == values[j]; });
    std::uint64_t const pairs = static_cast<std::uint64_t>(count) * (count - 1) / 2;
    auto const difference = static_cast<double>(static_cast<std::int64_t>(pairs - ties_x - ties_y + ties_both - 2 * discordant));
    double const tau =
        difference / std::sqrt(static_cast<double>(pairs - ties_x)) / std::sqrt(static_cast<double>(pairs - ties_y));
    return std::clamp(tau, -1., 1.);
}

/// Kendall's tau-b as a metric.
struct Kendall {
    [[nodiscard]] std::string name() const { return "kendall"; }
    [[nodiscard]] std::optional<double> operator()(std::span<double const> gold, std::span<double const> predicted) const {
        return kendall(gold, predicted);
    }
};
static_assert(ValueMetric<Kendall>);

}  // namespace bmae
