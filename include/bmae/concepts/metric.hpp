// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// The role `Metric`: one value for one ranked list.
#pragma once

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <span>
#include <string>

namespace bmae {

/// Cutoff of a metric that reads the whole list.
inline constexpr std::size_t all_ranks = std::numeric_limits<std::size_t>::max();

/// Grade of a document that the judgments do not name.
inline constexpr std::int32_t unjudged = -1;
/// Grade of a document with a negative grade: unjudged too, but in the pool, which inferred AP reads (as trec_eval).
inline constexpr std::int32_t sampled_unjudged = -2;

/// All that a metric reads of one query: the grades along the ranking, without the documents.
struct RankedGains {
    std::span<std::int32_t const> gains = {};   ///< [N] grade of the document at rank 1, 2, ...; or one of the two above
    std::span<std::int32_t const> ideal = {};   ///< [R] every positive grade of this query, descending
    std::size_t nonrelevant = 0;                ///< how many documents were judged and found below `level`
    std::int32_t level = 1;                     ///< a grade of at least this much is relevant for metrics of binary relevance
    bool capped = false;                        ///< average precision at k divides by min(k, relevant), not by relevant

    [[nodiscard]] bool is_relevant(std::int32_t gain) const noexcept { return gain >= level; }

    /// Number of relevant documents, retrieved or not.
    [[nodiscard]] std::size_t relevant() const noexcept {
        auto const end = std::partition_point(ideal.begin(), ideal.end(), [this](std::int32_t gain) { return gain >= level; });
        return static_cast<std::size_t>(end - ideal.begin());
    }
    /// The grades at rank 1 to k; fewer where the list is shorter.
    [[nodiscard]] std::span<std::int32_t const> top(std::size_t k) const noexcept {
        return gains.first(std::min(k, gains.size()));
    }
};

/// A metric maps one ranked list to one value.
///
/// 1. `metric(ranked)` on a const metric is the value for one query.                                  double
/// 2. `metric.name()` names it in reports and on the command line: "ndcg@10".                         std::string
/// Law: a pure function; finite for every input; a measure of relevance is 0 where nothing is relevant. No base class, no registration.
template <class M>
concept Metric = std::copy_constructible<M> && requires(M const& metric, RankedGains const& ranked) {
    { metric(ranked) } -> std::same_as<double>;
    { metric.name() } -> std::same_as<std::string>;
};

/// Explains in one sentence what `M` lacks to be a metric; true where it lacks nothing.
template <class M>
consteval bool explain_metric() {
    static_assert(std::copy_constructible<M>, "Metric: the type must be copyable, since every evaluation keeps its own.");
    static_assert(std::invocable<M const&, RankedGains const&>,
                  "Metric: a member `double operator()(RankedGains const&) const` is missing.");
    static_assert(
        requires(M const& metric) {
            { metric.name() } -> std::same_as<std::string>;
        }, "Metric: a member `std::string name() const` is missing.");
    static_assert(Metric<M>, "Metric: operator()(RankedGains const&) must return double.");
    return Metric<M>;
}

}  // namespace bmae
