// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Lexical search by BM25.
#pragma once

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <numeric>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <bmae/detail/parallel.hpp>
#include <bmae/retrieval/analyzer.hpp>
#include <bmae/retrieval/bm25_terms.hpp>
#include <bmae/retrieval/bm25_weights.hpp>
#include <bmae/retrieval/postings.hpp>
#include <bmae/retrieval/run.hpp>
#include <bmae/retrieval/top_k.hpp>
#include <bmae/text/id_table.hpp>
#include <bmae/values/error.hpp>

namespace bmae {

/// An inverted index whose postings store the precomputed score of a term in a document.
///
///   score(q, d) = sum over terms t of q, with repetitions, of idf(t) f / (f + k1 (1 - b + b |d| / avg |d|)),
///   idf(t) = ln(1 + (N - n + 1/2) / (n + 1/2)),   f: frequency of t in d, n: documents with t
///
/// (Robertson et al., TREC-3, 1994, in the form of Lucene since version 8; Kamphuis et al., ECIR 2020.) Memory: 8 bytes per
/// distinct term of each document. Only documents that share a term with the query are found; of equal scores the smaller id
/// comes first.
class Bm25Index {
public:
    /// \param texts  a random-access range of texts                                                                     [N]
    /// \param ids    their ids, each once                                                                               [N]
    /// \throws InputError  on lengths that differ, a duplicate id, or options out of range
    template <class Texts>
    Bm25Index(Texts const& texts, std::vector<std::string> const& ids, Bm25Options options = {})
        : options_(options), analyzer_(options.analyzer), documents_(std::make_shared<IdTable>(ids)) {
        if (texts.size() != ids.size()) {
            throw InputError(
                Diagnostic{.file = {},
                           .expected = "as many ids as texts",
                           .found = std::to_string(ids.size()) + " ids for " + std::to_string(texts.size()) + " texts",
                           .hint = "Give every text one id."});
        }
        detail::check_bm25_options(options);
        order_by_id();
        detail::TermCounts counts = detail::count_terms(texts, analyzer_, options.threads);
        fill(counts);
        terms_ = std::move(counts.terms);
    }

    [[nodiscard]] std::size_t size() const noexcept { return rows_.size(); }          ///< N
    [[nodiscard]] std::size_t term_count() const noexcept { return terms_.size(); }   ///< distinct terms
    [[nodiscard]] Bm25Options const& options() const noexcept { return options_; }
    [[nodiscard]] std::shared_ptr<IdTable const> const& documents() const noexcept { return documents_; }

    /// The k best documents of one query.                                                                             [<= k]
    [[nodiscard]] std::vector<Hit> search(std::string_view query, std::size_t k) const {
        Searcher searcher(*this, k);
        return searcher.search(query);
    }

    /// The k best documents of many queries, in parallel.
    /// \param queries    texts                                                                                             [Q]
    /// \param query_ids  names in the run; "0", "1", ... where none are given                                       [Q] or [0]
    template <class Texts>
        requires requires(Texts const& texts) {
            std::string_view(texts[0]);
            texts.size();
        } && (!std::convertible_to<Texts const&, std::string_view>)
    [[nodiscard]] Run search(Texts const& queries, std::size_t k, std::vector<std::string> const& query_ids = {}) const {
        if (!query_ids.empty() && query_ids.size() != queries.size()) {
            throw InputError(
                Diagnostic{.file = {},
                           .expected = "as many ids as queries",
                           .found = std::to_string(query_ids.size()) + " ids for " + std::to_string(queries.size()) + " queries",
                           .hint = "Give every query one id, or none."});
        }
        std::vector<std::vector<Hit>> found(queries.size());
        detail::parallel_for(queries.size(), 16, options_.threads, [&](std::size_t begin, std::size_t end) {
            Searcher searcher(*this, k);
            for (std::size_t i = begin; i < end; ++i) { found[i] = searcher.search(queries[i]); }
        });
        Run run(documents_);
        run.reserve(queries.size(), std::accumulate(found.begin(), found.end(), std::size_t{0},
                                                    [](std::size_t sum, auto const& hits) { return sum + hits.size(); }));
        for (std::size_t i = 0; i < found.size(); ++i) {
            run.add(query_ids.empty() ? std::to_string(i) : query_ids[i], found[i]);
        }
        return run;
    }

private:
    /// The buffers of one thread.
    class Searcher {
    public:
        Searcher(Bm25Index const& index, std::size_t k) : index_(index), postings_(index.lists_, k) {}

        std::vector<Hit> search(std::string_view query) {
            read(query);
            std::vector<Hit> hits;
            for (TopK::Entry const& entry : postings_.search(terms_)) { hits.push_back({index_.rows_[entry.key], entry.score}); }
            return hits;
        }

    private:
        void read(std::string_view query) {
            detail::read_query_terms(index_.analyzer_, query, buffer_, terms_,
                                     [&](std::string_view term) { return index_.terms_.find(term); });
        }

        Bm25Index const& index_;
        PostingSearcher postings_;
        std::vector<WeightedTerm> terms_;
        std::string buffer_;
    };

    /// Internally documents are numbered by ascending id, so that numbers break ties.
    void order_by_id() {
        rows_.resize(documents_->size());
        std::iota(rows_.begin(), rows_.end(), 0U);
        auto const smaller = [this](std::uint32_t a, std::uint32_t b) { return (*documents_)[a] < (*documents_)[b]; };
        if (!std::is_sorted(rows_.begin(), rows_.end(), smaller)) { std::sort(rows_.begin(), rows_.end(), smaller); }
    }

    void fill(detail::TermCounts const& counts) {
        std::size_t const terms = counts.terms.size();
        std::vector<std::size_t>& begins = lists_.begins;
        begins.assign(terms + 1, 0);
        for (auto const& count : counts.counts) { ++begins[count.term + 1]; }
        std::vector<double> idf(terms);
        detail::Bm25Weights const weights(options_, counts.lengths);
        for (std::size_t term = 0; term < terms; ++term) {
            idf[term] = weights.idf(begins[term + 1]);
            begins[term + 1] += begins[term];
        }
        lists_.documents = size();
        lists_.postings.resize(counts.counts.size());
        std::vector<std::size_t> next(begins.begin(), begins.end() - 1);
        for (std::uint32_t document = 0; document < rows_.size(); ++document) {
            std::uint32_t const row = rows_[document];
            double const norm = weights.norm(counts.lengths[row]);
            for (std::size_t i = counts.begins[row]; i < counts.begins[row + 1]; ++i) {
                auto const [term, frequency] = counts.counts[i];
                lists_.postings[next[term]++] = {document, detail::Bm25Weights::score(idf[term], frequency, norm)};
            }
        }
    }

    Bm25Options options_;
    Analyzer analyzer_;
    std::shared_ptr<IdTable const> documents_;
    IdTable terms_;
    std::vector<std::uint32_t> rows_;   // [N] position in documents_ of each document, by ascending id
    PostingLists lists_;                // documents by ascending id
};

}  // namespace bmae
