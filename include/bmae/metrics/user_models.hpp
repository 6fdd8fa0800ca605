// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Measures that model how a user reads down a list: rank-biased precision and expected reciprocal rank.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string>

#include <bmae/concepts/metric.hpp>
#include <bmae/metrics/name.hpp>

namespace bmae {

/// (1 - p) sum over relevant ranks i of p^(i - 1) (Moffat, Zobel, TOIS 2008): the share of relevant documents among those that a user reads
/// who goes on to the next rank with probability p.
struct RankBiasedPrecision {
    std::size_t k = all_ranks;   ///< deepest rank that counts
    double persistence = .8;     ///< p, above 0 and below 1

    [[nodiscard]] std::string name() const { return detail::name_at(detail::name_with("rbp", persistence, .8), k); }
    [[nodiscard]] double operator()(RankedGains const& ranked) const noexcept {
        double reach = 1 - persistence;
        double total = 0;
        for (std::int32_t const gain : ranked.top(k)) {
            total += ranked.is_relevant(gain) ? reach : 0;
            reach *= persistence;
        }
        return total;
    }
};
static_assert(Metric<RankBiasedPrecision>);

/// sum over ranks i of P(the user stops at i) / i (Chapelle et al., CIKM 2009): a document of grade g satisfies with (2^g - 1) / 2^max.
/// TREC's gdeval sets max to 4. The relevance level has no effect.
struct ExpectedReciprocalRank {
    std::size_t k = all_ranks;        ///< deepest rank that counts
    std::int32_t maximum_grade = 4;   ///< at least 1; a grade above it counts as this one

    [[nodiscard]] std::string name() const { return detail::name_at(detail::name_with("err", maximum_grade, 4), k); }
    [[nodiscard]] double operator()(RankedGains const& ranked) const noexcept {
        auto const top = ranked.top(k);
        double reach = 1;
        double total = 0;
        for (std::size_t i = 0; i < top.size(); ++i) {
            if (top[i] <= 0) { continue; }
            double const stops = (std::exp2(std::min(top[i], maximum_grade)) - 1) / std::exp2(maximum_grade);
            total += reach * stops / static_cast<double>(i + 1);
            reach *= 1 - stops;
        }
        return total;
    }
};
static_assert(Metric<ExpectedReciprocalRank>);

}  // namespace bmae
