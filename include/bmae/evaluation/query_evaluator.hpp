// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Evaluates one query after the other, by the rules of a profile.
#pragma once

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include <bmae/concepts/metric.hpp>
#include <bmae/evaluation/profile.hpp>
#include <bmae/evaluation/ranking.hpp>
#include <bmae/metrics/any_metric.hpp>
#include <bmae/retrieval/qrels.hpp>
#include <bmae/retrieval/run.hpp>

namespace bmae {

struct EvaluateOptions {
    Profile profile = profiles::trec9;
    std::optional<MissingQuery> missing = {};   ///< overrides the profile's rule
    std::int32_t relevance_level = 1;           ///< lowest relevant grade, except for nDCG (trec_eval -l)
    std::size_t unjudged_depth = 10;            ///< k of the report's unjudged@k
    unsigned threads = 0;                       ///< 0: one per processor; the result does not depend on it
};

namespace detail {

/// A type-erased metric.
struct BoundMetric {
    std::string name;
    std::string label;   ///< as it was asked for: "P_5"
    std::size_t k;       ///< cutoff; all_ranks where there is none
    bool reciprocal;     ///< MRR, for which some tools use other rules
    std::function<double(RankedGains const&)> value;
};

template <class M>
BoundMetric bind_metric(M const& metric) {
    static_assert(explain_metric<M>(), "evaluate: behind the run and the options stand metrics.");
    std::size_t k = all_ranks;
    if constexpr (requires {
                      { metric.k } -> std::convertible_to<std::size_t>;
                  }) {
        k = metric.k;
    }
    return {metric.name(), metric.name(), k, std::same_as<M, Mrr>, metric};
}

/// Metrics by name. \throws InputError for an unknown one
inline std::vector<BoundMetric> bind_metrics(std::vector<std::string> const& measures) {
    std::vector<BoundMetric> bound;
    for (std::string const& name : names_of_metrics(measures)) {
        bound.push_back(std::visit([](auto const& metric) { return bind_metric(metric); }, metric_from_name(name)));
        bound.back().label = name;
    }
    return bound;
}

/// Evaluates query by query. One object per thread: it reuses its buffers.
class QueryEvaluator {
public:
    QueryEvaluator(Qrels const& qrels, EvaluateOptions const& options, std::vector<BoundMetric> const& metrics,
                   std::size_t tie_depth)
        : qrels_(qrels), options_(options), metrics_(metrics), tie_depth_(tie_depth) {
        bool const comparable = options.missing == MissingQuery::zero;
        if (ties_ == TieOrder::ranx && comparable) { ties_ = TieOrder::ranx_comparable; }
    }

    struct Counts {
        std::size_t tied = 0;
        std::size_t own = 0;   ///< hits that the profile drops
        std::size_t retrieved = 0;
        std::size_t relevant = 0;
        std::size_t relevant_retrieved = 0;
        double unjudged_share = 0;
    };

    /// A query of a run in memory.
    /// \param place  of the query in the run; nothing where it is missing
    /// \param values  [metrics]
    Counts evaluate(Run const& run, std::size_t judged, std::optional<std::size_t> place, double* values) {
        if (!place) { return missing(judged, values); }
        grades_.assign(*run.documents(), qrels_, qrels_.judgments(judged));
        return evaluate(RunHits(run, *place, grades_), judged, values);
    }

    /// \param hits  RunHits, or what has the same members
    template <class Hits>
    Counts evaluate(Hits const& hits, std::size_t judged, double* values) {
        Profile const& profile = options_.profile;
        read_judgments(judged);
        std::size_t const drop = profile.drop_query_itself ? hits.place_of(qrels_.query(judged)) : hits.size();
        if (profile.mrr_as_listed) { rank(hits, true, TieOrder::run_order, drop, listed_); }
        rank(hits, profile.double_scores, ties_, drop, gains_);
        measure(values);
        Counts counts = count(true);
        counts.own = hits.size() - ranking_.hits().size();
        return counts;
    }

    /// A judged query without results.
    Counts missing(std::size_t judged, double* values) {
        read_judgments(judged);
        gains_.clear();
        listed_.clear();
        measure(values);
        return count(false);
    }

private:
    void read_judgments(std::size_t judged) {
        ideal_.clear();
        nonrelevant_ = 0;
        for (Judgment const& judgment : qrels_.judgments(judged)) {
            bool const relevant = judgment.grade >= options_.relevance_level;
            nonrelevant_ += judgment.grade >= 0 && !relevant ? 1U : 0U;
            bool const cut = options_.profile.binary_gains || options_.profile.level_cuts_gains;
            if (cut ? relevant : judgment.grade > 0) {
                ideal_.push_back(options_.profile.binary_gains ? options_.relevance_level : judgment.grade);
            }
        }
        std::sort(ideal_.begin(), ideal_.end(), std::greater<>());
    }

    template <class Hits>
    void rank(Hits const& hits, bool double_scores, TieOrder ties, std::size_t drop, std::vector<std::int32_t>& gains) {
        Profile const& profile = options_.profile;
        ranking_.assign(hits, double_scores, ties, drop);
        gains.clear();
        for (RankedHit const& hit : ranking_.hits()) {
            std::int32_t grade = hits.grade(hit.place);
            if (grade >= 0 && grade < options_.relevance_level && (profile.binary_gains || profile.level_cuts_gains)) {
                grade = 0;
            }
            if (profile.binary_gains && grade > 0) { grade = options_.relevance_level; }
            gains.push_back(grade);
        }
    }

    void measure(double* values) const {
        RankedGains ranked{.gains = gains_,
                           .ideal = ideal_,
                           .nonrelevant = nonrelevant_,
                           .level = options_.relevance_level,
                           .capped = options_.profile.capped_average_precision};
        for (std::size_t i = 0; i < metrics_.size(); ++i) {
            bool const as_listed = metrics_[i].reciprocal && options_.profile.mrr_as_listed;
            ranked.gains = as_listed ? std::span<std::int32_t const>(listed_) : gains_;
            values[i] = metrics_[i].value(ranked);
        }
    }

    [[nodiscard]] Counts count(bool answered) const {
        Counts counts;
        for (std::int32_t const grade : ideal_) { counts.relevant += grade >= options_.relevance_level ? 1U : 0U; }
        if (!answered) { return counts; }
        counts.tied = ranking_.tied_within(tie_depth_);
        counts.retrieved = gains_.size();
        for (std::int32_t const gain : gains_) { counts.relevant_retrieved += gain >= options_.relevance_level ? 1U : 0U; }
        std::size_t const depth = std::min(options_.unjudged_depth, gains_.size());
        auto const unknown = std::count_if(gains_.begin(), gains_.begin() + static_cast<std::ptrdiff_t>(depth),
                                           [](std::int32_t gain) { return gain < 0; });
        counts.unjudged_share = depth == 0 ? 0 : static_cast<double>(unknown) / static_cast<double>(depth);
        return counts;
    }

    Qrels const& qrels_;
    EvaluateOptions const& options_;
    TieOrder ties_ = options_.profile.ties;
    std::vector<BoundMetric> const& metrics_;
    std::size_t tie_depth_;
    GradeTable grades_;
    Ranking ranking_;
    std::vector<std::int32_t> ideal_;
    std::vector<std::int32_t> gains_;
    std::vector<std::int32_t> listed_;   // by the profile's rules for MRR
    std::size_t nonrelevant_ = 0;
};

}  // namespace detail

}  // namespace bmae
