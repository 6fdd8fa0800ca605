// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// The files of a token store, version 1.
///
/// A folder of flat little-endian arrays that are mapped into memory, described by `manifest.json`:
///
///     tokens          int32 [T]    content ids of all documents, one after another, without special tokens
///     documents       DocumentRow [D + 1]   where each document starts; the last row holds the ends
///     sentence_ends   uint32 [S]   end of each sentence, in tokens of its document
///     passages        PassageRow [P]        in document order; a passage never crosses a document
///     ids, titles     UTF-8        the documents' names, without separators (the rows hold the starts)
///     continues_word  uint8 [V]    1 where a token continues a word
///     queries         int32        tokens of the documents' queries           (only where there are any)
///     query_ends      uint64 [Q]   end of each query in `queries`             (only where there are any)
///     continuations   int32        tokens of the documents' continuations     (only where there are any)
///     fields          int32        tokens of the documents' named fields      (only where the manifest names fields)
///     field_ends      uint64 [D F] end of each field in `fields`, document by document         (likewise)
///
/// Tokens take four bytes although two would do for most vocabularies: what an Example hands out then points straight into
/// the map, without a copy. The manifest records size and XXH64 of every file and, last, the checksum of itself.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <map>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include <bmae/detail/hash.hpp>
#include <bmae/values/error.hpp>
#include <bmae/values/tokens.hpp>

namespace bmae {

/// How the tokens of a document are laid out in passages of n = max_length - 2 content tokens.
enum class Blocks {
    whole_sentences,   ///< whole sentences as long as they fit; the next one starts the next passage; a sentence over n is split
    as_released,       ///< sentences are appended until n is reached, so a passage may exceed n: its end is cut when it is
                       ///< read, and lost (RetroMAE's released preprocessing)
    whole_document,    ///< one passage per document, whatever its length: windows are cut when it is read (MASTER)
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

/// The kind of a store's queries where each document has its entailment and, in a triplet, its contradiction.
inline constexpr std::string_view inference_queries = "inference";

/// What a store holds, in numbers.
struct TokenStoreStatistics {
    std::uint64_t documents = 0;
    std::uint64_t passages = 0;
    std::uint64_t sentences = 0;
    std::uint64_t tokens = 0;             ///< of the documents
    std::uint64_t unknown_tokens = 0;     ///< of them, those that the vocabulary lacks
    std::uint64_t passage_tokens = 0;     ///< sum over passages
    std::uint64_t longest_passage = 0;    ///< in tokens
    std::uint64_t shortest_passage = 0;   ///< in tokens; 0 where there is no passage
    std::uint64_t queries = 0;
    std::uint64_t query_tokens = 0;
    std::uint64_t continuations = 0;   ///< documents that have one
    std::uint64_t continuation_tokens = 0;
    std::uint64_t empty_documents = 0;   ///< left out because they hold no token

