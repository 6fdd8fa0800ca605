// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Fusion of any number of runs: reciprocal ranks, weighted sums of normalized scores, CombSUM, CombMNZ, products.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <bmae/retrieval/run.hpp>
#include <bmae/text/id_table.hpp>
#include <bmae/values/error.hpp>

namespace bmae {

/// Normalization of the scores of one query of one run before they are summed.
enum class Normalization {
    none,
    min_max,   ///< best hit 1, worst 0 (all 1 where they are equal)
    z_score,   ///< mean 0, standard deviation 1 (all 0 where they are equal)
};

/// As command lines write it.
constexpr std::array<std::string_view, 3> names_of(Normalization) noexcept { return {"none", "min-max", "z-score"}; }
constexpr std::string_view to_string(Normalization normalization) noexcept {
    return names_of(normalization)[static_cast<std::size_t>(normalization)];
}

/// The score of a document d of one query, from its ranks r_i (from 1) and normalized scores s_i in the runs i that hold it, with weights w_i.
enum class FusionMethod {
    reciprocal_rank,   ///< sum of w_i / (k + r_i) (Cormack, Clarke, Buettcher, SIGIR 2009); a run without d adds 0
    weighted,   ///< sum of w_i s_i, min-max (Lee, SIGIR 1997); a run without d gives it the s_i of its last hit, as if it came next
    z_score,    ///< as `weighted`, with scores of mean 0 and standard deviation 1
    comb_sum,   ///< sum of w_i s_i (Fox, Shaw, TREC-2 1994), min-max; a run without d adds 0
    comb_mnz,   ///< comb_sum times the number of runs that hold d (Fox, Shaw 1994)
    /// Product of the s_i as they are: BM25 times cosine, the lexicon-enhanced retrieval of LaPraDoR (Xu et al., Findings of ACL 2022,
    /// arXiv 2203.06169). A run without d would make it 0: such a d is no hit.
    product,
};

/// As command lines write it.
constexpr std::array<std::string_view, 6> names_of(FusionMethod) noexcept {
    return {"reciprocal-rank", "weighted", "z-score", "comb-sum", "comb-mnz", "product"};
}
constexpr std::string_view to_string(FusionMethod method) noexcept { return names_of(method)[static_cast<std::size_t>(method)]; }

struct FusionOptions {
    FusionMethod method = FusionMethod::reciprocal_rank;
    std::vector<double> weights =
        {};          ///< one per run, 0 or more; empty: equal ones, 1 / runs for the weighted sums, else 1; none of product
    double k = 60;   ///< rank constant of reciprocal_rank (the paper's value)
    std::optional<Normalization> normalization = {};   ///< of the methods that read scores; nothing: the method's
    std::size_t depth = 1000;                          ///< hits kept per query
};

namespace detail {

/// The scores of one query of a run, exact where the run was read from a file.
inline std::vector<double> scores_of(Run const& run, std::size_t query) {
    auto const exact = run.exact_scores(query);
    if (!exact.empty()) { return {exact.begin(), exact.end()}; }
    std::vector<double> scores;
    for (Hit const& hit : run.hits(query)) { scores.push_back(static_cast<double>(hit.score)); }
    return scores;
}

/// Ranks of hits, from 1, by descending score; hits with equal scores keep the order of the run.
inline std::vector<std::size_t> ranks_of(std::span<double const> scores) {
    std::vector<std::size_t> order(scores.size());
    for (std::size_t i = 0; i < order.size(); ++i) { order[i] = i; }
    std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return scores[a] > scores[b]; });
    std::vector<std::size_t> ranks(scores.size());
    for (std::size_t i = 0; i < order.size(); ++i) { ranks[order[i]] = i + 1; }
    return ranks;
}

inline void normalize(std::vector<double>& scores, Normalization how) {
    if (how == Normalization::none || scores.empty()) { return; }
    double shift = *std::min_element(scores.begin(), scores.end());
    double width = *std::max_element(scores.begin(), scores.end()) - shift;
    bool const flat = width == 0;
    if (how == Normalization::z_score) {
        double sum = 0;
        double squares = 0;
        for (double const score : scores) { sum += score; }
        shift = sum / static_cast<double>(scores.size());
        for (double const score : scores) { squares += (score - shift) * (score - shift); }
        width = std::sqrt(squares / static_cast<double>(scores.size()));
    }
    for (double& score : scores) { score = flat ? (how == Normalization::min_max ? 1.0 : 0.0) : (score - shift) / width; }
}

constexpr Normalization usual_normalization(FusionMethod method) noexcept {
    if (method == FusionMethod::product) { return Normalization::none; }
    return method == FusionMethod::z_score ? Normalization::z_score : Normalization::min_max;
}

/// What one run says of the documents of one query, before its weight.
struct QueryOfRun {
    std::vector<std::uint32_t> places = {};   ///< [hits] of their documents among those of the query
    std::vector<double> points = {};          ///< [hits] ranks from 1, or scores beyond `absent`; of a product factors
    double absent = 0;                        ///< to each document, in the run or not
};

