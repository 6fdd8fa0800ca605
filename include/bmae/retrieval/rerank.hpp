// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// The order of a query's hits after a second model has scored the first of them.
#pragma once

#include <algorithm>
#include <cstddef>
#include <numeric>
#include <span>
#include <string>
#include <vector>

#include <bmae/retrieval/fusion.hpp>
#include <bmae/retrieval/run.hpp>
#include <bmae/values/error.hpp>

namespace bmae {

/// The hits of a query by descending score; equal scores keep the order of the run.
inline std::vector<Hit> best_first(Run const& run, std::size_t query) {
    auto const hits = run.hits(query);
    std::vector<std::size_t> const ranks = detail::ranks_of(detail::scores_of(run, query));
    std::vector<Hit> sorted(hits.size());
    for (std::size_t i = 0; i < hits.size(); ++i) { sorted[ranks[i] - 1] = hits[i]; }
    return sorted;
}

/// The hits with the new scores of the first of them, which come by descending score, equal ones in the order before. The others keep their
/// order behind; their scores are the lowest new one minus 1, 2, 3 ..., so that sorting by score gives this order.
/// \param hits    best first
/// \param scores  of the first hits, finite; higher is better
inline std::vector<Hit> reranked(std::span<Hit const> hits, std::span<float const> scores) {
    if (scores.size() > hits.size()) {
        throw InputError(Diagnostic{.file = {},
                                    .expected = "at most one score per hit",
                                    .found = std::to_string(scores.size()) + " for " + std::to_string(hits.size())});
    }
    std::vector<std::size_t> order(scores.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return scores[a] > scores[b]; });
    std::vector<Hit> result;
    for (std::size_t const i : order) { result.push_back({hits[i].document, scores[i]}); }
    float const lowest = result.empty() ? 0.0F : result.back().score;
    for (std::size_t i = scores.size(); i < hits.size(); ++i) {
        result.push_back({hits[i].document, lowest - static_cast<float>(i - scores.size() + 1)});
    }
    return result;
}

}  // namespace bmae
