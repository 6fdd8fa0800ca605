// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// A prepared dataset of fine-tuning: queries, relevant texts, hard negatives and a teacher's scores as token ids on disk, mapped
/// into memory. See pair_store_format.hpp for the files.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <bmae/concepts/tokenizer.hpp>
#include <bmae/detail/files.hpp>
#include <bmae/detail/hash.hpp>
#include <bmae/detail/separate.hpp>
#include <bmae/text/pair_store_format.hpp>
#include <bmae/text/store_files.hpp>
#include <bmae/text/store_manifest.hpp>
#include <bmae/values/error.hpp>
#include <bmae/values/pair_example.hpp>
#include <bmae/values/tokens.hpp>

namespace bmae {

/// Training queries with their positives and hard negatives, may be larger than memory. Zero-copy: what it
/// returns points into the map and is valid with the store, also where the store is moved. All const members may be called
/// from several threads.
class PairStore {
public:
    /// \throws InputError  naming the file where the folder is no pair store, truncated or changed, or is of another version
    static PairStore open(std::filesystem::path const& folder, Verify verify = Verify::quick);

    [[nodiscard]] std::size_t size() const noexcept { return rows_.size() - 1; }      ///< queries
    [[nodiscard]] std::size_t texts() const noexcept { return all_texts().size(); }   ///< of all queries, and unused ones
    [[nodiscard]] PackedTexts all_texts() const noexcept { return {texts_.as<TokenId>(), text_ends_.as<std::uint64_t>()}; }
    [[nodiscard]] PairStoreStatistics const& statistics() const noexcept { return manifest_.statistics; }
    [[nodiscard]] TokenTraits const& traits() const noexcept { return traits_; }
    [[nodiscard]] std::uint64_t fingerprint() const noexcept { return manifest_.fingerprint; }            ///< of the tokenizer
    [[nodiscard]] std::string_view tokenizer_kind() const noexcept { return manifest_.tokenizer_kind; }   ///< empty: unknown
    [[nodiscard]] std::string_view source() const noexcept { return manifest_.source; }   ///< description of its sources
    [[nodiscard]] std::string const& query_prompt() const noexcept { return manifest_.query_prompt; }         ///< before queries
    [[nodiscard]] std::string const& document_prompt() const noexcept { return manifest_.document_prompt; }   ///< before texts
    [[nodiscard]] std::filesystem::path const& path() const noexcept { return folder_.path(); }

    /// Whether a teacher scored at least one pair: then every example has scores, NaN where not scored.
    [[nodiscard]] bool has_teacher_scores() const noexcept { return manifest_.statistics.scores != 0; }

    /// Whether each query names the input that it is of.
    [[nodiscard]] bool has_sources() const noexcept { return manifest_.keeps_sources; }
    /// Number of the input that query `i` is of. \throws InputError where the store has no sources, or there is no query `i`
    [[nodiscard]] std::size_t source_of(std::size_t i) const;

    /// Whether the store is of scored pairs: one text per query, and as its score how similar both are.
    [[nodiscard]] bool has_similarities() const noexcept { return manifest_.labels == PairLabels::similarity; }

    /// Checksum of the store, from the checksums of its files: a resumed run checks that its data is unchanged.
    [[nodiscard]] std::uint64_t content_hash() const { return detail::content_hash(manifest_).digest(); }

    /// \throws InputError  where there is no query `i`, or its row was changed and points outside
    [[nodiscard]] PairExample example(std::size_t i) const&;
    PairExample example(std::size_t i) const&& = delete;   // it would outlive the store

    [[nodiscard]] std::size_t query_length(std::size_t i) const;
    [[nodiscard]] std::string_view query_id(std::size_t i) const;
    /// As the input names it; of equal texts, the name of the first; empty where the input has none.
    [[nodiscard]] std::string_view text_id(std::size_t i) const;

    /// \param place        of the tokenizer, for the message
    /// \throws InputError  where the store was made with another tokenizer
    template <Tokenizer T>
    void require_tokenizer(T const& tokenizer, std::filesystem::path const& place = {}) const {
        folder_.require_tokenizer(tokenizer, place, manifest_);
    }

private:
    using Row = detail::pair_format::QueryRow;

    PairStore() = default;

    struct Rows {
        Row const& first;
        Row const& last;
    };
    [[nodiscard]] Rows rows_of(std::size_t i) const;
    template <class T>
    std::span<T const> cut(std::span<T const> whole, std::uint64_t begin, std::uint64_t end) const {
        return folder_.cut(whole, begin, end, "query_rows");
    }
    [[nodiscard]] InputError beyond(std::string const& what, std::size_t count, std::size_t found) const;

    void map_files(Verify verify);

    /// Checks the sizes of the files against the counts of the manifest.
    void check_counts() const;

    /// Every row in order and in range, every id in the vocabulary, every number that of a text, every score finite or NaN.
    void check_content() const;

    void check_ends(detail::FileMap const& file, char const* name, std::uint64_t whole, std::uint64_t least) const;

