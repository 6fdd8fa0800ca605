// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Weights of a fusion, and k of reciprocal ranks, by the best mean of a measure on judged queries.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <bmae/concepts/metric.hpp>
#include <bmae/detail/parallel.hpp>
#include <bmae/evaluation/query_evaluator.hpp>
#include <bmae/evaluation/ranking.hpp>
#include <bmae/evaluation/weight_search.hpp>
#include <bmae/retrieval/fusion.hpp>
#include <bmae/retrieval/qrels.hpp>
#include <bmae/retrieval/run.hpp>
#include <bmae/text/id_table.hpp>
#include <bmae/values/error.hpp>

namespace bmae {

/// The rank constants among which one is chosen.
inline constexpr std::array<double, 11> tuned_rank_constants{1, 2, 5, 10, 20, 30, 60, 100, 200, 500, 1000};

/// What a fusion is tuned to, and how good it is there.
struct FusionTuning {
    std::string measure = {};
    TunedWeights best = {};               ///< weights of the runs; `constant` is k; `value` the mean over the judged queries
    std::vector<double> run_means = {};   ///< [runs] of each run alone over the same queries, one that it lacks as an empty list
    std::size_t judged_queries = 0;       ///< of the runs; the means are over them
    std::size_t other_queries = 0;        ///< of the runs, without judgments
};

namespace detail {

/// Hits of a fused query that a measure reads; see RunHits.
class FusedHits {
public:
    FusedHits(std::span<double const> scores, QueryOfRuns const& query, std::span<std::int32_t const> grades,
              std::span<std::uint32_t const> kept, IdTable const& ids)
        : scores_(scores), query_(query), grades_(grades), kept_(kept), ids_(ids) {}

    [[nodiscard]] std::size_t size() const noexcept { return kept_.size(); }
    [[nodiscard]] double score(std::size_t i, bool exact) const noexcept {
        double const score = scores_[kept_[i]];
        return exact ? score : static_cast<double>(static_cast<float>(score));
    }
    [[nodiscard]] std::string_view id(std::size_t i) const noexcept { return ids_[query_.documents[kept_[i]]]; }
    [[nodiscard]] std::int32_t grade(std::size_t i) const noexcept { return grades_[kept_[i]]; }
    [[nodiscard]] std::size_t place_of(std::string_view) const noexcept { return size(); }   // the rules drop none

private:
    std::span<double const> scores_;
    QueryOfRuns const& query_;
    std::span<std::int32_t const> grades_;
    std::span<std::uint32_t const> kept_;
    IdTable const& ids_;
};

/// The judged queries of several runs: normalized and graded once, fused and measured for each point of the search.
class TunedQueries {
public:
    TunedQueries(std::span<Run const* const> runs, Qrels const& qrels, std::string const& measure, FusionOptions options,
                 unsigned threads)
        : qrels_(qrels), options_(std::move(options)), metrics_(bind_metrics({measure})), threads_(threads) {
        if (metrics_.size() != 1) {
            throw InputError(Diagnostic{
                .file = {}, .expected = "one measure to tune by", .found = std::to_string(metrics_.size()) + ": " + measure});
        }
        std::set<std::string_view> judged;   // in the order in which `evaluate` adds up
        std::size_t all = 0;
        for (std::size_t r = 0; r < runs.size(); ++r) {
            for (std::size_t q = 0; q < runs[r]->size(); ++q) {
                std::string_view const query = runs[r]->query(q);
                bool const known = std::any_of(runs.begin(), runs.begin() + static_cast<std::ptrdiff_t>(r),
                                               [&](Run const* other) { return other->find(query).has_value(); });
                all += known ? 0U : 1U;
                if (qrels.find(query)) { judged.insert(query); }
            }
        }
        others_ = all - judged.size();
        if (judged.empty()) {
            throw InputError(Diagnostic{.file = {},
                                        .expected = "judgments of queries of the runs, to tune by",
                                        .found = "none of their " + std::to_string(all) + " queries among the " +
                                                 std::to_string(qrels.size()) + " judged",
                                        .hint = "Check that runs and judgments are of the same queries."});
        }
        prepare(runs, judged);
    }

    [[nodiscard]] std::size_t size() const noexcept { return queries_.size(); }
    [[nodiscard]] std::size_t others() const noexcept { return others_; }
    [[nodiscard]] std::string const& measure() const noexcept { return metrics_.front().name; }

    /// Of the fusion by these weights.
    [[nodiscard]] double mean(std::span<double const> weights, double k) const {
        return mean_of([&](QueryEvaluator& evaluator, Scratch& scratch, std::size_t q, double* value) {
            QueryOfRuns const& query = queries_[q];
            query.fuse(options_.method, weights, k, scratch.scores);
            select(query, scratch);
            evaluator.evaluate(FusedHits(scratch.scores, query, grades_[q], scratch.kept, ids_), judged_[q], value);
        });
    }
    /// Of a run alone.
    [[nodiscard]] double mean_of_run(Run const& run) const {
        return mean_of([&](QueryEvaluator& evaluator, Scratch&, std::size_t q, double* value) {
            evaluator.evaluate(run, judged_[q], run.find(queries_[q].query), value);
        });
    }

private:
    /// Of one thread.
    struct Scratch {
        std::vector<double> scores = {};
        std::vector<float> sorted = {};
        std::vector<std::uint32_t> kept = {};
    };