/// Ranks or normalized scores of a query of a run; `places` are left to the caller.
inline QueryOfRun points_of(Run const& run, std::size_t query, FusionOptions const& options) {
    QueryOfRun result{.points = scores_of(run, query)};
    if (options.method == FusionMethod::reciprocal_rank) {
        std::vector<std::size_t> const ranks = ranks_of(result.points);
        std::copy(ranks.begin(), ranks.end(), result.points.begin());
        return result;
    }
    bool const continues = options.method == FusionMethod::weighted || options.method == FusionMethod::z_score;
    normalize(result.points, options.normalization.value_or(usual_normalization(options.method)));
    if (continues && !result.points.empty()) { result.absent = *std::min_element(result.points.begin(), result.points.end()); }
    for (double& point : result.points) { point -= result.absent; }
    return result;
}

/// One query of all runs: what its fusions by any weights and any k have in common.
struct QueryOfRuns {
    std::string_view query = {};
    std::vector<std::uint32_t> documents = {};   ///< [found]
    std::vector<std::uint32_t> holders = {};     ///< [found] runs that hold the document
    std::vector<QueryOfRun> runs = {};           ///< empty of one that lacks the query

    /// Sums or multiplies what the runs say.
    /// \param weights  [runs]
    /// \param scores   receives those of the documents                                                           [found]
    void fuse(FusionMethod method, std::span<double const> weights, double k, std::vector<double>& scores) const {
        bool const multiplies = method == FusionMethod::product;
        double absent = 0;
        for (std::size_t r = 0; r < runs.size(); ++r) { absent += weights[r] * runs[r].absent; }
        scores.assign(documents.size(), multiplies ? 1 : absent);
        for (std::size_t r = 0; r < runs.size(); ++r) {
            for (std::size_t i = 0; i < runs[r].places.size(); ++i) {
                double const point = runs[r].points[i];
                double& score = scores[runs[r].places[i]];
                if (multiplies) {
                    score *= point;
                } else {
                    score += method == FusionMethod::reciprocal_rank ? weights[r] / (k + point) : weights[r] * point;
                }
            }
        }
        if (method != FusionMethod::comb_mnz) { return; }
        for (std::size_t i = 0; i < holders.size(); ++i) { scores[i] *= holders[i]; }
    }
};

/// \param place  [documents] scratch, all `nowhere` before and after
inline QueryOfRuns query_of_runs(std::span<Run const* const> runs, std::string_view query, FusionOptions const& options,
                                 IdTable& ids, std::vector<std::uint32_t>& place) {
    constexpr std::uint32_t nowhere = 0xffffffffU;
    QueryOfRuns result{.query = query};
    for (Run const* const run : runs) {
        auto const at = run->find(query);
        result.runs.push_back(at ? points_of(*run, *at, options) : QueryOfRun());
        if (!at) { continue; }
        for (Hit const& hit : run->hits(*at)) {
            std::uint32_t const document = ids.add(run->document(hit.document));
            if (document >= place.size()) { place.resize(ids.size(), nowhere); }
            if (place[document] == nowhere) {
                place[document] = static_cast<std::uint32_t>(result.documents.size());
                result.documents.push_back(document);
                result.holders.push_back(0);
            }
            result.runs.back().places.push_back(place[document]);
            ++result.holders[place[document]];
        }
    }
    for (std::uint32_t const document : result.documents) { place[document] = nowhere; }
    return result;
}

/// Weights of the runs. \throws InputError for another number of them, for one below 0, for none above 0
inline std::vector<double> weights_of(std::size_t runs, FusionOptions const& options) {
    bool const shares = options.method == FusionMethod::weighted || options.method == FusionMethod::z_score;
    if (options.method == FusionMethod::product && !options.weights.empty()) {
        throw InputError(Diagnostic{.file = {},
                                    .expected = "no weights with product: they would change no order",
                                    .found = std::to_string(options.weights.size()),
                                    .hint = "Leave them out, or take weighted."});
    }
    if (options.weights.empty()) { return std::vector<double>(runs, shares ? 1 / static_cast<double>(runs) : 1.0); }
    if (options.weights.size() != runs) {
        throw InputError(Diagnostic{.file = {},
                                    .expected = "a weight for each of the " + std::to_string(runs) + " runs",
                                    .found = std::to_string(options.weights.size()) + " weights"});
    }
    double sum = 0;
    for (double const weight : options.weights) {
        if (!(weight >= 0) || std::isinf(weight)) {
            throw InputError(Diagnostic{.file = {}, .expected = "weights of 0 or more", .found = std::to_string(weight)});
        }
        sum += weight;
    }
    if (!(sum > 0)) { throw InputError(Diagnostic{.file = {}, .expected = "a weight above 0", .found = "none"}); }
    return options.weights;
}

