// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// The files of a pair store, version 1.
///
/// A folder of flat little-endian arrays that are mapped into memory, described by `manifest.json`:
///
///     texts            int32 [T]            content ids of all texts, one after another, without special tokens
///     text_ends        uint64 [N]           end of each text in `texts`
///     text_ids         UTF-8                names of the texts, without separators; may be empty
///     text_id_ends     uint64 [N]           end of the name of each text in `text_ids`
///     queries          int32                content ids of all queries
///     query_rows       QueryRow [Q + 1]     start of each query in each file; the last row has the ends
///     query_ids        UTF-8                names of the queries, without separators
///     positives        uint32 [P]           numbers of the relevant texts of each query
///     negatives        uint32 [M]           numbers of the hard negatives of each query, the hardest first
///     positive_scores  float32 [P]          teacher's scores of `positives`; NaN: none      (only with a teacher)
///     negative_scores  float32 [M]          likewise, of `negatives`                          (only with a teacher)
///     query_sources    uint32 [Q]           number of the input that each query is of             (only where kept)
///     continues_word   uint8 [V]            1 where a token continues a word
///
/// A store of scored pairs has one positive per query, and as its score how similar the two are: `"labels": "similarity"` in the manifest.
///
/// Texts are numbered in 32 bits; all that counts tokens or bytes has 64. The manifest records size and XXH64 of every file and,
/// last, the checksum of itself.
#pragma once

#include <array>
#include <concepts>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include <bmae/detail/separate.hpp>
#include <bmae/text/store_manifest.hpp>

namespace bmae {

/// Counts of a pair store and of skipped data.
struct PairStoreStatistics {
    std::uint64_t queries = 0;
    std::uint64_t texts = 0;
    std::uint64_t positives = 0;   ///< sum over queries; so below
    std::uint64_t negatives = 0;
    std::uint64_t scores = 0;                      ///< of a teacher: pairs that have one
    std::uint64_t queries_without_negatives = 0;   ///< hard ones; they are part of `queries`
    std::uint64_t queries_with_scores = 0;         ///< at least one
    std::uint64_t query_tokens = 0;
    std::uint64_t text_tokens = 0;
    std::uint64_t unknown_tokens = 0;   ///< of queries and texts, unknown tokens
    std::uint64_t longest_query = 0;    ///< in tokens
    std::uint64_t longest_text = 0;     ///< in tokens

    // Skipped data.
    std::uint64_t queries_without_positives = 0;
    std::uint64_t joined_lines = 0;           ///< further lines of a query, whose texts it got
    std::uint64_t empty_queries = 0;          ///< without a token
    std::uint64_t empty_texts = 0;            ///< without a token
    std::uint64_t equal_texts = 0;            ///< duplicates of an earlier text, which share its number
    std::uint64_t repeated_positives = 0;     ///< duplicate texts of one query
    std::uint64_t repeated_negatives = 0;     ///< likewise
    std::uint64_t relevant_negatives = 0;     ///< negatives that are positives of the same query
    std::uint64_t unknown_positives = 0;      ///< judged texts that the collection lacks or has without a token
    std::uint64_t unknown_negatives = 0;      ///< likewise, of the negatives
    std::uint64_t unknown_queries = 0;        ///< lines of negatives for queries outside the split
    std::uint64_t unused_scores = 0;          ///< a teacher's, of pairs that are not in the store
    std::uint64_t irrelevant_judgments = 0;   ///< of grade 0 or below

