// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Set measures of the first k documents: precision, recall, success, R-precision.
#pragma once

#include <algorithm>
#include <cstddef>
#include <string>

#include <bmae/concepts/metric.hpp>
#include <bmae/metrics/name.hpp>

namespace bmae {

namespace detail {
/// How many of the first k documents are relevant.
inline std::size_t hits_at(RankedGains const& ranked, std::size_t k) noexcept {
    std::size_t hits = 0;
    for (std::int32_t const gain : ranked.top(k)) { hits += ranked.is_relevant(gain) ? 1U : 0U; }
    return hits;
}
inline double ratio(std::size_t part, std::size_t whole) noexcept {
    return whole == 0 ? 0.0 : static_cast<double>(part) / static_cast<double>(whole);
}
}  // namespace detail

/// Share of the relevant documents that are within rank k. A list shorter than k is treated as padded with non-relevant ones.
struct Recall {
    std::size_t k = all_ranks;   ///< deepest rank that counts
    bool capped = false;         ///< divide by min(k, relevant), as BEIR's "R_cap": 1 is attainable for every query

    [[nodiscard]] std::string name() const { return detail::name_at(capped ? "recall_cap" : "recall", k); }
    [[nodiscard]] double operator()(RankedGains const& ranked) const noexcept {
        std::size_t const relevant = ranked.relevant();
        return detail::ratio(detail::hits_at(ranked, k), capped ? std::min(k, relevant) : relevant);
    }
};
static_assert(Metric<Recall>);

/// Share of relevant documents among the first k. A list shorter than k still divides by k (trec_eval P_k).
struct Precision {
    std::size_t k = 10;   ///< all_ranks: the length of the list (trec_eval set_P)

    [[nodiscard]] std::string name() const { return detail::name_at("p", k); }
    [[nodiscard]] double operator()(RankedGains const& ranked) const noexcept {
        return detail::ratio(detail::hits_at(ranked, k), k == all_ranks ? ranked.gains.size() : k);
    }
};
static_assert(Metric<Precision>);

/// 1 where a relevant document is within rank k, else 0 (also called hit rate or accuracy at k).
struct Success {
    std::size_t k = all_ranks;   ///< deepest rank that counts

    [[nodiscard]] std::string name() const { return detail::name_at("success", k); }
    [[nodiscard]] double operator()(RankedGains const& ranked) const noexcept {
        return detail::hits_at(ranked, k) != 0 ? 1.0 : 0.0;
    }
};
static_assert(Metric<Success>);

/// Precision at rank R, where R is the number of relevant documents.
struct RPrecision {
    [[nodiscard]] std::string name() const { return "rprec"; }
    [[nodiscard]] double operator()(RankedGains const& ranked) const noexcept {
        return detail::ratio(detail::hits_at(ranked, ranked.relevant()), ranked.relevant());
    }
};
static_assert(Metric<RPrecision>);

}  // namespace bmae
