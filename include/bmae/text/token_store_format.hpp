// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// The files of a token store, version 1.
///
/// A folder of flat little-endian arrays that are mapped into memory, described by `manifest.json`:
///
///     tokens          int32 [T]    content ids of all documents, one after another, without special tokens
///     documents       DocumentRow [D + 1]   start of each document; the last row has the ends
///     sentence_ends   uint32 [S]   end of each sentence, in tokens of its document
///     passages        PassageRow [P]        in document order; a passage never crosses a document
///     ids, titles     UTF-8        the documents' names, without separators (the rows have the starts)
///     continues_word  uint8 [V]    1 where a token continues a word
///     queries         int32        tokens of the documents' queries           (only where there are any)
///     query_ends      uint64 [Q]   end of each query in `queries`             (only where there are any)
///     continuations   int32        tokens of the documents' continuations     (only where there are any)
///     fields          int32        tokens of the documents' named fields      (only where the manifest names fields)
///     field_ends      uint64 [D F] end of each field in `fields`, document by document         (likewise)
///
/// Tokens take four bytes although two would do for most vocabularies: the spans of an Example then point directly into
/// the map, without a copy. The manifest records size and XXH64 of every file and, last, the checksum of itself.
#pragma once

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <bmae/detail/separate.hpp>
#include <bmae/text/store_manifest.hpp>

namespace bmae {

/// How the tokens of a document are split into passages of n = max_length - 2 content tokens.
enum class Blocks {
    whole_sentences,   ///< whole sentences as long as they fit; the next one starts the next passage; a sentence over n is split
    as_released,       ///< sentences are appended until n is reached, so a passage may exceed n: its end is cut when it is
                       ///< read (RetroMAE's released preprocessing)
    whole_document,    ///< one passage per document, of any length: windows are drawn when it is read (MASTER)
};

/// The names that manifests and command lines use.
constexpr std::string_view to_string(Blocks blocks) noexcept {
    switch (blocks) {
        case Blocks::as_released:
            return "as_released";
        case Blocks::whole_document:
            return "whole_document";
        case Blocks::whole_sentences:
            break;
    }
    return "whole_sentences";
}

/// The query kind of a store in which each document has its entailment and, in a triplet, its contradiction.
inline constexpr std::string_view inference_queries = "inference";

/// Counts of a store.
struct TokenStoreStatistics {
    std::uint64_t documents = 0;
    std::uint64_t passages = 0;
    std::uint64_t sentences = 0;
    std::uint64_t tokens = 0;             ///< of the documents
    std::uint64_t unknown_tokens = 0;     ///< of them, unknown tokens
    std::uint64_t passage_tokens = 0;     ///< sum over passages
    std::uint64_t longest_passage = 0;    ///< in tokens
    std::uint64_t shortest_passage = 0;   ///< in tokens; 0 where there is no passage
    std::uint64_t queries = 0;
    std::uint64_t query_tokens = 0;
    std::uint64_t continuations = 0;   ///< documents that have one
    std::uint64_t continuation_tokens = 0;
    std::uint64_t empty_documents = 0;   ///< skipped: documents without tokens

