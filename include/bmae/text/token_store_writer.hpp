// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Writes token stores from token ids: passages are formed here. TokenStoreBuilder builds them from text.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <bmae/concepts/tokenizer.hpp>
#include <bmae/detail/separate.hpp>
#include <bmae/text/store_files.hpp>
#include <bmae/text/token_store_format.hpp>
#include <bmae/text/tokenizer_fingerprint.hpp>
#include <bmae/values/draw.hpp>
#include <bmae/values/error.hpp>
#include <bmae/values/tokens.hpp>

namespace bmae {

/// A document whose texts are token ids already, without special tokens.
struct TokenizedDocument {
    std::string id;
    std::string title = {};                           ///< kept as metadata; not part of the tokens
    std::vector<TokenId> tokens = {};                 ///< all sentences, one after another
    std::vector<std::uint32_t> sentence_ends = {};    ///< end of each sentence in `tokens`; the last one is its size
    std::vector<std::vector<TokenId>> queries = {};   ///< of the whole document: every passage of it has them
    std::vector<TokenId> continuation = {};           ///< continuation of the document: its last passage has it
    std::vector<std::vector<TokenId>> fields = {};    ///< in the order of TokenStoreWriter::fields; none: all are absent
};

/// Options of passages.
struct PassageOptions {
    std::size_t max_length = 512;   ///< of a passage, with [CLS] and [SEP] (RetroMAE: 512 on Wikipedia, 150 on MS MARCO)
    Blocks blocks = Blocks::whole_sentences;
    double short_probability = 0;   ///< of passages with a budget drawn from [3, max_length - 2] (released code: 0)
    std::uint64_t seed = 0;         ///< seed of that draw
};

/// The ranges of a document's passages: [begin, end) in tokens. `document` keys the draw of short budgets.
BMAE_INLINE std::vector<std::pair<std::uint32_t, std::uint32_t>> cut_passages(std::span<std::uint32_t const> sentence_ends,
                                                                              PassageOptions const& options,
                                                                              std::uint64_t document);

/// Writes a token store document by document, in bounded memory. The folder appears only on `finish`.
class TokenStoreWriter {
public:
    /// \param tokenizer    of the ids
    /// \throws InputError  where the folder is not empty or cannot be written, or max_length leaves no room for a token
    template <Tokenizer T>
    TokenStoreWriter(std::filesystem::path const& folder, T const& tokenizer, PassageOptions options = {})
        : TokenStoreWriter(folder, tokenizer.traits(), tokenizer_fingerprint(tokenizer), options) {
        manifest_.tokenizer_kind = tokenizer_kind(tokenizer);
    }

    /// The same without the tokenizer.
    /// \param fingerprint  of it: see tokenizer_fingerprint
    TokenStoreWriter(std::filesystem::path const& folder, TokenTraits traits, std::uint64_t fingerprint,
                     PassageOptions options = {});

    /// Documents without tokens are skipped and counted.
    /// \throws InputError  where an id is outside the vocabulary or the sentence ends do not fit the tokens
    void add(TokenizedDocument const& document);

    /// Sets the kind of the documents' queries: see TokenStore::query_kind.
    void query_kind(std::string_view kind) { manifest_.query_kind = kind; }

    /// Names the fields that documents may have; before the first one is added.
    /// \throws InputError  for an empty or duplicate name
    void fields(std::vector<std::string> const& names);

    [[nodiscard]] TokenStoreStatistics const& statistics() const noexcept { return manifest_.statistics; }
    [[nodiscard]] TokenTraits const& traits() const noexcept { return traits_; }

    /// Completes and renames the store. \throws InputError where no document has a token
    TokenStoreStatistics finish();

private:
    static void check(PassageOptions const& options);

    void check(TokenizedDocument const& document) const;

    /// Where the next document starts, or after the last one the ends.
    void write_row();

    PassageOptions options_;
    TokenTraits traits_;
    detail::StoreFolderWriter files_;
    detail::store_format::Manifest manifest_;
    std::uint64_t id_bytes_ = 0;
    std::uint64_t title_bytes_ = 0;
    std::uint64_t field_tokens_ = 0;
};

}  // namespace bmae

#if BMAE_DEFINITIONS