/// One query of the fused run.
struct FusedQuery {
    std::string_view query;
    std::vector<std::uint32_t> documents = {};
    std::vector<double> scores = {};

    /// The best hits first; of equal scores the smaller id.
    void sort(IdTable const& ids, std::size_t depth) {
        std::vector<std::size_t> order(documents.size());
        for (std::size_t i = 0; i < order.size(); ++i) { order[i] = i; }
        std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
            return scores[a] != scores[b] ? scores[a] > scores[b] : ids[documents[a]] < ids[documents[b]];
        });
        order.resize(std::min(depth, order.size()));
        FusedQuery sorted{.query = query};
        for (std::size_t const i : order) {
            sorted.documents.push_back(documents[i]);
            sorted.scores.push_back(scores[i]);
        }
        *this = std::move(sorted);
    }
};

/// Leaves the documents that all runs hold, with a product of one sign: two scores below 0 would make a good one.
inline void keep_common(FusedQuery& fused, QueryOfRuns const& found) {
    auto const is_below = [](QueryOfRun const& run) {
        return std::any_of(run.points.begin(), run.points.end(), [](double score) { return score < 0; });
    };
    if (std::count_if(found.runs.begin(), found.runs.end(), is_below) > 1) {
        throw InputError(Diagnostic{.file = {},
                                    .expected = "scores of 0 or more in all runs but one, of which a product is made",
                                    .found = "scores below 0 in several, for the query '" + std::string(fused.query) + "'",
                                    .hint = "Normalize by min-max, or take weighted."});
    }
    std::size_t kept = 0;
    for (std::size_t i = 0; i < found.holders.size(); ++i) {
        if (found.holders[i] != found.runs.size()) { continue; }
        fused.documents[kept] = fused.documents[i];
        fused.scores[kept++] = fused.scores[i];
    }
    fused.documents.resize(kept);
    fused.scores.resize(kept);
}

inline FusedQuery fuse_query(QueryOfRuns const& found, std::span<double const> weights, FusionOptions const& options,
                             IdTable const& ids) {
    FusedQuery fused{.query = found.query, .documents = found.documents};
    found.fuse(options.method, weights, options.k, fused.scores);
    if (options.method == FusionMethod::product) { keep_common(fused, found); }
    fused.sort(ids, options.depth);
    return fused;
}

/// \throws InputError  as `fuse_runs`, but for weights
inline void check_fusion(std::size_t runs, FusionOptions const& options) {
    if (runs < 2) {
        throw InputError(Diagnostic{.file = {}, .expected = "at least two runs to fuse", .found = std::to_string(runs)});
    }
    bool const multiplies = options.method == FusionMethod::comb_mnz || options.method == FusionMethod::product;
    if (multiplies && options.normalization == Normalization::z_score) {
        throw InputError(Diagnostic{
            .file = {},
            .expected = "scores of 0 or more for " + std::string(to_string(options.method)) + ", which multiplies them",
            .found = "z-scores, half of which are below 0",
            .hint = "Normalize by min-max, or take comb-sum."});
    }
}

}  // namespace detail

/// Fuses runs query by query. Queries: those of the first run, then those of the second that the first lacks, and so on; a run without
/// a query adds nothing to it. Hits are ordered by score, of equal scores the smaller id comes first.
/// \param exact  keep scores in double precision beside the hits (`Run::exact_scores`), as `write_run` then writes them
/// \throws InputError for fewer than two runs, for weights that do not fit, for z-scores in comb_mnz and product: the number of runs would
///                    lower scores below 0, and two of them would make a good product; for a product of several runs with scores below 0
inline Run fuse_runs(std::span<Run const* const> runs, FusionOptions const& options = {}, bool exact = true) {
    detail::check_fusion(runs.size(), options);
    std::vector<double> const weights = detail::weights_of(runs.size(), options);
    auto ids = std::make_shared<IdTable>();
    IdTable queries;
    std::vector<std::uint32_t> place;
    std::vector<std::size_t> begins{0};
    std::vector<Hit> hits;
    std::vector<double> scores;
    for (Run const* const run : runs) {
        for (std::size_t i = 0; i < run->size(); ++i) {
            if (queries.find(run->query(i))) { continue; }
            queries.add(run->query(i));
            auto const found = detail::query_of_runs(runs, run->query(i), options, *ids, place);
            auto const fused = detail::fuse_query(found, weights, options, *ids);
            for (std::size_t h = 0; h < fused.scores.size(); ++h) {
                hits.push_back({fused.documents[h], static_cast<float>(fused.scores[h])});
            }
            if (exact) { scores.insert(scores.end(), fused.scores.begin(), fused.scores.end()); }
            begins.push_back(hits.size());
        }
    }
    return Run::from_parts(std::move(queries), std::move(ids), std::move(begins), std::move(hits), std::move(scores));
}

}  // namespace bmae
