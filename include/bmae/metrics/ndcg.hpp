// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Normalized discounted cumulative gain.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include <bmae/concepts/metric.hpp>
#include <bmae/metrics/name.hpp>

namespace bmae {

/// The gain of a grade.
enum class Gain {
    linear,        ///< the grade itself (trec_eval, pytrec_eval, BEIR)
    exponential,   ///< 2^grade - 1 (Burges et al. 2005; web search tools)
};

/// sum over ranks i <= k of gain / log2(i + 1), divided by that of the ideal ranking (Jaervelin, Kekaelaeinen, TOIS 2002).
///
/// The ideal ranking is that of the judgments, not of the run. The relevance level has no effect.
struct Ndcg {
    std::size_t k = all_ranks;   ///< deepest rank that counts
    Gain gain = Gain::linear;

    [[nodiscard]] std::string name() const { return detail::name_at(gain == Gain::linear ? "ndcg" : "ndcg_exp", k); }
    [[nodiscard]] double operator()(RankedGains const& ranked) const noexcept {
        double const ideal = sum(ranked.ideal.first(std::min(k, ranked.ideal.size())));
        return ideal > 0 ? sum(ranked.top(k)) / ideal : 0.0;
    }

private:
    [[nodiscard]] double sum(std::span<std::int32_t const> grades) const noexcept {
        double total = 0;
        for (std::size_t i = 0; i < grades.size(); ++i) {
            if (grades[i] <= 0) { continue; }
            double const value = gain == Gain::linear ? static_cast<double>(grades[i]) : std::exp2(grades[i]) - 1;
            total += value / std::log2(static_cast<double>(i) + 2);
        }
        return total;
    }
};
static_assert(Metric<Ndcg>);

}  // namespace bmae
