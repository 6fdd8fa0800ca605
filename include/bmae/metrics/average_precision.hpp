// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Average precision and its variant for incomplete judgments.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>

#include <bmae/concepts/metric.hpp>
#include <bmae/metrics/name.hpp>

namespace bmae {

/// Mean, over all relevant documents, of the precision at their rank; 0 for those not within rank k. Its mean is MAP.
///
/// With a cutoff the divisor remains the number of relevant documents (trec_eval map_cut_k) unless `RankedGains::capped`.
struct AveragePrecision {
    std::size_t k = all_ranks;   ///< deepest rank that counts

    [[nodiscard]] std::string name() const { return detail::name_at("map", k); }
    [[nodiscard]] double operator()(RankedGains const& ranked) const noexcept {
        std::size_t const relevant = ranked.capped ? std::min(k, ranked.relevant()) : ranked.relevant();
        if (relevant == 0) { return 0.0; }
        auto const top = ranked.top(k);
        double total = 0;
        std::size_t found = 0;
        for (std::size_t i = 0; i < top.size(); ++i) {
            if (ranked.is_relevant(top[i])) { total += static_cast<double>(++found) / static_cast<double>(i + 1); }
        }
        return total / static_cast<double>(relevant);
    }
};
static_assert(Metric<AveragePrecision>);

/// Mean share of judged non-relevant documents ranked below a relevant one (Buckley, Voorhees, SIGIR 2004; trec_eval bpref).
struct Bpref {
    [[nodiscard]] std::string name() const { return "bpref"; }
    [[nodiscard]] double operator()(RankedGains const& ranked) const noexcept {
        std::size_t const relevant = ranked.relevant();
        if (relevant == 0) { return 0.0; }
        auto const bound = static_cast<double>(std::min(relevant, ranked.nonrelevant));
        std::size_t before = 0;
        double total = 0;
        for (std::int32_t const gain : ranked.gains) {
            if (ranked.is_relevant(gain)) {
                total += before == 0 ? 1.0 : 1.0 - static_cast<double>(std::min(before, relevant)) / bound;
            } else if (gain >= 0) {
                ++before;
            }
        }
        return total / static_cast<double>(relevant);
    }
};
static_assert(Metric<Bpref>);

}  // namespace bmae