    friend bool operator==(TokenStoreStatistics const&, TokenStoreStatistics const&) = default;
};

namespace detail::store_format {

inline constexpr StoreKind kind{.magic = "bmae token store", .name = "token store", .command = "prepare", .version = 1};

/// Start of a document in each file; the next row has its end.
struct DocumentRow {
    std::uint64_t token = 0;
    std::uint64_t sentence = 0;
    std::uint64_t passage = 0;
    std::uint64_t id = 0;      ///< byte
    std::uint64_t title = 0;   ///< byte
    std::uint64_t query = 0;
    std::uint64_t continuation = 0;   ///< token
};
static_assert(sizeof(DocumentRow) == 56 && std::is_trivially_copyable_v<DocumentRow>);

/// A range of a document's tokens.
struct PassageRow {
    std::uint64_t document = 0;
    std::uint32_t begin = 0;
    std::uint32_t end = 0;
};
static_assert(sizeof(PassageRow) == 16 && std::is_trivially_copyable_v<PassageRow>);

/// The content of manifest.json.
struct Manifest : StoreHeader {
    std::uint64_t max_length = 0;
    std::string blocks;
    double short_probability = 0;
    std::uint64_t seed = 0;
    std::string query_kind;            ///< see TokenStore::query_kind; not in the file where it is empty
    std::vector<std::string> fields;   ///< names of the documents' fields; not in the file where there are none
    TokenStoreStatistics statistics;
};

/// Calls `visit(name, value)` for every number of `s`, shared by reading and writing.
template <class Statistics, class Visit>
    requires std::same_as<std::remove_const_t<Statistics>, TokenStoreStatistics>
void for_each_count(Statistics& s, Visit&& visit) {
    visit("documents", s.documents);
    visit("passages", s.passages);
    visit("sentences", s.sentences);
    visit("tokens", s.tokens);
    visit("unknown_tokens", s.unknown_tokens);
    visit("passage_tokens", s.passage_tokens);
    visit("longest_passage", s.longest_passage);
    visit("shortest_passage", s.shortest_passage);
    visit("queries", s.queries);
    visit("query_tokens", s.query_tokens);
    visit("continuations", s.continuations);
    visit("continuation_tokens", s.continuation_tokens);
    visit("empty_documents", s.empty_documents);
}

/// The manifest as text: see finish_manifest.
BMAE_INLINE std::string to_text(Manifest const& manifest);

/// \throws InputError  where `text` was not written by `to_text`, or another version of it
BMAE_INLINE Manifest manifest_from(std::string const& text, std::string const& file);

}  // namespace detail::store_format

}  // namespace bmae

#if BMAE_DEFINITIONS

#include <nlohmann/json.hpp>

#include <bmae/detail/json_text.hpp>

namespace bmae::detail::store_format {

BMAE_INLINE std::string to_text(Manifest const& manifest) {
    nlohmann::ordered_json counts;
    for_each_count(manifest.statistics, [&](char const* name, std::uint64_t value) { counts[name] = value; });
    nlohmann::ordered_json json = start_manifest(kind, manifest);
    json["options"] = {{"max_length", manifest.max_length},
                       {"blocks", manifest.blocks},
                       {"short_probability", manifest.short_probability},
                       {"seed", manifest.seed}};
    if (!manifest.query_kind.empty()) { json["options"]["query_kind"] = manifest.query_kind; }
    if (!manifest.fields.empty()) { json["options"]["fields"] = manifest.fields; }
    json["counts"] = std::move(counts);
    return finish_manifest(std::move(json), manifest);
}

BMAE_INLINE Manifest manifest_from(std::string const& text, std::string const& file) {
    Manifest manifest;
    read_manifest(text, file, kind, manifest, [&](nlohmann::ordered_json const& json) {
        nlohmann::ordered_json const& options = json.at("options");
        manifest.max_length = whole_number<std::uint64_t>(options.at("max_length"), "max_length");
        manifest.blocks = options.at("blocks").get<std::string>();
        auto const names = {Blocks::whole_sentences, Blocks::as_released, Blocks::whole_document};
        bool const is_known = std::ranges::any_of(names, [&](Blocks blocks) { return manifest.blocks == to_string(blocks); });
        if (!is_known) { throw std::out_of_range("\"blocks\": \"" + manifest.blocks.substr(0, 60) + '"'); }
        if (manifest.max_length < 3) { throw std::out_of_range("\"max_length\": " + std::to_string(manifest.max_length)); }
        manifest.short_probability = finite_number(options.at("short_probability"), "short_probability");
        manifest.seed = whole_number<std::uint64_t>(options.at("seed"), "seed");
        manifest.query_kind = options.value("query_kind", "");
        manifest.fields = options.value("fields", std::vector<std::string>());
        for_each_count(manifest.statistics, [&](char const* name, std::uint64_t& value) {
            value = whole_number<std::uint64_t>(json.at("counts").at(name), name);
        });
    });
    return manifest;
}

}  // namespace bmae::detail::store_format

#endif   // BMAE_DEFINITIONS
