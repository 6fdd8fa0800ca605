// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Search over sparse vectors, as SPLADE makes them, by an inverted index.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <numeric>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <bmae/detail/parallel.hpp>
#include <bmae/retrieval/postings.hpp>
#include <bmae/retrieval/run.hpp>
#include <bmae/text/id_table.hpp>
#include <bmae/values/error.hpp>

namespace bmae {

/// Sparse vectors of texts: the terms of each with a weight above 0.
struct SparseVectors {
    std::vector<std::size_t> begins = {0};    ///< [N + 1]
    std::vector<WeightedTerm> weights = {};   ///< by text

    [[nodiscard]] std::size_t size() const noexcept { return begins.size() - 1; }
    [[nodiscard]] std::span<WeightedTerm const> operator[](std::size_t text) const noexcept {
        return std::span(weights).subspan(begins[text], begins[text + 1] - begins[text]);
    }

    /// Appends a text by its whole row, of which the values above 0 are kept.                                       [V]
    /// \throws InputError  a value that is not finite or below 0
    void add(std::span<float const> row) {
        for (std::size_t term = 0; term < row.size(); ++term) {
            if (!(row[term] >= 0) || std::isinf(row[term])) {
                throw InputError(Diagnostic{.file = {},
                                            .expected = "weights of terms that are finite and not below 0",
                                            .found = std::to_string(row[term]) + " of term " + std::to_string(term),
                                            .hint = "Check the weights of the model."});
            }
            if (row[term] > 0) { weights.push_back({static_cast<std::uint32_t>(term), row[term]}); }
        }
        begins.push_back(weights.size());
    }
};

/// Exact search by the dot products of sparse vectors. A text without a term of the query is no hit, as its score is 0.
class ImpactIndex {
public:
    /// \param texts    vectors of the texts                                                                           [N]
    /// \param ids      of the texts                                                                                   [N]
    /// \param terms    V; texts and queries have terms below it
    /// \param threads  0: one per processor
    /// \throws InputError  another number of ids, an id twice, a term of V or above
    ImpactIndex(SparseVectors const& texts, std::vector<std::string> const& ids, std::size_t terms, unsigned threads = 0)
        : documents_(std::make_shared<IdTable>(ids)), threads_(threads) {
        if (texts.size() != ids.size()) {
            throw InputError(
                Diagnostic{.file = {},
                           .expected = "as many ids as texts",
                           .found = std::to_string(ids.size()) + " ids for " + std::to_string(texts.size()) + " texts"});
        }
        lists_.documents = texts.size();
        lists_.begins.assign(terms + 1, 0);
        for (WeightedTerm const& weight : texts.weights) {
            require_term(weight);
            ++lists_.begins[weight.term + 1];
        }
        std::partial_sum(lists_.begins.begin(), lists_.begins.end(), lists_.begins.begin());
        lists_.postings.resize(texts.weights.size());
        std::vector<std::size_t> next(lists_.begins.begin(), lists_.begins.end() - 1);
        for (std::size_t text = 0; text < texts.size(); ++text) {
            for (WeightedTerm const& weight : texts[text]) {
                lists_.postings[next[weight.term]++] = {static_cast<std::uint32_t>(text), weight.weight};
            }
        }
    }

    [[nodiscard]] std::size_t size() const noexcept { return lists_.documents; }                  ///< N
    [[nodiscard]] std::size_t posting_count() const noexcept { return lists_.postings.size(); }   ///< weights of all texts
    [[nodiscard]] std::shared_ptr<IdTable const> const& documents() const noexcept { return documents_; }

    /// The k best texts of each query; of equal scores the one that was added first.
    /// \param queries    vectors                                                                                      [Q]
    /// \param query_ids  names in the run                                                                             [Q]
    [[nodiscard]] Run search(SparseVectors const& queries, std::size_t k, std::vector<std::string> const& query_ids) const {
        if (query_ids.size() != queries.size()) {
            throw InputError(Diagnostic{
                .file = {},
                .expected = "as many ids as queries",
                .found = std::to_string(query_ids.size()) + " ids for " + std::to_string(queries.size()) + " queries"});
        }
        for (WeightedTerm const& weight : queries.weights) { require_term(weight); }
        std::vector<std::vector<Hit>> found(queries.size());
        detail::parallel_for(queries.size(), 4, threads_, [&](std::size_t begin, std::size_t end) {
            PostingSearcher searcher(lists_, k);
            for (std::size_t q = begin; q < end; ++q) {
                for (TopK::Entry const& entry : searcher.search(queries[q])) { found[q].push_back({entry.key, entry.score}); }
            }
        });
        Run run(documents_);
        for (std::size_t q = 0; q < found.size(); ++q) { run.add(query_ids[q], found[q]); }
        return run;
    }

private:
    void require_term(WeightedTerm const& weight) const {
        if (weight.term < lists_.terms()) { return; }
        throw InputError(Diagnostic{.file = {},
                                    .expected = "terms below " + std::to_string(lists_.terms()),
                                    .found = std::to_string(weight.term),
                                    .hint = "Use one model for texts and queries."});
    }

    std::shared_ptr<IdTable const> documents_;
    PostingLists lists_;
    unsigned threads_;
};

}  // namespace bmae
