// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// BM25 from an index on disk: opened at once, whatever its size, with the scores of `Bm25Index` bit for bit.
///
///     terms, term_ends  UTF-8, uint64 [T]   the terms, without separators; end of each
///     term_order        uint32 [T]          numbers of the terms in the order of their bytes
///     list_begins       uint64 [T + 1]      of the list of each term in `postings`
///     postings          Posting [P]         documents, numbered by ascending id, each with its score
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <bmae/detail/parallel.hpp>
#include <bmae/retrieval/analyzer_settings.hpp>
#include <bmae/retrieval/bm25_weights.hpp>
#include <bmae/retrieval/index_folder.hpp>
#include <bmae/retrieval/postings.hpp>

namespace bmae {

/// An index of BM25 on disk, made by `LexicalIndexBuilder`, mapped into memory. A folder must not be changed while it is open.
class LexicalIndex {
public:
    /// \param threads  for many queries; 0: one per processor
    /// \throws InputError  as `IndexFolder`, and for an index of another kind
    static LexicalIndex open(std::filesystem::path const& folder, Verify verify = Verify::quick, unsigned threads = 0) {
        IndexFolder const files(folder, verify);
        if (files.kind() != "bm25") {
            throw files.manifest().refuse("an index of BM25", "one of kind \"" + files.kind() + '"', "Search it by vectors.");
        }
        return LexicalIndex(files, threads);
    }

    [[nodiscard]] std::size_t size() const noexcept { return documents_.size(); }                         ///< N
    [[nodiscard]] std::size_t term_count() const noexcept { return order_.as<std::uint32_t>().size(); }   ///< T
    [[nodiscard]] Bm25Options const& options() const noexcept { return options_; }
    [[nodiscard]] IndexDocuments const& documents() const noexcept { return documents_; }

    /// The k best documents of one query, by their rows in `documents()`.                                              [<= k]
    [[nodiscard]] std::vector<Hit> search(std::string_view query, std::size_t k) const {
        return Searcher(*this, k).search(query);
    }

    /// The k best documents of many queries, in parallel. The run has the found documents alone.
    /// \param queries    texts                                                                                          [Q]
    /// \param query_ids  names in the run; "0", "1", ... where none are given                                    [Q] or [0]
    [[nodiscard]] Run search(std::vector<std::string> const& queries, std::size_t k,
                             std::vector<std::string> const& query_ids = {}) const {
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
        return documents_.to_run(found, query_ids);
    }

private:
    /// The buffers of one thread.
    class Searcher {
    public:
        Searcher(LexicalIndex const& index, std::size_t k) : index_(index), postings_(index.view(), k) {}

        std::vector<Hit> search(std::string_view query) {
            detail::read_query_terms(index_.analyzer_, query, buffer_, terms_,
                                     [&](std::string_view term) { return index_.find(term); });
            std::vector<Hit> hits;
            for (TopK::Entry const& entry : postings_.search(terms_)) {
                hits.push_back({index_.documents_.row_of(entry.key), entry.score});
            }
            return hits;
        }

    private:
        LexicalIndex const& index_;
        PostingSearcher postings_;
        std::vector<WeightedTerm> terms_;
        std::string buffer_;
    };

    LexicalIndex(IndexFolder const& folder, unsigned threads)
        : folder_(folder.files()), documents_(folder), options_(read_options(folder, threads)), analyzer_(options_.analyzer) {
        auto const count = folder.manifest().require<std::uint64_t>("terms");
        terms_ = folder.map("terms");
        term_ends_ = folder.map<std::uint64_t>("term_ends", count);
        order_ = folder.map<std::uint32_t>("term_order", count);
        begins_ = folder.map<std::uint64_t>("list_begins", count + 1);
        postings_ = folder.map<Posting>("postings", folder.manifest().require<std::uint64_t>("postings"));
    }

    static Bm25Options read_options(IndexFolder const& folder, unsigned threads) {
        detail::JsonObject const& manifest = folder.manifest();
        Bm25Options options{.k1 = manifest.require<double>("k1"), .b = manifest.require<double>("b")};
        auto const analyzer = nlohmann::json::parse(manifest.require<detail::JsonObject>("analyzer").json().dump());
        options.analyzer = analyzer_options_from_json(analyzer, manifest.file(), folder.path());
        options.quantize_lengths = manifest.require<bool>("quantize_lengths");
        options.threads = threads;
        return options;
    }

    [[nodiscard]] PostingView view() const noexcept {
        static_assert(sizeof(std::size_t) == sizeof(std::uint64_t), "offsets of the file are those of memory");
        return {documents_.size(), begins_.as<std::size_t>(), postings_.as<Posting>()};
    }

    [[nodiscard]] std::string_view term(std::uint32_t number) const {
        std::span<std::uint64_t const> const ends = term_ends_.as<std::uint64_t>();
        if (number >= ends.size()) { throw folder_.damaged("term_order", "terms of the index", std::to_string(number)); }
        return folder_.cut_text(terms_, number == 0 ? 0 : ends[number - 1], ends[number], "term_ends");
    }

    /// The number of a term, with a list that lies inside of the file.
    [[nodiscard]] std::optional<std::uint32_t> find(std::string_view wanted) const {
        std::span<std::uint32_t const> const order = order_.as<std::uint32_t>();
        auto const at = std::lower_bound(order.begin(), order.end(), wanted,
                                         [this](std::uint32_t number, std::string_view text) { return term(number) < text; });
        if (at == order.end() || term(*at) != wanted) { return std::nullopt; }
        std::span<std::uint64_t const> const begins = begins_.as<std::uint64_t>();
        static_cast<void>(folder_.cut(postings_.as<Posting>(), begins[*at], begins[*at + 1], "list_begins"));
        return *at;
    }

    detail::StoreFolder folder_;
    IndexDocuments documents_;
    Bm25Options options_;
    Analyzer analyzer_;
    detail::FileMap terms_ = {};
    detail::FileMap term_ends_ = {};
    detail::FileMap order_ = {};
    detail::FileMap begins_ = {};
    detail::FileMap postings_ = {};
};

}  // namespace bmae
