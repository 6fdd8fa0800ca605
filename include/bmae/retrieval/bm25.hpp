// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Lexical search by BM25.
#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <numeric>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <bmae/detail/parallel.hpp>
#include <bmae/retrieval/analyzer.hpp>
#include <bmae/retrieval/bm25_terms.hpp>
#include <bmae/retrieval/run.hpp>
#include <bmae/retrieval/top_k.hpp>
#include <bmae/text/id_table.hpp>
#include <bmae/values/error.hpp>

namespace bmae {

struct Bm25Options {
    double k1 = 0.9;   ///< saturation of term frequency (Anserini's default)
    double b = 0.4;    ///< degree of length normalization, 0 to 1
    AnalyzerOptions analyzer = {};
    bool quantize_lengths = false;   ///< store lengths in one byte as Lucene does: lengths from 40 lose precision
    unsigned threads = 0;            ///< for indexing and searching; 0: one per processor; results do not depend on it
};

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
        if (!(options.k1 >= 0) || !(options.b >= 0 && options.b <= 1) || !std::isfinite(options.k1)) {
            throw InputError(Diagnostic{.file = {},
                                        .expected = "k1 >= 0 and b in 0..1",
                                        .found = "k1 " + std::to_string(options.k1) + ", b " + std::to_string(options.b),
                                        .hint = "Common values: k1 0.9 to 1.5, b 0.4 to 0.75."});
        }
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
    struct Posting {
        std::uint32_t document;   // by ascending id, see rows_
        float score;
    };

    /// Documents are scored in blocks whose scores fit into the cache.
    static constexpr std::uint32_t block_size = 1U << 14;

    /// The buffers of one thread.
    class Searcher {
    public:
        Searcher(Bm25Index const& index, std::size_t k)
            : index_(index), best_(std::min(k, index.size())), scores_(std::min<std::size_t>(block_size, index.size()), 0.0F) {}

        std::vector<Hit> search(std::string_view query) {
            read(query);
            best_.clear();
            for (std::uint32_t first = 0; first < index_.size(); first += block_size) { search_block(first); }
            std::vector<Hit> hits;
            for (TopK::Entry const& entry : best_.sorted()) { hits.push_back({index_.rows_[entry.key], entry.score}); }
            return hits;
        }

    private:
        struct Cursor {
            std::uint32_t term;
            float weight;          // frequency of the term in the query
            std::size_t at, end;   // remaining postings
        };

        void read(std::string_view query) {
            cursors_.clear();
            index_.analyzer_.for_each_word(query, buffer_, [&](std::string_view word) {
                std::string const term = index_.analyzer_.term_of(word);
                auto const number = term.empty() ? std::nullopt : index_.terms_.find(term);
                if (!number) { return; }
                auto const known =
                    std::find_if(cursors_.begin(), cursors_.end(), [&](Cursor const& cursor) { return cursor.term == *number; });
                if (known != cursors_.end()) {
                    known->weight += 1;
                } else {
                    cursors_.push_back({*number, 1.0F, index_.begins_[*number], index_.begins_[*number + 1]});
                }
            });
        }

        void search_block(std::uint32_t first) {
            std::uint32_t const last =
                static_cast<std::uint32_t>(std::min<std::size_t>(first + std::size_t{block_size}, index_.size()));
            Posting const* const postings = index_.postings_.data();
            touched_.clear();
            std::size_t count = 0;
            for (Cursor& cursor : cursors_) {
                Posting const* at = postings + cursor.at;
                Posting const* const end =
                    last == index_.size()
                        ? postings + cursor.end
                        : std::lower_bound(at, postings + cursor.end, last, [](Posting const& posting, std::uint32_t document) {
                              return posting.document < document;
                          });
                touched_.push_back({at, end});
                count += static_cast<std::size_t>(end - at);
                for (; at != end; ++at) { scores_[at->document - first] += cursor.weight * at->score; }
                cursor.at = static_cast<std::size_t>(end - postings);
            }
            if (count * 4 < last - first) {
                for (auto const& [begin, end] : touched_) {
                    for (Posting const* at = begin; at != end; ++at) {
                        float& score = scores_[at->document - first];
                        if (score > 0 && score >= best_.threshold()) { best_.push(score, at->document); }
                        score = 0;   // a document with two terms occurs twice
                    }
                }
            } else {
                std::span<float> const block = std::span(scores_).first(last - first);
                std::size_t i = 0;
                while (i < block.size() && best_.threshold() <= 0) {   // while documents without a score could enter
                    if (block[i] > 0) { best_.push(block[i], first + static_cast<std::uint32_t>(i)); }
                    ++i;
                }
                best_.push_all(block.subspan(i), [&](std::size_t j) { return first + static_cast<std::uint32_t>(i + j); });
                std::fill(block.begin(), block.end(), 0.0F);
            }
        }

