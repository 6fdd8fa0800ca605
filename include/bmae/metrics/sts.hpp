// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// One value for a task of semantic textual similarity with several subsets.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <bmae/metrics/correlation.hpp>

namespace bmae {

/// The annotated pairs of one subset: headlines, images ...
struct StsSubset {
    std::string name = {};
    std::vector<double> gold = {};     ///< [n] gold scores, usually 0 to 5
    std::vector<double> scores = {};   ///< [n] predicted scores, usually cosines; with a zero vector 0 in SentEval
};

/// How the subsets of a task are aggregated. Papers differ, so report which.
enum class StsAggregation {
    all,             ///< one correlation over all pairs of all subsets (SimCSE and papers that compare with it)
    mean,            ///< mean of the subsets' correlations
    weighted_mean,   ///< the same, each weighted by its number of pairs
};

/// Names in command lines and reports.
constexpr std::string_view to_string(StsAggregation aggregation) noexcept {
    switch (aggregation) {
        case StsAggregation::mean:
            return "mean";
        case StsAggregation::weighted_mean:
            return "weighted_mean";
        case StsAggregation::all:
            break;
    }
    return "all";
}

/// The task's correlation, from -1 to 1; papers report it times 100.
/// \returns nothing where it is undefined: no pairs, or one of its correlations is undefined (see `spearman`)
/// Throws InputError for a subset whose lists differ in length or hold a number that is not finite.
inline std::optional<double> sts_correlation(std::span<StsSubset const> subsets, StsAggregation aggregation = StsAggregation::all,
                                             Correlation correlation = Correlation::spearman) {
    StsSubset all;
    double sum = 0;
    double weights = 0;
    for (StsSubset const& subset : subsets) {
        if (aggregation == StsAggregation::all) {
            detail::require_pairs(subset.gold, subset.scores);
            all.gold.insert(all.gold.end(), subset.gold.begin(), subset.gold.end());
            all.scores.insert(all.scores.end(), subset.scores.begin(), subset.scores.end());
            continue;
        }
        std::optional<double> const own = correlate(correlation, subset.gold, subset.scores);
        if (!own) { return std::nullopt; }
        double const weight = aggregation == StsAggregation::mean ? 1 : static_cast<double>(subset.gold.size());
        sum += weight * *own;
        weights += weight;
    }
    if (aggregation == StsAggregation::all) { return correlate(correlation, all.gold, all.scores); }
    if (weights == 0) { return std::nullopt; }
    return sum / weights;
}

}  // namespace bmae
