// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Fusion of two runs.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <bmae/retrieval/run.hpp>
#include <bmae/text/id_table.hpp>
#include <bmae/values/error.hpp>

namespace bmae {

/// Normalization of the scores of one query before they are summed.
enum class Normalization {
    none,
    min_max,   ///< best hit 1, worst 0 (all 1 where they are equal)
    z_score,   ///< mean 0, standard deviation 1 (all 0 where they are equal)
};

struct ReciprocalRankOptions {
    double k = 60;              ///< rank constant k (the paper's value)
    std::size_t depth = 1000;   ///< hits kept per query
    double first_weight = 1;
    double second_weight = 1;
};

struct WeightedSumOptions {
    double first_weight = 0.5;   ///< the second run has 1 - first_weight
    Normalization normalization = Normalization::min_max;
    std::size_t depth = 1000;   ///< hits kept per query
};

namespace detail {

/// Sums the `points` of the hits of each run, query by query. A document that one run lacks gets `absent` points from it.
template <class Points>
Run fuse(Run const& first, Run const& second, std::size_t depth, Points&& points) {
    auto documents = std::make_shared<IdTable>();
    struct Fused {
        std::string_view query;
        std::vector<std::uint32_t> found;   // documents
        std::vector<double> sums;
    };
    std::vector<Fused> all;
    for (Run const* const run : {&first, &second}) {
        for (std::size_t i = 0; i < run->size(); ++i) {
            if (run == &first || !first.find(run->query(i))) { all.push_back({run->query(i), {}, {}}); }
        }
    }
    constexpr std::uint32_t nowhere = 0xffffffffU;
    std::vector<std::uint32_t> place;   // [documents] in `found` of the current query
    for (Fused& fused : all) {
        double const missing = points.absent(first, second, fused.query);
        for (std::size_t which = 0; which < 2; ++which) {
            Run const& run = which == 0 ? first : second;
            auto const i = run.find(fused.query);
            if (!i) { continue; }
            auto const hits = run.hits(*i);
            std::vector<double> const given = points(hits, which);
            for (std::size_t rank = 0; rank < hits.size(); ++rank) {
                std::uint32_t const document = documents->add(run.document(hits[rank].document));
                if (document >= place.size()) { place.resize(documents->size(), nowhere); }
                if (place[document] == nowhere) {
                    place[document] = static_cast<std::uint32_t>(fused.found.size());
                    fused.found.push_back(document);
                    fused.sums.push_back(missing);
                }
                fused.sums[place[document]] += given[rank];
            }
        }
        for (std::uint32_t const document : fused.found) { place[document] = nowhere; }
    }
    Run run(documents);
    for (Fused const& fused : all) {
        std::vector<std::size_t> order(fused.found.size());
        for (std::size_t i = 0; i < order.size(); ++i) { order[i] = i; }
        std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
            return fused.sums[a] != fused.sums[b] ? fused.sums[a] > fused.sums[b]
                                                  : (*documents)[fused.found[a]] < (*documents)[fused.found[b]];
        });
        std::vector<Hit> hits;
        for (std::size_t i = 0; i < std::min(depth, order.size()); ++i) {
            hits.push_back({fused.found[order[i]], static_cast<float>(fused.sums[order[i]])});
        }
        run.add(fused.query, hits);
    }
    return run;
}

/// Ranks of hits, from 1, by descending score; hits with equal scores keep the order of the run.
inline std::vector<std::size_t> ranks_of(std::span<Hit const> hits) {
    std::vector<std::size_t> order(hits.size());
    for (std::size_t i = 0; i < order.size(); ++i) { order[i] = i; }
    std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return hits[a].score > hits[b].score; });
    std::vector<std::size_t> ranks(hits.size());
    for (std::size_t i = 0; i < order.size(); ++i) { ranks[order[i]] = i + 1; }
    return ranks;
}

}  // namespace detail

/// score(d) = sum over runs of weight / (k + rank of d); runs that lack d add nothing (Cormack, Clarke, Buettcher, SIGIR 2009).
///
/// Queries: those of the first run, then those of the second run alone. Of equal scores the smaller id comes first.
inline Run reciprocal_rank_fusion(Run const& first, Run const& second, ReciprocalRankOptions const& options = {}) {
    struct Points {
        ReciprocalRankOptions const& options;
        static double absent(Run const&, Run const&, std::string_view) noexcept { return 0; }
        std::vector<double> operator()(std::span<Hit const> hits, std::size_t which) const {
            std::vector<double> points;
            for (std::size_t const rank : detail::ranks_of(hits)) {
                points.push_back((which == 0 ? options.first_weight : options.second_weight) /
                                 (options.k + static_cast<double>(rank)));
            }
            return points;
        }
    };
    return detail::fuse(first, second, options.depth, Points{options});
}

/// score(d) = w s1(d) + (1 - w) s2(d) with the scores of each query normalized run by run. A run that lacks d gives it the
/// (normalized) score of its last hit, as if d were ranked next.
inline Run weighted_sum(Run const& first, Run const& second, WeightedSumOptions const& options = {}) {
    if (!(options.first_weight >= 0 && options.first_weight <= 1)) {
        throw InputError(Diagnostic{.file = {},
                                    .expected = "a weight in 0..1",
                                    .found = std::to_string(options.first_weight),
                                    .hint = "1 means the first run alone."});
    }
    struct Points {
        WeightedSumOptions const& options;

        static std::vector<double> normalised(std::span<Hit const> hits, Normalization how) {
            std::vector<double> scores;
            for (Hit const& hit : hits) { scores.push_back(static_cast<double>(hit.score)); }
            if (how == Normalization::none || scores.empty()) { return scores; }
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
            return scores;
        }
        [[nodiscard]] double weight(std::size_t which) const noexcept {
            return which == 0 ? options.first_weight : 1 - options.first_weight;
        }

        /// The initial score of each document: the last score of both runs, which `operator()` then subtracts.
        [[nodiscard]] double absent(Run const& one, Run const& two, std::string_view query) const {
            double sum = 0;
            for (std::size_t which = 0; which < 2; ++which) {
                Run const& run = which == 0 ? one : two;
                if (auto const i = run.find(query)) {
                    sum += weight(which) * floor_of(normalised(run.hits(*i), options.normalization));
                }
            }
            return sum;
        }
        static double floor_of(std::vector<double> const& scores) {
            return scores.empty() ? 0.0 : *std::min_element(scores.begin(), scores.end());
        }
        std::vector<double> operator()(std::span<Hit const> hits, std::size_t which) const {
            std::vector<double> points = normalised(hits, options.normalization);
            double const floor = floor_of(points);
            for (double& point : points) { point = weight(which) * (point - floor); }
            return points;
        }
    };
    return detail::fuse(first, second, options.depth, Points{options});
}

}  // namespace bmae