    friend bool operator==(TokenStoreStatistics const&, TokenStoreStatistics const&) = default;
};

namespace detail::store_format {

inline constexpr std::string_view magic = "bmae token store";
inline constexpr int version = 1;

/// Where a document starts in each file; the row after it holds where it ends.
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

struct FileEntry {
    std::uint64_t bytes = 0;
    std::uint64_t checksum = 0;   ///< XXH64
};

/// What manifest.json says.
struct Manifest {
    std::string tokenizer_kind;   ///< "wordpiece", "byte_level_bpe" ...; empty in stores that do not say it
    std::uint64_t fingerprint = 0;
    std::uint64_t vocabulary_size = 0;
    SpecialIds special;
    std::uint64_t max_length = 0;
    std::string blocks;
    double short_probability = 0;
    std::uint64_t seed = 0;
    std::string query_kind;            ///< see TokenStore::query_kind; not in the file where it is empty
    std::vector<std::string> fields;   ///< names of the documents' fields; not in the file where there are none
    TokenStoreStatistics statistics;
    std::map<std::string, FileEntry> files;
};

/// Calls `visit(name, value)` for every number of `s`, so that reading and writing cannot differ.
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

/// The manifest as text: two blanks of indent, its own checksum as the key "checksum".
inline std::string to_text(Manifest const& manifest) {
    nlohmann::ordered_json counts;
    for_each_count(manifest.statistics, [&](char const* name, std::uint64_t value) { counts[name] = value; });
    nlohmann::ordered_json files = nlohmann::ordered_json::object();
    for (auto const& [name, entry] : manifest.files) {
        files[name] = {{"bytes", entry.bytes}, {"xxh64", to_hex(entry.checksum)}};
    }
    SpecialIds const& special = manifest.special;
    nlohmann::ordered_json json = {
        {"format", magic},
        {"version", version},
        {"tokenizer",
         {{"kind", manifest.tokenizer_kind},
          {"fingerprint", to_hex(manifest.fingerprint)},
          {"vocabulary_size", manifest.vocabulary_size},
          {"special_ids",
           {{"pad", special.pad}, {"unk", special.unk}, {"cls", special.cls}, {"sep", special.sep}, {"mask", special.mask}}}}},
        {"options",
         {{"max_length", manifest.max_length},
          {"blocks", manifest.blocks},
          {"short_probability", manifest.short_probability},
          {"seed", manifest.seed}}},
        {"counts", counts},
        {"files", files}};
    if (!manifest.query_kind.empty()) { json["options"]["query_kind"] = manifest.query_kind; }
    if (!manifest.fields.empty()) { json["options"]["fields"] = manifest.fields; }
    json["checksum"] = to_hex(xxh64(json.dump()));
    return json.dump(2) + '\n';
}

/// \throws InputError  where `text` is not what `to_text` wrote, or another version of it
inline Manifest manifest_from(std::string const& text, std::string const& file) {
    auto const refuse = [&](std::string expected, std::string found, std::string hint) {
        return InputError(
            Diagnostic{.file = file, .expected = std::move(expected), .found = std::move(found), .hint = std::move(hint)});
    };
    std::string const again = "Prepare the store again.";
    nlohmann::ordered_json json = nlohmann::ordered_json::parse(text, nullptr, false);
    if (json.is_discarded() || !json.is_object()) {
        throw refuse("the manifest of a token store", "something that is not JSON", again);
    }
    try {
        if (json.value("format", "") != magic) {
            throw refuse("the manifest of a token store", "another JSON file", "Name a folder made by `prepare`.");
        }
        if (json.at("version").get<int>() != version) {
            throw refuse("a token store of version " + std::to_string(version), "version " + json.at("version").dump(),
                         "Prepare the store again with this version of bmae.");
        }
        std::string const checksum = json.at("checksum").get<std::string>();
        nlohmann::ordered_json content = json;
        content.erase("checksum");
        if (checksum != to_hex(xxh64(content.dump())) || json.dump(2) + '\n' != text) {
            throw refuse("an unchanged manifest", "one that does not fit its checksum", again);
        }
        Manifest manifest;
        nlohmann::ordered_json const& tokenizer = json.at("tokenizer");
        manifest.tokenizer_kind = tokenizer.value("kind", "");
        manifest.fingerprint = std::stoull(tokenizer.at("fingerprint").get<std::string>(), nullptr, 16);
        manifest.vocabulary_size = tokenizer.at("vocabulary_size").get<std::uint64_t>();
        nlohmann::ordered_json const& special = tokenizer.at("special_ids");
        manifest.special = {special.at("pad").get<TokenId>(), special.at("unk").get<TokenId>(), special.at("cls").get<TokenId>(),
                            special.at("sep").get<TokenId>(), special.at("mask").get<TokenId>()};
        nlohmann::ordered_json const& options = json.at("options");
        manifest.max_length = options.at("max_length").get<std::uint64_t>();
        manifest.blocks = options.at("blocks").get<std::string>();
        manifest.short_probability = options.at("short_probability").get<double>();
        manifest.seed = options.at("seed").get<std::uint64_t>();
        manifest.query_kind = options.value("query_kind", "");
        manifest.fields = options.value("fields", std::vector<std::string>());
        for_each_count(manifest.statistics,
                       [&](char const* name, std::uint64_t& value) { value = json.at("counts").at(name).get<std::uint64_t>(); });
        for (auto const& [name, entry] : json.at("files").items()) {
            manifest.files[name] = {entry.at("bytes").get<std::uint64_t>(),
                                    std::stoull(entry.at("xxh64").get<std::string>(), nullptr, 16)};
        }
        return manifest;
    } catch (nlohmann::json::exception const& error) {
        throw refuse("the fields of a token store's manifest", error.what(), again);
    } catch (std::logic_error const&) { throw refuse("a checksum of 16 hexadecimal digits", "something else", again); }
}

}  // namespace detail::store_format

}  // namespace bmae
