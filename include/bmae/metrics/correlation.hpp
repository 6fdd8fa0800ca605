// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Correlation of two lists of values: Pearson's r and Spearman's rho.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <numeric>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <bmae/concepts/value_metric.hpp>
#include <bmae/values/error.hpp>

namespace bmae {

/// Which correlation a protocol uses.
enum class Correlation {
    spearman,   ///< of the ranks: invariant under monotonic transformations
    pearson,    ///< of the values
};

constexpr std::string_view to_string(Correlation correlation) noexcept {
    return correlation == Correlation::spearman ? "spearman" : "pearson";
}

namespace detail {

inline void require_pairs(std::span<double const> x, std::span<double const> y) {
    std::string const hint = "Drop pairs without a judgment, and see why a score is not a number.";
    if (x.size() != y.size()) {
        throw InputError(Diagnostic{.file = {},
                                    .expected = "two lists of one length to correlate",
                                    .found = std::to_string(x.size()) + " and " + std::to_string(y.size()),
                                    .hint = hint});
    }
    for (std::size_t i = 0; i < x.size(); ++i) {
        if (std::isfinite(x[i]) && std::isfinite(y[i])) { continue; }
        throw InputError(
            Diagnostic{.file = {},
                       .expected = "finite numbers to correlate",
                       .found = std::to_string(x[i]) + " and " + std::to_string(y[i]) + " as pair " + std::to_string(i),
                       .hint = hint});
    }
}

inline bool is_constant(std::span<double const> values) {
    return std::ranges::all_of(values, [&](double value) { return value == values.front(); });
}

/// Twice the rank of every number less (n + 1), equal numbers sharing the mean of their ranks: integers of sum 0.        [n]
inline std::vector<double> centered_ranks(std::span<double const> values) {
    std::size_t const count = values.size();
    std::vector<std::size_t> order(count);
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::ranges::sort(order, {}, [&](std::size_t i) { return values[i]; });
    std::vector<double> ranks(count);
    for (std::size_t begin = 0, end = 0; begin < count; begin = end) {
        while (end < count && values[order[end]] == values[order[begin]]) { ++end; }
        auto const twice = static_cast<double>(begin + end + 1);   // ranks begin + 1 to end
        for (std::size_t k = begin; k < end; ++k) { ranks[order[k]] = twice - static_cast<double>(count + 1); }
    }
    return ranks;
}

}  // namespace detail

/// Pearson's r: sum of (x - mean x)(y - mean y) over the product of both lengths.
/// \returns nothing where it is undefined: fewer than two pairs, or all x or all y equal
/// Throws InputError for lists of different length and for numbers that are not finite.
inline std::optional<double> pearson(std::span<double const> x, std::span<double const> y) {
    detail::require_pairs(x, y);
    if (x.size() < 2 || detail::is_constant(x) || detail::is_constant(y)) { return std::nullopt; }
    auto const centered = [](std::span<double const> values) {   // and of length 1
        double const mean = std::accumulate(values.begin(), values.end(), 0.) / static_cast<double>(values.size());
        std::vector<double> result(values.begin(), values.end());
        double largest = 0;
        for (double& value : result) {
            value -= mean;
            largest = std::max(largest, std::abs(value));
        }
        double squares = 0;
        for (double& value : result) {
            value /= largest;   // so that squares neither overflow nor vanish
            squares += value * value;
        }
        for (double& value : result) { value /= std::sqrt(squares); }
        return result;
    };
    std::vector<double> const a = centered(x);
    std::vector<double> const b = centered(y);
    return std::clamp(std::inner_product(a.begin(), a.end(), b.begin(), 0.), -1., 1.);
}

/// Spearman's rho: Pearson's r of the ranks, ties sharing the mean of theirs (as scipy.stats.spearmanr).
/// \returns nothing where it is undefined: fewer than two pairs, or all x or all y equal
/// Throws InputError for lists of different length and for numbers that are not finite.
inline std::optional<double> spearman(std::span<double const> x, std::span<double const> y) {
    detail::require_pairs(x, y);
    if (x.size() < 2 || detail::is_constant(x) || detail::is_constant(y)) { return std::nullopt; }
    std::vector<double> const a = detail::centered_ranks(x);
    std::vector<double> const b = detail::centered_ranks(y);
    auto const product = [](std::vector<double> const& p, std::vector<double> const& q) {   // sums of integers: exact
        return std::inner_product(p.begin(), p.end(), q.begin(), 0.);
    };
    return product(a, b) / std::sqrt(product(a, a) * product(b, b));
}

/// The correlation of that name. As `pearson` and `spearman`.
inline std::optional<double> correlate(Correlation correlation, std::span<double const> x, std::span<double const> y) {
    return correlation == Correlation::spearman ? spearman(x, y) : pearson(x, y);
}

/// Spearman's rho as a metric.
struct Spearman {
    [[nodiscard]] std::string name() const { return "spearman"; }
    [[nodiscard]] std::optional<double> operator()(std::span<double const> gold, std::span<double const> predicted) const {
        return spearman(gold, predicted);
    }
};
static_assert(ValueMetric<Spearman>);

/// Pearson's r as a metric.
struct Pearson {
    [[nodiscard]] std::string name() const { return "pearson"; }
    [[nodiscard]] std::optional<double> operator()(std::span<double const> gold, std::span<double const> predicted) const {
        return pearson(gold, predicted);
    }
};
static_assert(ValueMetric<Pearson>);

}  // namespace bmae
