// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Evaluates a run by judgments.
#pragma once

#include <algorithm>
#include <cstddef>
#include <numeric>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <bmae/detail/parallel.hpp>
#include <bmae/evaluation/profile.hpp>
#include <bmae/evaluation/query_evaluator.hpp>
#include <bmae/evaluation/report.hpp>
#include <bmae/retrieval/qrels.hpp>
#include <bmae/retrieval/run.hpp>

namespace bmae {

namespace detail {

inline void refuse_missing(Qrels const& qrels, std::vector<std::size_t> const& missing) {
    std::string names;
    for (std::size_t i = 0; i < std::min<std::size_t>(missing.size(), 5); ++i) {
        names.append(i == 0 ? "" : ", ").append(qrels.query(missing[i]));
    }
    throw InputError(Diagnostic{
        .file = {},
        .expected = "results for every judged query",
        .found = std::to_string(missing.size()) + " queries without any: " + names + (missing.size() > 5 ? ", ..." : ""),
        .hint = "Count them as zero or skip them, or run the search for them too."});
}

/// A judged query that counts, and the place of its hits, if any.
using CountedQuery = std::pair<std::size_t, std::optional<std::size_t>>;

/// What a report tells of a run before it is measured.
struct RunOutline {
    std::size_t queries = 0;                               ///< of the run
    std::size_t unjudged = 0;                              ///< of these, without judgments
    std::vector<std::optional<std::size_t>> places = {};   ///< [judged queries] where its hits are; nothing where it is missing
};

inline RunOutline outline_of(Qrels const& qrels, Run const& run) {
    RunOutline outline{.queries = run.size()};
    for (std::size_t i = 0; i < run.size(); ++i) { outline.unjudged += qrels.find(run.query(i)) ? 0U : 1U; }
    for (std::size_t i = 0; i < qrels.size(); ++i) { outline.places.push_back(run.find(qrels.query(i))); }
    return outline;
}

/// The queries that the profile's rules count, by id; `report` receives the numbers of those that they leave out.
inline std::vector<CountedQuery> counted_queries(Qrels const& qrels, RunOutline const& outline, EvaluateOptions const& options,
                                                 Report& report) {
    MissingQuery const rule = options.missing.value_or(options.profile.missing);
    report.unjudged_queries = outline.unjudged;
    std::vector<std::size_t> order(qrels.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return qrels.query(a) < qrels.query(b); });
    std::vector<std::size_t> missing;
    std::vector<CountedQuery> counted;
    for (std::size_t const judged : order) {
        auto const judgments = qrels.judgments(judged);
        bool const hopeless = std::none_of(judgments.begin(), judgments.end(),
                                           [&](Judgment const& judgment) { return judgment.grade >= options.relevance_level; });
        report.queries_without_relevant += hopeless ? 1U : 0U;
        auto const place = outline.places[judged];
        place ? ++report.answered_queries : ++report.missing_queries;
        if (!place) { missing.push_back(judged); }
        if (hopeless && options.profile.skip_without_relevant) { continue; }
        if (place || rule == MissingQuery::zero) { counted.emplace_back(judged, place); }
    }
    if (report.answered_queries == 0) {
        throw InputError(Diagnostic{.file = {},
                                    .expected = "a run over the judged queries",
                                    .found = "none of its " + std::to_string(outline.queries) + " queries among the " +
                                             std::to_string(qrels.size()) + " judged",
                                    .hint = "Check that run and judgments are of the same queries."});
    }
    if (rule == MissingQuery::error && !missing.empty()) { refuse_missing(qrels, missing); }
    report.left_out_queries = rule == MissingQuery::skip ? missing.size() : 0;
    return counted;
}

/// Sums and means over the queries, whose values `report` holds.                                                  values [Q, M]
inline void add_up(Report& report, Qrels const& qrels, std::vector<CountedQuery> const& counted,
                   std::vector<QueryEvaluator::Counts> const& counts) {
    std::size_t const width = report.measures.size();
    report.means.assign(width, 0.0);
    std::size_t answered = 0;
    for (std::size_t i = 0; i < counted.size(); ++i) {
        report.queries.emplace_back(qrels.query(counted[i].first));
        report.answered.push_back(counted[i].second ? 1 : 0);
        answered += counted[i].second ? 1U : 0U;
        for (std::size_t m = 0; m < width; ++m) { report.means[m] += report.values[i * width + m]; }
        report.tied_hits += counts[i].tied;
        report.tied_queries += counts[i].tied != 0 ? 1U : 0U;
        report.own_hits += counts[i].own;
        report.own_queries += counts[i].own != 0 ? 1U : 0U;
        report.retrieved += counts[i].retrieved;
        report.relevant += counts[i].relevant;
        report.relevant_retrieved += counts[i].relevant_retrieved;
        report.unjudged_share += counts[i].unjudged_share;
    }
    report.unjudged_share /= static_cast<double>(std::max<std::size_t>(answered, 1));
}

/// A report without values: of which measures it is, and to which depths it counts.
inline Report empty_report(Qrels const& qrels, EvaluateOptions const& options, std::vector<BoundMetric> const& metrics) {
    if (options.relevance_level < 1) {
        throw InputError(Diagnostic{.file = {},
                                    .expected = "a relevance level of at least 1",
                                    .found = std::to_string(options.relevance_level),
                                    .hint = "Grade 0 means not relevant."});
    }
    Report report{.profile = std::string(options.profile.name)};
    report.judged_queries = qrels.size();
    report.unjudged_depth = options.unjudged_depth;
    for (BoundMetric const& metric : metrics) {
        report.measures.push_back(metric.name);
        report.labels.push_back(metric.label);
        if (metric.k != all_ranks) { report.tie_depth = std::max(report.tie_depth, metric.k); }
    }
    if (report.tie_depth == 0) { report.tie_depth = 1000; }
    return report;
}

/// Sums to means.
inline void divide(Report& report, Qrels const& qrels, EvaluateOptions const& options, std::vector<BoundMetric> const& metrics) {
    for (std::size_t m = 0; m < metrics.size(); ++m) {
        bool const all_judged = metrics[m].reciprocal && options.profile.mrr_as_listed && !options.missing;
        report.means[m] /= static_cast<double>(std::max<std::size_t>(all_judged ? qrels.size() : report.queries.size(), 1));
    }
}

inline Report evaluate_bound(Qrels const& qrels, Run const& run, EvaluateOptions const& options,
                             std::vector<BoundMetric> const& metrics) {
    Report report = empty_report(qrels, options, metrics);
    std::vector<CountedQuery> const counted = counted_queries(qrels, outline_of(qrels, run), options, report);
    std::size_t const width = metrics.size();
    report.values.resize(counted.size() * width);
    std::vector<QueryEvaluator::Counts> counts(counted.size());
    parallel_for(counted.size(), std::max<std::size_t>(16, counted.size() / 64), options.threads,
                 [&](std::size_t begin, std::size_t end) {
                     QueryEvaluator evaluator(qrels, options, metrics, report.tie_depth);
                     for (std::size_t i = begin; i < end; ++i) {
                         auto const& [judged, place] = counted[i];
                         counts[i] = evaluator.evaluate(run, judged, place, report.values.data() + i * width);
                     }
                 });
    add_up(report, qrels, counted, counts);
    divide(report, qrels, options, metrics);
    return report;
}

}  // namespace detail

/// Measures a run by metrics given by type: `evaluate(qrels, run, Mrr{10}, Ndcg{10}, Recall{1000})`.
///
/// \throws InputError  where no query of the run is judged, or one is missing and the rule is MissingQuery::error
template <class... Ms>
    requires(sizeof...(Ms) > 0)
Report evaluate(Qrels const& qrels, Run const& run, EvaluateOptions const& options, Ms const&... metrics) {
    return detail::evaluate_bound(qrels, run, options, {detail::bind_metric(metrics)...});
}
template <class... Ms>
    requires(sizeof...(Ms) > 0)
Report evaluate(Qrels const& qrels, Run const& run, Ms const&... metrics) {
    return detail::evaluate_bound(qrels, run, {}, {detail::bind_metric(metrics)...});
}

/// Measures a run by metrics given by name: {"mrr@10,ndcg@10", "map"}. \throws InputError also on an unknown name
inline Report evaluate(Qrels const& qrels, Run const& run, std::vector<std::string> const& measures,
                       EvaluateOptions const& options = {}) {
    return detail::evaluate_bound(qrels, run, options, detail::bind_metrics(measures));
}

}  // namespace bmae