namespace bmae {

BMAE_INLINE std::vector<std::pair<std::uint32_t, std::uint32_t>> cut_passages(std::span<std::uint32_t const> sentence_ends,
                                                                              PassageOptions const& options,
                                                                              std::uint64_t document) {
    std::vector<std::pair<std::uint32_t, std::uint32_t>> passages;
    std::uint32_t const size = sentence_ends.empty() ? 0 : sentence_ends.back();
    if (size == 0) { return passages; }
    if (options.blocks == Blocks::whole_document) { return {{0, size}}; }
    Draw draw({.seed = options.seed, .example = document});
    constexpr std::size_t limit = std::numeric_limits<std::uint32_t>::max();
    auto const most = static_cast<std::uint32_t>(std::min(options.max_length - 2, limit));
    auto const next_budget = [&] {
        bool const shortened = options.short_probability > 0 && most > 3 && draw.chance(options.short_probability);
        return shortened ? 3 + static_cast<std::uint32_t>(draw.below(most - 2)) : most;
    };
    std::uint32_t begin = 0;    // of the passage being filled
    std::uint32_t filled = 0;   // its end so far
    std::uint32_t budget = next_budget();
    auto const emit = [&](std::uint32_t end) {
        passages.emplace_back(begin, end);
        begin = filled = end;
        budget = next_budget();
    };
    for (std::uint32_t const end : sentence_ends) {
        if (options.blocks == Blocks::as_released) {
            filled = end;
            if (filled - begin >= budget) { emit(end); }
            continue;
        }
        if (end - begin > budget && filled > begin) { emit(filled); }
        while (end - begin > budget) { emit(begin + budget); }   // a sentence longer than a passage
        filled = end;
    }
    if (filled > begin) { passages.emplace_back(begin, filled); }
    return passages;
}

BMAE_INLINE TokenStoreWriter::TokenStoreWriter(std::filesystem::path const& folder, TokenTraits traits, std::uint64_t fingerprint,
                                               PassageOptions options)
    : options_(options),
      traits_(std::move(traits)),
      files_((check(options), folder),
             {"tokens", "documents", "sentence_ends", "passages", "ids", "titles", "queries", "query_ends", "continuations"}) {
    manifest_.fingerprint = fingerprint;
    manifest_.vocabulary_size = traits_.size();
    manifest_.special = traits_.special();
    manifest_.max_length = options.max_length;
    manifest_.blocks = to_string(options.blocks);
    manifest_.short_probability = options.short_probability;
    manifest_.seed = options.seed;
}

BMAE_INLINE void TokenStoreWriter::add(TokenizedDocument const& document) {
    check(document);
    TokenStoreStatistics& counts = manifest_.statistics;
    if (document.tokens.empty()) {
        ++counts.empty_documents;
        return;
    }
    write_row();
    for (auto const& [begin, end] : cut_passages(document.sentence_ends, options_, counts.documents)) {
        files_.put<detail::store_format::PassageRow>("passages", {{counts.documents, begin, end}});
        std::uint64_t const length = end - begin;
        counts.longest_passage = std::max(counts.longest_passage, length);
        counts.shortest_passage = counts.passages == 0 ? length : std::min(counts.shortest_passage, length);
        counts.passage_tokens += length;
        ++counts.passages;
    }
    files_.put<TokenId>("tokens", document.tokens);
    files_.put<std::uint32_t>("sentence_ends", document.sentence_ends);
    files_.put<char>("ids", document.id);
    files_.put<char>("titles", document.title);
    for (std::vector<TokenId> const& query : document.queries) {
        files_.put<TokenId>("queries", query);
        counts.query_tokens += query.size();
        files_.put<std::uint64_t>("query_ends", {counts.query_tokens});
    }
    files_.put<TokenId>("continuations", document.continuation);
    for (std::size_t f = 0; f < manifest_.fields.size(); ++f) {
        std::span<TokenId const> const text = document.fields.empty() ? std::span<TokenId const>() : document.fields[f];
        files_.put<TokenId>("fields", text);
        field_tokens_ += text.size();
        files_.put<std::uint64_t>("field_ends", {field_tokens_});
    }
    ++counts.documents;
    counts.sentences += document.sentence_ends.size();
    counts.tokens += document.tokens.size();
    auto const unknown = std::count(document.tokens.begin(), document.tokens.end(), traits_.special().unk);
    counts.unknown_tokens += static_cast<std::uint64_t>(unknown);
    counts.queries += document.queries.size();
    counts.continuations += document.continuation.empty() ? 0 : 1;
    counts.continuation_tokens += document.continuation.size();
    id_bytes_ += document.id.size();
    title_bytes_ += document.title.size();
}

BMAE_INLINE void TokenStoreWriter::fields(std::vector<std::string> const& names) {
    for (std::size_t f = 0; f < names.size(); ++f) {
        if (!names[f].empty() && std::count(names.begin(), names.end(), names[f]) == 1) { continue; }
        throw InputError(Diagnostic{.file = {},
                                    .expected = "fields with one name each",
                                    .found = "'" + names[f] + (names[f].empty() ? "'" : "' twice"),
                                    .hint = "Name each field of the records once."});
    }
    manifest_.fields = names;
    for (char const* name : {"fields", "field_ends"}) {
        if (!names.empty()) { files_.create(name); }
    }
}

BMAE_INLINE TokenStoreStatistics TokenStoreWriter::finish() {
    TokenStoreStatistics const& counts = manifest_.statistics;
    if (counts.documents == 0) {
        throw InputError(Diagnostic{.file = files_.path().string(),
                                    .expected = "at least one document with a token",
                                    .found = std::to_string(counts.empty_documents) + " empty documents",
                                    .hint = "Check the input files and their format."});
    }
    write_row();
    if (counts.queries == 0) {
        files_.drop("queries");
        files_.drop("query_ends");
    }
    if (counts.continuations == 0) { files_.drop("continuations"); }
    files_.commit(manifest_, traits_, [&] { return detail::store_format::to_text(manifest_); });
    return counts;
}

BMAE_INLINE void TokenStoreWriter::check(PassageOptions const& options) {
    if (options.max_length < 3) {
        throw InputError("max_length: expected at least 3 ([CLS], a token, [SEP]), found " + std::to_string(options.max_length) +
                         '.');
    }
    if (!(options.short_probability >= 0 && options.short_probability <= 1)) {
        throw InputError("short_probability: expected a number from 0 to 1, found " + std::to_string(options.short_probability) +
                         '.');
    }
}

BMAE_INLINE void TokenStoreWriter::check(TokenizedDocument const& document) const {
    auto const refuse = [&](std::string expected, std::string found) {
        return InputError(Diagnostic{.file = "document '" + document.id + "'",
                                     .expected = std::move(expected),
                                     .found = std::move(found),
                                     .hint = "Check that ids are of this tokenizer and sentence ends are in tokens."});
    };
    auto const check_ids = [&](std::span<TokenId const> ids) {
        for (TokenId const id : ids) {
            if (id < 0 || static_cast<std::size_t>(id) >= traits_.size()) {
                throw refuse("token ids from 0 to " + std::to_string(traits_.size()), std::to_string(id));
            }
        }
    };
    check_ids(document.tokens);
    for (auto const& query : document.queries) { check_ids(query); }
    for (auto const& field : document.fields) { check_ids(field); }
    if (!document.fields.empty() && document.fields.size() != manifest_.fields.size()) {
        throw refuse("a text for each of " + std::to_string(manifest_.fields.size()) + " fields, or for none",
                     std::to_string(document.fields.size()));
    }
    check_ids(document.continuation);
    if (document.tokens.size() > std::numeric_limits<std::uint32_t>::max()) {
        throw refuse("a document of less than 2^32 tokens", std::to_string(document.tokens.size()));
    }
    std::uint32_t last = 0;
    for (std::uint32_t const end : document.sentence_ends) {
        if (end <= last) { throw refuse("sorted sentence ends", std::to_string(end) + " after " + std::to_string(last)); }
        last = end;
    }
    if (last != document.tokens.size()) {
        throw refuse("a last sentence end of " + std::to_string(document.tokens.size()), std::to_string(last));
    }
}

BMAE_INLINE void TokenStoreWriter::write_row() {
    TokenStoreStatistics const& counts = manifest_.statistics;
    files_.put<detail::store_format::DocumentRow>("documents", {{counts.tokens, counts.sentences, counts.passages, id_bytes_,
                                                                 title_bytes_, counts.queries, counts.continuation_tokens}});
}

}  // namespace bmae

#endif   // BMAE_DEFINITIONS
