// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Measures for judgments that cover a part of what was retrieved: inferred AP and the share of judged documents.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>

#include <bmae/concepts/metric.hpp>
#include <bmae/metrics/name.hpp>

namespace bmae {

/// Average precision estimated from judgments of a random sample of the pool (Yilmaz, Aslam, CIKM 2006; trec_eval infAP).
///
/// Documents of the pool that were not drawn for judging have a negative grade in the judgments. Without any it is close to average precision
/// over judged documents.
struct InferredAp {
    [[nodiscard]] std::string name() const { return "infap"; }
    [[nodiscard]] double operator()(RankedGains const& ranked) const noexcept {
        std::size_t const relevant = ranked.relevant();
        if (relevant == 0) { return 0.0; }
        constexpr double epsilon = .00001;   // trec_eval's smoothing of the share of relevant documents
        double found = 0, rejected = 0, unknown = 0, total = 0;
        for (std::size_t i = 0; i < ranked.gains.size(); ++i) {
            std::int32_t const gain = ranked.gains[i];
            if (gain == sampled_unjudged) { ++unknown; }
            if (gain >= 0 && !ranked.is_relevant(gain)) { ++rejected; }
            if (!ranked.is_relevant(gain)) { continue; }
            auto const above = static_cast<double>(i);
            if (i == 0) {
                total += 1;
            } else {
                total += 1 / (above + 1) + (above / (above + 1)) * ((found + rejected + unknown) / above) *
                                               ((found + epsilon) / (found + rejected + 2 * epsilon));
            }
            ++found;
        }
        return total / static_cast<double>(relevant);
    }
};
static_assert(Metric<InferredAp>);

/// Share of judged documents among the first k. A list shorter than k still divides by k, as precision does (ir_measures Judged@k).
struct Judged {
    std::size_t k = 10;   ///< deepest rank that counts; all_ranks: the length of the list

    [[nodiscard]] std::string name() const { return detail::name_at("judged", k); }
    [[nodiscard]] double operator()(RankedGains const& ranked) const noexcept {
        auto const top = ranked.top(k);
        auto const judged = std::count_if(top.begin(), top.end(), [](std::int32_t gain) { return gain >= 0; });
        return top.empty() ? 0.0 : static_cast<double>(judged) / static_cast<double>(k == all_ranks ? top.size() : k);
    }
};
static_assert(Metric<Judged>);

}  // namespace bmae
