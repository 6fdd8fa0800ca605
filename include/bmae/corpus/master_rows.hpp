// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// MASTER's released pre-training rows, one JSON object per line: {"text": [ids], "queries": [[ids], ...], "next": [[ids]]}.
///
/// All ids are of BERT's vocabulary, without [CLS] and final [SEP]. `text` is title, [SEP], body. `next` is not the next passage
/// but the continuation of the text by a language model.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include <bmae/corpus/jsonl.hpp>
#include <bmae/corpus/reading.hpp>
#include <bmae/detail/files.hpp>
#include <bmae/detail/separate.hpp>
#include <bmae/text/token_store_writer.hpp>
#include <bmae/values/error.hpp>
#include <bmae/values/tokens.hpp>

namespace bmae {

/// One row, as ids.
struct MasterRow {
    std::string id = {};                              ///< FILE:LINE: the format has no ids
    std::vector<TokenId> text = {};                   ///< title, [SEP], body
    std::vector<std::vector<TokenId>> queries = {};   ///< generated from the text; released data has ten
    std::vector<TokenId> continuation = {};           ///< the first list of `next`, as MASTER reads it
};

/// The document of a token store for a row: a [SEP] within the text ends a sentence. Empty queries are left out.
BMAE_INLINE TokenizedDocument to_tokenized_document(MasterRow row, TokenTraits const& traits);

/// Reads rows; `queries` and `next` may be missing, other keys are ignored. Blank lines are skipped.
class MasterRowReader {
public:
    /// \param traits       of the vocabulary that the ids belong to
    /// \throws InputError  where a file is missing, or a folder has none
    MasterRowReader(std::span<std::filesystem::path const> inputs, TokenTraits traits, ReadOptions options = {})
        : lines_(inputs, options), traits_(std::move(traits)) {}
    MasterRowReader(std::filesystem::path const& input, TokenTraits traits, ReadOptions options = {})
        : MasterRowReader(std::span(&input, 1), std::move(traits), options) {}

    /// \throws InputError  with file and line, on a malformed row where the policy is to refuse: no list of ids, an id outside
    ///                     the vocabulary, a text that starts with [CLS]
    bool next(MasterRow& row);

    [[nodiscard]] ReadReport const& report() const noexcept { return lines_.report(); }

private:
    bool parse(std::string_view line, MasterRow& row);

    bool parse_ids(nlohmann::json const& value, char const* key, std::vector<TokenId>& ids);

    bool parse_lists(nlohmann::json const& object, char const* key, std::vector<std::vector<TokenId>>& lists);

    static std::string list_of(char const* what, char const* key);

    bool fault(std::string expected, std::string found, std::string hint);

    detail::RecordLines lines_;
    TokenTraits traits_;
};

/// Writes rows for MASTER's own code; the file appears on `commit`.
class MasterRowWriter {
public:
    /// \throws InputError where the file exists or cannot be written
    explicit MasterRowWriter(std::filesystem::path path) : file_(std::move(path)) {}

    void add(MasterRow const& row);
    void commit() { file_.commit(); }

private:
    detail::AtomicFile file_;
};

}  // namespace bmae

#if BMAE_DEFINITIONS

namespace bmae {

BMAE_INLINE TokenizedDocument to_tokenized_document(MasterRow row, TokenTraits const& traits) {
    TokenizedDocument document{
        .id = std::move(row.id), .tokens = std::move(row.text), .continuation = std::move(row.continuation)};
    for (std::size_t i = 0; i < document.tokens.size(); ++i) {
        bool const ends = i + 1 == document.tokens.size() || document.tokens[i] == traits.special().sep;
        if (ends) { document.sentence_ends.push_back(static_cast<std::uint32_t>(i + 1)); }   // the writer refuses 2^32 tokens
    }
    for (std::vector<TokenId>& query : row.queries) {
        if (!query.empty()) { document.queries.push_back(std::move(query)); }
    }
    return document;
}

BMAE_INLINE bool MasterRowReader::next(MasterRow& row) {
    while (lines_.has_file() || lines_.next_file()) {
        for (std::string_view line; lines_.next(line);) {
            if (line.find_first_not_of(" \t") == std::string_view::npos) { continue; }
            if (parse(line, row)) {
                ++lines_.report().records;
                return true;
            }
        }
        if (!lines_.next_file()) { break; }
    }
    return false;
}

BMAE_INLINE bool MasterRowReader::parse(std::string_view line, MasterRow& row) {
    std::string found;
    auto const object = detail::parse_object(line, found);
    if (!object) { return fault("a JSON object", std::move(found), "One object per line; is the last line truncated?"); }
    row = MasterRow{.id = lines_.file().string() + ':' + std::to_string(lines_.line())};
    auto const text = object->find("text");
    if (text == object->end()) { return fault("a key 'text' with token ids", "none", "Rename the key that holds the text."); }
    std::vector<std::vector<TokenId>> written;
    if (!parse_ids(*text, "text", row.text) || !parse_lists(*object, "queries", row.queries) ||
        !parse_lists(*object, "next", written)) {
        return false;
    }
    if (!row.text.empty() && row.text.front() == traits_.special().cls) {
        return fault("a text without [CLS]", "the id of [CLS] at its start",
                     "Drop the outer special ids: they are added when a text is read.");
    }
    if (written.size() > 1) {
        lines_.report().warn(row.id + ": " + std::to_string(written.size()) + " lists under 'next'; the first is read.");
    }
    if (!written.empty()) { row.continuation = std::move(written.front()); }
    return true;
}

BMAE_INLINE bool MasterRowReader::parse_ids(nlohmann::json const& value, char const* key, std::vector<TokenId>& ids) {
    if (!value.is_array()) {
        std::string const hint = value.is_string() ? "Rows of text are read as jsonl." : "";
        return fault(list_of("token ids", key), std::string("a JSON ") + value.type_name(), hint);
    }
    ids.reserve(value.size());
    for (nlohmann::json const& id : value) {
        bool const fits = id.is_number_unsigned() && id.get<std::uint64_t>() < traits_.size();
        if (!fits) {
            std::string const below = "token ids below " + std::to_string(traits_.size());
            return fault(below + " under '" + key + '\'', detail::excerpt(id.dump()), "Use the tokenizer that made the ids.");
        }
        ids.push_back(id.get<TokenId>());
    }
    return true;
}

BMAE_INLINE bool MasterRowReader::parse_lists(nlohmann::json const& object, char const* key,
                                              std::vector<std::vector<TokenId>>& lists) {
    auto const found = object.find(key);
    if (found == object.end() || found->is_null()) { return true; }
    if (!found->is_array()) { return fault(list_of("lists of token ids", key), std::string("a JSON ") + found->type_name(), {}); }
    for (nlohmann::json const& list : *found) {
        if (!parse_ids(list, key, lists.emplace_back())) { return false; }
    }
    return true;
}

BMAE_INLINE std::string MasterRowReader::list_of(char const* what, char const* key) {
    return std::string("a list of ") + what + " under '" + key + '\'';
}

BMAE_INLINE bool MasterRowReader::fault(std::string expected, std::string found, std::string hint) {
    lines_.fault(lines_.diagnostic(std::move(expected), std::move(found), std::move(hint)));
    return false;
}

BMAE_INLINE void MasterRowWriter::add(MasterRow const& row) {
    nlohmann::ordered_json json = {{"text", row.text}, {"queries", row.queries}};
    json["next"] = nlohmann::ordered_json::array({row.continuation});
    file_.write(json.dump() + '\n');
}

}  // namespace bmae

#endif   // BMAE_DEFINITIONS
