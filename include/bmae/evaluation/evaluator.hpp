// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Evaluates a run by judgments.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <numeric>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include <bmae/concepts/metric.hpp>
#include <bmae/detail/parallel.hpp>
#include <bmae/evaluation/profile.hpp>
#include <bmae/evaluation/ranking.hpp>
#include <bmae/evaluation/report.hpp>
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
    std::size_t k;     ///< cutoff; all_ranks where there is none
    bool reciprocal;   ///< MRR, for which some tools use other rules
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
    return {metric.name(), k, std::same_as<M, Mrr>, metric};
}

/// Evaluates query by query. One object per thread: it reuses its buffers.
class QueryEvaluator {
public:
    QueryEvaluator(Qrels const& qrels, Run const& run, EvaluateOptions const& options, std::vector<BoundMetric> const& metrics,
                   std::size_t tie_depth)
        : qrels_(qrels), run_(run), options_(options), metrics_(metrics), tie_depth_(tie_depth) {}

    struct Counts {
        std::size_t tied = 0;
        std::size_t own = 0;   ///< hits that the profile drops
        std::size_t retrieved = 0;
        std::size_t relevant = 0;
        std::size_t relevant_retrieved = 0;
        double unjudged_share = 0;
    };

    /// \param place  of the query in the run; nothing where it is missing
    /// \param values  [metrics]
    Counts evaluate(std::size_t judged, std::optional<std::size_t> place, double* values) {
        Profile const& profile = options_.profile;
        read_judgements(judged);
        if (place) {
            grades_.assign(*run_.documents(), qrels_, qrels_.judgements(judged));
            std::uint32_t const drop =
                profile.drop_query_itself ? run_.documents()->find(qrels_.query(judged)).value_or(no_document) : no_document;
            if (profile.mrr_as_listed) { rank(*place, true, TieOrder::run_order, drop, listed_); }
            rank(*place, profile.double_scores, profile.ties, drop, gains_);
        } else {
            gains_.clear();
            listed_.clear();
        }
        RankedGains ranked{.gains = gains_,
                           .ideal = ideal_,
                           .nonrelevant = nonrelevant_,
                           .level = options_.relevance_level,
                           .capped = profile.capped_average_precision};
        for (std::size_t i = 0; i < metrics_.size(); ++i) {
            ranked.gains = metrics_[i].reciprocal && profile.mrr_as_listed ? std::span<std::int32_t const>(listed_) : gains_;
            values[i] = metrics_[i].value(ranked);
        }
        Counts counts = count(place.has_value());
        if (place) { counts.own = run_.hits(*place).size() - ranking_.hits().size(); }
        return counts;
    }

private:
    void read_judgements(std::size_t judged) {
        ideal_.clear();
        nonrelevant_ = 0;
        for (Judgement const& judgement : qrels_.judgements(judged)) {
            bool const relevant = judgement.grade >= options_.relevance_level;
            nonrelevant_ += judgement.grade >= 0 && !relevant ? 1U : 0U;
            if (options_.profile.binary_gains ? relevant : judgement.grade > 0) {
                ideal_.push_back(options_.profile.binary_gains ? options_.relevance_level : judgement.grade);
            }
        }
        std::sort(ideal_.begin(), ideal_.end(), std::greater<>());
    }

