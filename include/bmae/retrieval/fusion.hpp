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

/// What one run adds to the documents of one query.
struct Contribution {
    std::vector<double> gains = {};   ///< [hits] beyond `absent`; of product factors
    double absent = 0;                ///< to each document, in the run or not
};

inline Contribution contribution_of(Run const& run, std::size_t query, double weight, FusionOptions const& options) {
    Contribution result{.gains = scores_of(run, query)};
    if (options.method == FusionMethod::reciprocal_rank) {
        std::vector<std::size_t> const ranks = ranks_of(result.gains);
        for (std::size_t i = 0; i < ranks.size(); ++i) { result.gains[i] = weight / (options.k + static_cast<double>(ranks[i])); }
        return result;
    }
    bool const continues = options.method == FusionMethod::weighted || options.method == FusionMethod::z_score;
    normalize(result.gains, options.normalization.value_or(usual_normalization(options.method)));
    double const floor = continues && !result.gains.empty() ? *std::min_element(result.gains.begin(), result.gains.end()) : 0.0;
    result.absent = weight * floor;
    for (double& gain : result.gains) { gain = weight * (gain - floor); }
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
/// \param holders  [found] runs that hold the document
inline void keep_common(FusedQuery& fused, std::vector<std::uint32_t> const& holders, std::size_t runs,
                        std::span<Contribution const> factors) {
    auto const is_below = [](Contribution const& factor) {
        return std::any_of(factor.gains.begin(), factor.gains.end(), [](double score) { return score < 0; });
    };
    if (std::count_if(factors.begin(), factors.end(), is_below) > 1) {
        throw InputError(Diagnostic{.file = {},
                                    .expected = "scores of 0 or more in all runs but one, of which a product is made",
                                    .found = "scores below 0 in several, for the query '" + std::string(fused.query) + "'",
                                    .hint = "Normalize by min-max, or take weighted."});
    }
    std::size_t kept = 0;
    for (std::size_t i = 0; i < holders.size(); ++i) {
        if (holders[i] != runs) { continue; }
        fused.documents[kept] = fused.documents[i];
        fused.scores[kept++] = fused.scores[i];
    }
    fused.documents.resize(kept);
    fused.scores.resize(kept);
}

/// Sums or multiplies what the runs say of the documents of a query.
/// \param place  [documents] scratch, all `nowhere` before and after
inline FusedQuery fuse_query(std::span<Run const* const> runs, std::string_view query, std::span<double const> weights,
                             FusionOptions const& options, IdTable& ids, std::vector<std::uint32_t>& place) {
    constexpr std::uint32_t nowhere = 0xffffffffU;
    std::vector<std::optional<std::size_t>> at;
    std::vector<Contribution> all;
    double absent = 0;
    for (std::size_t r = 0; r < runs.size(); ++r) {
        at.push_back(runs[r]->find(query));
        all.push_back(at.back() ? contribution_of(*runs[r], *at.back(), weights[r], options) : Contribution());
        absent += all.back().absent;
    }
    bool const multiplies = options.method == FusionMethod::product;
    FusedQuery fused{.query = query};
    std::vector<std::uint32_t> holders;   // [found] runs that hold the document
    for (std::size_t r = 0; r < runs.size(); ++r) {
        if (!at[r]) { continue; }
        auto const hits = runs[r]->hits(*at[r]);
        for (std::size_t i = 0; i < hits.size(); ++i) {
            std::uint32_t const document = ids.add(runs[r]->document(hits[i].document));
            if (document >= place.size()) { place.resize(ids.size(), nowhere); }
            if (place[document] == nowhere) {
                place[document] = static_cast<std::uint32_t>(fused.documents.size());
                fused.documents.push_back(document);
                fused.scores.push_back(multiplies ? 1 : absent);
                holders.push_back(0);
            }
            double& score = fused.scores[place[document]];
            score = multiplies ? score * all[r].gains[i] : score + all[r].gains[i];
            ++holders[place[document]];
        }
    }
    for (std::uint32_t const document : fused.documents) { place[document] = nowhere; }
    if (options.method == FusionMethod::comb_mnz) {
        for (std::size_t i = 0; i < holders.size(); ++i) { fused.scores[i] *= holders[i]; }
    }
    if (multiplies) { keep_common(fused, holders, runs.size(), all); }
    fused.sort(ids, options.depth);
    return fused;
}

}  // namespace detail

/// Fuses runs query by query. Queries: those of the first run, then those of the second that the first lacks, and so on; a run without
/// a query adds nothing to it. Hits are ordered by score, of equal scores the smaller id comes first.
/// \param exact  keep scores in double precision beside the hits (`Run::exact_scores`), as `write_run` then writes them
/// \throws InputError for fewer than two runs, for weights that do not fit, for z-scores in comb_mnz and product: the number of runs would
///                    lower scores below 0, and two of them would make a good product; for a product of several runs with scores below 0
inline Run fuse_runs(std::span<Run const* const> runs, FusionOptions const& options = {}, bool exact = true) {
    if (runs.size() < 2) {
        throw InputError(Diagnostic{.file = {}, .expected = "at least two runs to fuse", .found = std::to_string(runs.size())});
    }
    bool const multiplies = options.method == FusionMethod::comb_mnz || options.method == FusionMethod::product;
    if (multiplies && options.normalization == Normalization::z_score) {
        throw InputError(Diagnostic{
            .file = {},
            .expected = "scores of 0 or more for " + std::string(to_string(options.method)) + ", which multiplies them",
            .found = "z-scores, half of which are below 0",
            .hint = "Normalize by min-max, or take comb-sum."});
    }
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
            auto const fused = detail::fuse_query(runs, run->query(i), weights, options, *ids, place);
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