    friend bool operator==(PairStoreStatistics const&, PairStoreStatistics const&) = default;
};

/// The meaning of a store's texts and scores.
enum class PairLabels {
    relevance,    ///< texts are relevant or not; scores are a teacher's
    similarity,   ///< each query has one text, and the score of the pair says how similar both are
};

/// Names in command lines and manifests.
constexpr std::array<std::string_view, 2> names_of(PairLabels) noexcept { return {"relevance", "similarity"}; }

namespace detail::pair_format {

inline constexpr StoreKind kind{.magic = "bmae pair store", .name = "pair store", .command = "pairs", .version = 1};

/// Start of a query in each file; the next row has its end.
struct QueryRow {
    std::uint64_t token = 0;
    std::uint64_t positive = 0;
    std::uint64_t negative = 0;
    std::uint64_t id = 0;   ///< byte
};
static_assert(sizeof(QueryRow) == 32 && std::is_trivially_copyable_v<QueryRow>);

/// The content of manifest.json.
struct Manifest : StoreHeader {
    std::string source;   ///< readable description of the sources
    PairLabels labels = PairLabels::relevance;
    bool keeps_sources = false;   ///< there is a file query_sources
    PairStoreStatistics statistics;
    std::string query_prompt = {};   ///< put before every query; empty: none, and in stores of earlier versions nothing is said
    std::string document_prompt = {};   ///< the same before every text
};

/// Calls `visit(name, value)` for every number of `s`, shared by reading and writing.
template <class Statistics, class Visit>
    requires std::same_as<std::remove_const_t<Statistics>, PairStoreStatistics>
void for_each_count(Statistics& s, Visit&& visit) {
    visit("queries", s.queries);
    visit("texts", s.texts);
    visit("positives", s.positives);
    visit("negatives", s.negatives);
    visit("scores", s.scores);
    visit("queries_without_negatives", s.queries_without_negatives);
    visit("queries_with_scores", s.queries_with_scores);
    visit("query_tokens", s.query_tokens);
    visit("text_tokens", s.text_tokens);
    visit("unknown_tokens", s.unknown_tokens);
    visit("longest_query", s.longest_query);
    visit("longest_text", s.longest_text);
    visit("queries_without_positives", s.queries_without_positives);
    visit("joined_lines", s.joined_lines);
    visit("empty_queries", s.empty_queries);
    visit("empty_texts", s.empty_texts);
    visit("equal_texts", s.equal_texts);
    visit("repeated_positives", s.repeated_positives);
    visit("repeated_negatives", s.repeated_negatives);
    visit("relevant_negatives", s.relevant_negatives);
    visit("unknown_positives", s.unknown_positives);
    visit("unknown_negatives", s.unknown_negatives);
    visit("unknown_queries", s.unknown_queries);
    visit("unused_scores", s.unused_scores);
    visit("irrelevant_judgements", s.irrelevant_judgments);   // the key of stored manifests, in their spelling
}

/// The manifest as text: see finish_manifest.
BMAE_INLINE std::string to_text(Manifest const& manifest);

/// \throws InputError  where `text` was not written by `to_text`, or another version of it
BMAE_INLINE Manifest manifest_from(std::string const& text, std::string const& file);

}  // namespace detail::pair_format

}  // namespace bmae

#if BMAE_DEFINITIONS

#include <nlohmann/json.hpp>

#include <bmae/detail/json_text.hpp>

namespace bmae::detail::pair_format {

BMAE_INLINE std::string to_text(Manifest const& manifest) {
    nlohmann::ordered_json counts;
    for_each_count(manifest.statistics, [&](char const* name, std::uint64_t value) { counts[name] = value; });
    nlohmann::ordered_json json = start_manifest(kind, manifest);
    json["source"] = manifest.source;
    if (manifest.labels == PairLabels::similarity) { json["labels"] = "similarity"; }
    json["counts"] = std::move(counts);
    if (!manifest.query_prompt.empty() || !manifest.document_prompt.empty()) {
        json["prompts"] = {{"query", manifest.query_prompt}, {"document", manifest.document_prompt}};
    }
    return finish_manifest(std::move(json), manifest);
}

BMAE_INLINE Manifest manifest_from(std::string const& text, std::string const& file) {
    Manifest manifest;
    read_manifest(text, file, kind, manifest, [&](nlohmann::ordered_json const& json) {
        manifest.source = json.at("source").get<std::string>();
        if (json.contains("labels")) {
            if (json["labels"] != "similarity") { throw std::out_of_range("labels " + json["labels"].dump()); }
            manifest.labels = PairLabels::similarity;
        }
        manifest.keeps_sources = manifest.files.contains("query_sources");
        if (auto const prompts = json.find("prompts"); prompts != json.end()) {
            manifest.query_prompt = prompts->at("query").get<std::string>();
            manifest.document_prompt = prompts->at("document").get<std::string>();
        }
        for_each_count(manifest.statistics, [&](char const* name, std::uint64_t& value) {
            value = whole_number<std::uint64_t>(json.at("counts").at(name), name);
        });
    });
    return manifest;
}

}  // namespace bmae::detail::pair_format

#endif   // BMAE_DEFINITIONS