    void check_numbers(std::span<std::uint32_t const> numbers, char const* name, std::size_t query,
                       std::vector<std::uint64_t>& seen) const;

    [[nodiscard]] std::uint64_t check_scores(std::span<float const> scores, char const* name) const;

    detail::StoreFolder folder_;
    detail::pair_format::Manifest manifest_;
    TokenTraits traits_;
    detail::FileMap texts_;
    detail::FileMap text_ends_;
    detail::FileMap text_ids_;
    detail::FileMap text_id_ends_;
    detail::FileMap queries_;
    detail::FileMap query_rows_;
    detail::FileMap query_ids_;
    detail::FileMap positives_;
    detail::FileMap negatives_;
    detail::FileMap positive_scores_;
    detail::FileMap negative_scores_;
    detail::FileMap query_sources_;
    detail::FileMap continues_word_;
    std::span<Row const> rows_;
};

}  // namespace bmae

#if BMAE_DEFINITIONS

namespace bmae {

BMAE_INLINE PairStore PairStore::open(std::filesystem::path const& folder, Verify verify) {
    PairStore store;
    store.folder_ = detail::StoreFolder(folder);
    store.manifest_ = detail::pair_format::manifest_from(store.folder_.manifest(detail::pair_format::kind),
                                                         (folder / "manifest.json").string());
    store.map_files(verify);
    store.check_counts();
    if (verify == Verify::full) { store.check_content(); }
    return store;
}

BMAE_INLINE PairExample PairStore::example(std::size_t i) const& {
    auto const& [first, last] = rows_of(i);
    PairExample example{.id = i,
                        .query = cut(queries_.as<TokenId>(), first.token, last.token),
                        .positives = cut(positives_.as<std::uint32_t>(), first.positive, last.positive),
                        .negatives = cut(negatives_.as<std::uint32_t>(), first.negative, last.negative),
                        .texts = all_texts()};
    if (has_teacher_scores()) {
        example.positive_scores = cut(positive_scores_.as<float>(), first.positive, last.positive);
        example.negative_scores = cut(negative_scores_.as<float>(), first.negative, last.negative);
    }
    return example;
}

BMAE_INLINE std::size_t PairStore::query_length(std::size_t i) const {   ///< tokens of query `i`, before truncation
    auto const& [first, last] = rows_of(i);
    return cut(queries_.as<TokenId>(), first.token, last.token).size();
}

BMAE_INLINE std::string_view PairStore::query_id(std::size_t i) const {   ///< as the input names it, else FILE:LINE
    auto const& [first, last] = rows_of(i);
    return folder_.cut_text(query_ids_, first.id, last.id, "query_rows");
}

BMAE_INLINE std::string_view PairStore::text_id(std::size_t i) const {
    std::span<std::uint64_t const> const ends = text_id_ends_.as<std::uint64_t>();
    if (i >= ends.size()) { throw beyond("a text", ends.size(), i); }
    return folder_.cut_text(text_ids_, i == 0 ? 0 : ends[i - 1], ends[i], "text_id_ends");
}

BMAE_INLINE std::size_t PairStore::source_of(std::size_t i) const {
    if (!has_sources()) {
        throw InputError(Diagnostic{.file = path().string(),
                                    .expected = "queries that name the input they are of, for batches of one source",
                                    .found = "a store without",
                                    .hint = "Make it by `bmae pairs --keep-sources`, or name the files by --data."});
    }
    if (i >= size()) { throw beyond("a query", size(), i); }
    return query_sources_.as<std::uint32_t>()[i];
}

BMAE_INLINE PairStore::Rows PairStore::rows_of(std::size_t i) const {
    if (i >= size()) { throw beyond("a query", size(), i); }
    return {rows_[i], rows_[i + 1]};
}

BMAE_INLINE InputError PairStore::beyond(std::string const& what, std::size_t count, std::size_t found) const {
    return InputError(Diagnostic{
        .file = path().string(), .expected = what + " below " + std::to_string(count), .found = std::to_string(found)});
}

BMAE_INLINE void PairStore::map_files(Verify verify) {
    auto const map = [&](detail::FileMap& file, char const* name) { file = folder_.map(name, manifest_, verify); };
    map(texts_, "texts");
    map(text_ends_, "text_ends");
    map(text_ids_, "text_ids");
    map(text_id_ends_, "text_id_ends");
    map(queries_, "queries");
    map(query_rows_, "query_rows");
    map(query_ids_, "query_ids");
    map(positives_, "positives");
    map(negatives_, "negatives");
    if (has_teacher_scores()) {
        map(positive_scores_, "positive_scores");
        map(negative_scores_, "negative_scores");
    }
    if (has_sources()) { map(query_sources_, "query_sources"); }
    map(continues_word_, "continues_word");
    rows_ = query_rows_.as<Row>();
    traits_ = detail::store_traits(manifest_, continues_word_);
}

BMAE_INLINE void PairStore::check_counts() const {
    PairStoreStatistics const& counts = statistics();
    folder_.check_count(texts_, "texts", counts.text_tokens, sizeof(TokenId));
    folder_.check_count(text_ends_, "text_ends", counts.texts, sizeof(std::uint64_t));
    folder_.check_count(text_id_ends_, "text_id_ends", counts.texts, sizeof(std::uint64_t));
    folder_.check_count(queries_, "queries", counts.query_tokens, sizeof(TokenId));
    if (rows_.empty()) { throw folder_.damaged("query_rows", "at least the row of ends", "an empty file"); }
    folder_.check_count(query_rows_, "query_rows", counts.queries + 1, sizeof(Row));
    folder_.check_count(positives_, "positives", counts.positives, sizeof(std::uint32_t));
    folder_.check_count(negatives_, "negatives", counts.negatives, sizeof(std::uint32_t));
    folder_.check_count(positive_scores_, "positive_scores", has_teacher_scores() ? counts.positives : 0, sizeof(float));
    folder_.check_count(negative_scores_, "negative_scores", has_teacher_scores() ? counts.negatives : 0, sizeof(float));
    folder_.check_count(query_sources_, "query_sources", has_sources() ? counts.queries : 0, sizeof(std::uint32_t));
    folder_.check_count(continues_word_, "continues_word", manifest_.vocabulary_size, 1);
}

BMAE_INLINE void PairStore::check_content() const {
    folder_.check_ids(texts_, "texts", manifest_.vocabulary_size);
    folder_.check_ids(queries_, "queries", manifest_.vocabulary_size);
    check_ends(text_ends_, "text_ends", texts_.size() / sizeof(TokenId), 1);
    check_ends(text_id_ends_, "text_id_ends", text_ids_.size(), 0);
    Row const& ends = rows_.back();
    Row const& begins = rows_.front();
    bool const whole = begins.token == 0 && begins.positive == 0 && begins.negative == 0 && begins.id == 0 &&
                       ends.token == statistics().query_tokens && ends.positive == statistics().positives &&
                       ends.negative == statistics().negatives && ends.id == query_ids_.size();
    if (!whole) { throw folder_.damaged("query_rows", "rows that cover the data", "rows that leave a gap"); }
    std::vector<std::uint64_t> seen(texts(), 0);   // number + 1 of the last query with the text
    std::uint64_t scores = 0;
    for (std::size_t i = 0; i < size(); ++i) {
        PairExample const one = example(i);   // throws where a row points outside
        static_cast<void>(query_id(i));
        if (one.query.empty() || one.positives.empty()) {
            throw folder_.damaged("query_rows", "a query with a token and a positive", "row " + std::to_string(i));
        }
        if (has_similarities() && (one.positives.size() != 1 || !one.negatives.empty())) {
            throw folder_.damaged("query_rows", "one text of each query of a store of scored pairs",
                                  "others of row " + std::to_string(i));
        }
        check_numbers(one.positives, "positives", i, seen);
        check_numbers(one.negatives, "negatives", i, seen);
        scores += check_scores(one.positive_scores, "positive_scores") + check_scores(one.negative_scores, "negative_scores");
    }
    if (scores != statistics().scores) {
        throw folder_.damaged("manifest.json", std::to_string(scores) + " scores, as the files have",
                              std::to_string(statistics().scores));
    }
}

BMAE_INLINE void PairStore::check_ends(detail::FileMap const& file, char const* name, std::uint64_t whole,
                                       std::uint64_t least) const {
    std::uint64_t last = 0;
    for (std::uint64_t const end : file.as<std::uint64_t>()) {
        if (end < last + least || end > whole) {
            throw folder_.damaged(name, "ends in order, up to " + std::to_string(whole),
                                  std::to_string(end) + " after " + std::to_string(last));
        }
        last = end;
    }
    if (last != whole) { throw folder_.damaged(name, "a last end of " + std::to_string(whole), std::to_string(last)); }
}

BMAE_INLINE void PairStore::check_numbers(std::span<std::uint32_t const> numbers, char const* name, std::size_t query,
                                          std::vector<std::uint64_t>& seen) const {
    for (std::uint32_t const number : numbers) {
        if (number >= seen.size()) {
            throw folder_.damaged(name, "numbers of texts below " + std::to_string(seen.size()), std::to_string(number));
        }
        if (seen[number] == query + 1) {
            throw folder_.damaged(name, "every text once per query",
                                  std::to_string(number) + " again for query " + std::to_string(query));
        }
        seen[number] = query + 1;
    }
}

BMAE_INLINE std::uint64_t PairStore::check_scores(std::span<float const> scores, char const* name) const {
    std::uint64_t count = 0;
    for (float const score : scores) {
        if (std::isinf(score)) { throw folder_.damaged(name, "scores that are finite, or NaN for none", "an infinite one"); }
        count += std::isnan(score) ? 0 : 1;
    }
    return count;
}

}  // namespace bmae

#endif   // BMAE_DEFINITIONS
