// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// The order of a query's hits after a second model has scored the first of them.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <numeric>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <bmae/retrieval/fusion.hpp>
#include <bmae/retrieval/qrels.hpp>
#include <bmae/retrieval/run.hpp>
#include <bmae/text/id_table.hpp>
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

/// What a teacher scores for distillation: of each query the documents judged relevant, and the first `depth` hits of the run. Queries
/// without hits that have relevant documents come last. A document is named once; scores are placeholders in descending order.
inline Run teacher_candidates(Run const& run, Qrels const& qrels, std::size_t depth) {
    auto const documents = std::make_shared<IdTable>();
    std::vector<std::pair<std::string_view, std::vector<std::uint32_t>>> queries;
    auto const add_relevant = [&](std::size_t judged, std::vector<std::uint32_t>& chosen) {
        for (auto const& judgment : qrels.judgments(judged)) {
            if (judgment.grade > 0) { chosen.push_back(documents->add(qrels.document(judgment.document))); }
        }
    };
    for (std::size_t q = 0; q < run.size(); ++q) {
        std::vector<std::uint32_t> chosen;
        if (auto const judged = qrels.find(run.query(q))) { add_relevant(*judged, chosen); }
        std::vector<Hit> const hits = best_first(run, q);
        for (std::size_t i = 0; i < std::min(depth, hits.size()); ++i) {
            std::uint32_t const document = documents->add(run.document(hits[i].document));
            if (std::ranges::find(chosen, document) == chosen.end()) { chosen.push_back(document); }
        }
        queries.emplace_back(run.query(q), std::move(chosen));
    }
    for (std::size_t judged = 0; judged < qrels.size(); ++judged) {
        if (run.find(qrels.query(judged))) { continue; }
        std::vector<std::uint32_t> chosen;
        add_relevant(judged, chosen);
        if (!chosen.empty()) { queries.emplace_back(qrels.query(judged), std::move(chosen)); }
    }
    Run candidates(documents);
    for (auto const& [query, chosen] : queries) {
        std::vector<Hit> hits;
        for (std::uint32_t const document : chosen) { hits.push_back({document, -static_cast<float>(hits.size())}); }
        candidates.add(query, hits);
    }
    return candidates;
}

}  // namespace bmae