        Bm25Index const& index_;
        TopK best_;
        std::vector<float> scores_;   // [block_size] of the current block; all 0 between blocks
        std::vector<Cursor> cursors_;
        std::vector<std::pair<Posting const*, Posting const*>> touched_;
        std::string buffer_;
    };

    /// Internally documents are numbered by ascending id, so that numbers break ties.
    void order_by_id() {
        rows_.resize(documents_->size());
        std::iota(rows_.begin(), rows_.end(), 0U);
        auto const smaller = [this](std::uint32_t a, std::uint32_t b) { return (*documents_)[a] < (*documents_)[b]; };
        if (!std::is_sorted(rows_.begin(), rows_.end(), smaller)) { std::sort(rows_.begin(), rows_.end(), smaller); }
    }

    /// Lucene's SmallFloat: lengths up to 39 exactly, above with 4 significant bits.
    static std::uint32_t quantized(std::uint32_t length) noexcept {
        constexpr std::uint32_t exact = 24;   // values below are kept: 8 bits hold 231 steps above them
        if (length < exact) { return length; }
        std::uint32_t const rest = length - exact;
        int const bits = std::bit_width(rest);
        return bits < 4 ? length : exact + ((rest >> (bits - 4)) << (bits - 4));
    }

    void fill(detail::TermCounts const& counts) {
        std::size_t const terms = counts.terms.size();
        begins_.assign(terms + 1, 0);
        for (auto const& count : counts.counts) { ++begins_[count.term + 1]; }
        std::vector<double> idf(terms);
        auto const total = static_cast<double>(size());
        for (std::size_t term = 0; term < terms; ++term) {
            auto const with = static_cast<double>(begins_[term + 1]);
            idf[term] = std::log1p((total - with + 0.5) / (with + 0.5));
            begins_[term + 1] += begins_[term];
        }
        double const sum = std::accumulate(counts.lengths.begin(), counts.lengths.end(), 0.0);
        double const mean = sum > 0 ? sum / total : 1.0;
        postings_.resize(counts.counts.size());
        std::vector<std::size_t> next(begins_.begin(), begins_.end() - 1);
        for (std::uint32_t document = 0; document < rows_.size(); ++document) {
            std::uint32_t const row = rows_[document];
            std::uint32_t const length = options_.quantize_lengths ? quantized(counts.lengths[row]) : counts.lengths[row];
            double const norm = options_.k1 * (1 - options_.b + options_.b * length / mean);
            for (std::size_t i = counts.begins[row]; i < counts.begins[row + 1]; ++i) {
                auto const [term, frequency] = counts.counts[i];
                postings_[next[term]++] = {document, static_cast<float>(idf[term] * frequency / (frequency + norm))};
            }
        }
    }

    Bm25Options options_;
    Analyzer analyzer_;
    std::shared_ptr<IdTable const> documents_;
    IdTable terms_;
    std::vector<std::uint32_t> rows_;   // [N] position in documents_ of each document, by ascending id
    std::vector<std::size_t> begins_;   // [terms + 1]
    std::vector<Posting> postings_;
};

}  // namespace bmae