    void prepare(std::span<Run const* const> runs, std::set<std::string_view> const& judged) {
        std::vector<std::uint32_t> place;
        GradeTable table;
        for (std::string_view const query : judged) {
            judged_.push_back(*qrels_.find(query));
            queries_.push_back(query_of_runs(runs, query, options_, ids_, place));
            table.assign(ids_, qrels_, qrels_.judgments(judged_.back()));
            std::vector<std::int32_t>& grades = grades_.emplace_back();
            for (std::uint32_t const document : queries_.back().documents) { grades.push_back(table[document]); }
        }
    }

    /// The hits within the measure's last rank or tied with it, of those that the fused run keeps: the others need no order.
    void select(QueryOfRuns const& query, Scratch& scratch) const {
        std::size_t const count = scratch.scores.size();
        std::size_t const ranks = std::min({metrics_.front().k, options_.depth, count});
        scratch.kept.clear();
        if (ranks == 0) { return; }
        scratch.sorted.assign(scratch.scores.begin(), scratch.scores.end());
        auto const last = scratch.sorted.begin() + static_cast<std::ptrdiff_t>(ranks - 1);
        std::nth_element(scratch.sorted.begin(), last, scratch.sorted.end(), std::greater<>());
        for (std::uint32_t i = 0; i < count; ++i) {
            if (static_cast<float>(scratch.scores[i]) >= *last) { scratch.kept.push_back(i); }
        }
        if (scratch.kept.size() <= options_.depth) { return; }
        std::sort(scratch.kept.begin(), scratch.kept.end(), [&](std::uint32_t a, std::uint32_t b) {   // as the run is cut
            double const first = scratch.scores[a];
            double const second = scratch.scores[b];
            return first != second ? first > second : ids_[query.documents[a]] < ids_[query.documents[b]];
        });
        scratch.kept.resize(options_.depth);
    }

    template <class Measure>
    double mean_of(Measure const& measure) const {
        std::vector<double> values(size());
        std::size_t const tie_depth = metrics_.front().k == all_ranks ? 1000 : metrics_.front().k;
        parallel_for(size(), std::max<std::size_t>(16, size() / 64), threads_, [&](std::size_t begin, std::size_t end) {
            QueryEvaluator evaluator(qrels_, rules_, metrics_, tie_depth);
            Scratch scratch;
            for (std::size_t q = begin; q < end; ++q) { measure(evaluator, scratch, q, values.data() + q); }
        });
        double sum = 0;
        for (double const value : values) { sum += value; }
        return sum / static_cast<double>(size());
    }

    Qrels const& qrels_;
    FusionOptions options_;
    EvaluateOptions rules_ = {};   // those of `evaluate` by default, trec_eval's
    std::vector<BoundMetric> metrics_;
    unsigned threads_;
    IdTable ids_ = {};
    std::vector<QueryOfRuns> queries_ = {};                // by id; so the next two
    std::vector<std::size_t> judged_ = {};                 // their places in the judgments
    std::vector<std::vector<std::int32_t>> grades_ = {};   // of their documents
    std::size_t others_ = 0;
};

}  // namespace detail

/// Chooses the weights of a fusion, of reciprocal ranks k too, with the best mean of a measure over the queries that are judged and
/// in one of the runs, by the rules of `evaluate` without options. See `search_weights` for the search and for which of equal means is
/// taken; k is one of `tuned_rank_constants`, 60 where all are equal. The scores of a run are normalized once per query.
/// \param measure  "ndcg@10"
/// \param options  method, normalization and depth are read; weights and k are chosen
/// \param threads  0: one per processor; the result does not depend on it
/// \throws InputError  as `fuse_runs` and for unknown measures; for several measures, for given weights, for product, which has none,
///                     and where no query of the runs is judged
inline FusionTuning tune_fusion(std::span<Run const* const> runs, Qrels const& qrels, std::string const& measure,
                                FusionOptions const& options, unsigned threads = 0) {
    detail::check_fusion(runs.size(), options);
    if (options.method == FusionMethod::product || !options.weights.empty()) {
        throw InputError(Diagnostic{.file = {},
                                    .expected = "a fusion whose weights are to be chosen",
                                    .found = options.weights.empty() ? "product, which has none" : "given weights"});
    }
    detail::TunedQueries const queries(runs, qrels, measure, options, threads);
    bool const by_ranks = options.method == FusionMethod::reciprocal_rank;
    double const usual = FusionOptions().k;
    std::span<double const> const constants =
        by_ranks ? std::span<double const>(tuned_rank_constants) : std::span<double const>(&usual, 1);
    FusionTuning tuning{.measure = queries.measure(), .judged_queries = queries.size(), .other_queries = queries.others()};
    tuning.best = search_weights(runs.size(), constants, usual,
                                 [&](std::span<double const> weights, double k) { return queries.mean(weights, k); });
    for (Run const* const run : runs) { tuning.run_means.push_back(queries.mean_of_run(*run)); }
    return tuning;
}

}  // namespace bmae