    void rank(std::size_t place, bool double_scores, TieOrder ties, std::uint32_t drop, std::vector<std::int32_t>& gains) {
        ranking_.assign(run_, place, double_scores, ties, drop);
        auto const hits = run_.hits(place);
        gains.clear();
        for (RankedHit const& hit : ranking_.hits()) {
            std::int32_t grade = grades_[hits[hit.place].document];
            if (options_.profile.binary_gains && grade != unjudged) {
                grade = grade >= options_.relevance_level ? options_.relevance_level : 0;
            }
            gains.push_back(grade);
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
        auto const unknown = std::count(gains_.begin(), gains_.begin() + static_cast<std::ptrdiff_t>(depth), unjudged);
        counts.unjudged_share = depth == 0 ? 0 : static_cast<double>(unknown) / static_cast<double>(depth);
        return counts;
    }

    Qrels const& qrels_;
    Run const& run_;
    EvaluateOptions const& options_;
    std::vector<BoundMetric> const& metrics_;
    std::size_t tie_depth_;
    GradeTable grades_;
    Ranking ranking_;
    std::vector<std::int32_t> ideal_;
    std::vector<std::int32_t> gains_;
    std::vector<std::int32_t> listed_;   // by the profile's rules for MRR
    std::size_t nonrelevant_ = 0;
};

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

/// A judged query that counts, and its place in the run, if any.
using CountedQuery = std::pair<std::size_t, std::optional<std::size_t>>;

/// The queries that the profile's rules count, by id; `report` receives the numbers of those that they leave out.
inline std::vector<CountedQuery> counted_queries(Qrels const& qrels, Run const& run, EvaluateOptions const& options,
                                                 Report& report) {
    MissingQuery const rule = options.missing.value_or(options.profile.missing);
    std::vector<std::size_t> order(qrels.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return qrels.query(a) < qrels.query(b); });
    std::vector<std::size_t> missing;
    std::vector<CountedQuery> counted;
    for (std::size_t const judged : order) {
        auto const judgements = qrels.judgements(judged);
        bool const hopeless = std::none_of(judgements.begin(), judgements.end(), [&](Judgement const& judgement) {
            return judgement.grade >= options.relevance_level;
        });
        report.queries_without_relevant += hopeless ? 1U : 0U;
        auto const place = run.find(qrels.query(judged));
        place ? ++report.answered_queries : ++report.missing_queries;
        if (!place) { missing.push_back(judged); }
        if (hopeless && options.profile.skip_without_relevant) { continue; }
        if (place || rule == MissingQuery::zero) { counted.emplace_back(judged, place); }
    }
    if (report.answered_queries == 0) {
        throw InputError(Diagnostic{.file = {},
                                    .expected = "a run over the judged queries",
                                    .found = "none of its " + std::to_string(run.size()) + " queries among the " +
                                             std::to_string(qrels.size()) + " judged",
                                    .hint = "Check that run and judgments are of the same queries."});
    }
    if (rule == MissingQuery::error && !missing.empty()) { refuse_missing(qrels, missing); }
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

inline Report evaluate_bound(Qrels const& qrels, Run const& run, EvaluateOptions const& options,
                             std::vector<BoundMetric> const& metrics) {
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
        if (metric.k != all_ranks) { report.tie_depth = std::max(report.tie_depth, metric.k); }
    }
    if (report.tie_depth == 0) { report.tie_depth = 1000; }
    for (std::size_t i = 0; i < run.size(); ++i) { report.unjudged_queries += qrels.find(run.query(i)) ? 0U : 1U; }

    std::vector<CountedQuery> const counted = counted_queries(qrels, run, options, report);
    std::size_t const width = metrics.size();
    report.values.resize(counted.size() * width);
    std::vector<QueryEvaluator::Counts> counts(counted.size());
    parallel_for(counted.size(), std::max<std::size_t>(16, counted.size() / 64), options.threads,
                 [&](std::size_t begin, std::size_t end) {
                     QueryEvaluator evaluator(qrels, run, options, metrics, report.tie_depth);
                     for (std::size_t i = begin; i < end; ++i) {
                         counts[i] = evaluator.evaluate(counted[i].first, counted[i].second, report.values.data() + i * width);
                     }
                 });
    add_up(report, qrels, counted, counts);
    for (std::size_t m = 0; m < width; ++m) {
        bool const all_judged = metrics[m].reciprocal && options.profile.mrr_as_listed && !options.missing;
        report.means[m] /= static_cast<double>(std::max<std::size_t>(all_judged ? qrels.size() : counted.size(), 1));
    }
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
    std::vector<detail::BoundMetric> bound;
    for (AnyMetric const& any : metrics_from_names(measures)) {
        bound.push_back(std::visit([](auto const& metric) { return detail::bind_metric(metric); }, any));
    }
    return detail::evaluate_bound(qrels, run, options, bound);
}

}  // namespace bmae
