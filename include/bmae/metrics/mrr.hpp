// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Reciprocal rank.
#pragma once

#include <cstddef>
#include <string>

#include <bmae/concepts/metric.hpp>
#include <bmae/metrics/name.hpp>

namespace bmae {

/// 1 / (rank of the first relevant document), 0 where none is within rank k. Its mean is MRR (Voorhees, TREC-8, 1999).
struct Mrr {
    std::size_t k = all_ranks;   ///< deepest rank that counts

    [[nodiscard]] std::string name() const { return detail::name_at("mrr", k); }
    [[nodiscard]] double operator()(RankedGains const& ranked) const noexcept {
        auto const top = ranked.top(k);
        for (std::size_t i = 0; i < top.size(); ++i) {
            if (ranked.is_relevant(top[i])) { return 1.0 / static_cast<double>(i + 1); }
        }
        return 0.0;
    }
};
static_assert(Metric<Mrr>);

}  // namespace bmae
