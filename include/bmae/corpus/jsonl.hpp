// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// JSON Lines: one object per line, as in BEIR, Pyserini, Tevatron and RetroMAE's samples.
#pragma once

#include <cstddef>
#include <filesystem>
#include <initializer_list>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include <bmae/corpus/reading.hpp>
#include <bmae/corpus/record.hpp>
#include <bmae/detail/json_text.hpp>
#include <bmae/values/error.hpp>

namespace bmae {

namespace detail {

/// An object of one line, or nothing with the reason in `found`.
inline std::optional<nlohmann::json> parse_object(std::string_view line, std::string& found) {
    JsonOutline const outline = outline_of_json(line);
    if (outline.depth > deepest_json) {
        found = "JSON of " + std::to_string(outline.depth) + " levels, above 64";
        return std::nullopt;
    }
    if (is_crowded(outline, line.size())) {
        found = "JSON of " + std::to_string(outline.values) + " values";
        return std::nullopt;
    }
    try {
        nlohmann::json json = nlohmann::json::parse(line);
        if (count_members(json) != outline.members) {
            found = "the key \"" + key_twice<nlohmann::json>(line).substr(0, 60) + "\" twice";
            return std::nullopt;
        }
        if (json.is_object()) { return json; }
        found = std::string("a JSON ") + json.type_name();
    } catch (nlohmann::json::parse_error const& error) {
        found = excerpt(line) + ", which is not JSON from byte " + std::to_string(error.byte) + " on";
    } catch (nlohmann::json::exception const& error) {   // a number out of range of double
        found = excerpt(line) + ": " + error.what();
    }
    return std::nullopt;
}

/// The first of `keys` that the object has.
inline nlohmann::json const* find_key(nlohmann::json const& object, std::initializer_list<char const*> keys) {
    for (char const* key : keys) {
        if (auto const found = object.find(key); found != object.end()) { return &*found; }
    }
    return nullptr;
}

/// The fine-tuning data that a row is, by its keys: "Tevatron's training data"; empty where it is none.
inline std::string training_data_of(nlohmann::json const& object) {
    auto const has = [&](char const* key) { return object.contains(key); };
    if (has("positive_ctxs")) { return "DPR's training data"; }
    if (has("positive_passages") || has("positive_document_ids")) { return "Tevatron's training data"; }
    if (has("pos") || has("neg")) { return has("query") ? "FlagEmbedding's training data" : "a dump of hard negatives"; }
    if (has("gold_label")) { return "SNLI or MNLI"; }
    bool const pair = has("sentence1") && has("sentence2");
    return pair || has("anchor") || has("positive") || has("positives") ? "Sentence Transformers' training data" : "";
}

}  // namespace detail

/// Reads `{"_id", "title", "text"}` and variants. Blank lines are skipped.
///
///   - text: `text`, `contents`, `content`, `document_text` or `query`; required, a string
///   - id: `_id`, `id`, `docid`, `text_id` or `query_id`; a string or an integer, which becomes a string; where no line has one,
///     the id is FILE:LINE
///   - `title`, `continuation`: a string; absent or null is empty.  `queries`: a list of strings
class JsonlReader {
public:
    /// \param fields       further keys to read, strings each: they become `Record::fields` in this order
    /// \throws InputError  where a file is missing, or a folder has none
    explicit JsonlReader(std::span<std::filesystem::path const> inputs, ReadOptions options = {},
                         std::vector<std::string> fields = {})
        : lines_(inputs, options), fields_(std::move(fields)) {}
    explicit JsonlReader(std::filesystem::path const& input, ReadOptions options = {}, std::vector<std::string> fields = {})
        : JsonlReader(std::span(&input, 1), options, std::move(fields)) {}

    /// \throws InputError  on a malformed line where the policy is to refuse
    bool next(Record& record) {
        while (lines_.has_file() || lines_.next_file()) {
            for (std::string_view line; lines_.next(line);) {
                if (line.find_first_not_of(" \t") == std::string_view::npos) { continue; }
                if (parse(line, record) && lines_.accept(record)) { return true; }
            }
            if (!lines_.next_file()) { break; }
        }
        return false;
    }

    [[nodiscard]] ReadReport const& report() const noexcept { return lines_.report(); }

private:
    bool parse(std::string_view line, Record& record) {
        std::string found;
        auto const object = detail::parse_object(line, found);
        if (!object) { return fault("a JSON object", std::move(found), "One object per line; is the last line truncated?"); }
        record = Record{.id = {}, .line = lines_.line()};
        nlohmann::json const* text = detail::find_key(*object, {"text", "contents", "content", "document_text"});
        if (text == nullptr) {
            if (std::string const data = detail::training_data_of(*object); !data.empty()) {
                return fault("a row with a text, at 'text' or 'contents'", "a row of " + data + " with " + keys_of(*object),
                             data == "SNLI or MNLI" ? "`bmae prepare --format nli` reads it."
                                                    : "`bmae finetune --data` and `bmae pairs --input` read it.");
            }
            text = detail::find_key(*object, {"query"});
        }
        if (text == nullptr) {
            return fault("a key 'text' or 'contents'", keys_of(*object), "Rename the key that holds the text.");
        }
        if (!text->is_string()) { return fault("a string as text", std::string("a JSON ") + text->type_name(), {}); }
        record.text = text->get<std::string>();
        record.fields.resize(fields_.size());
        for (std::size_t f = 0; f < fields_.size(); ++f) {
            if (!parse_string(*object, fields_[f].c_str(), record.fields[f])) { return false; }
        }
        return parse_id(*object, record) && parse_string(*object, "title", record.title) &&
               parse_string(*object, "continuation", record.continuation) && parse_queries(*object, record);
    }

    bool parse_id(nlohmann::json const& object, Record& record) {
        nlohmann::json const* const id = detail::find_key(object, {"_id", "id", "docid", "text_id", "query_id"});
        if (id == nullptr) {
            record.id = lines_.file().string() + ':' + std::to_string(record.line);
        } else if (id->is_string()) {
            record.id = id->get<std::string>();
        } else if (id->is_number_integer()) {
            record.id = id->dump();
        } else {
            return fault("an id that is a string or an integer", std::string("a JSON ") + id->type_name(), {});
        }
        return true;
    }

    bool parse_string(nlohmann::json const& object, char const* key, std::string& value) {
        auto const found = object.find(key);
        if (found == object.end() || found->is_null()) { return true; }
        if (!found->is_string()) {
            return fault(std::string("a string as ") + key, std::string("a JSON ") + found->type_name(), {});
        }
        value = found->get<std::string>();
        return true;
    }

    bool parse_queries(nlohmann::json const& object, Record& record) {
        auto const found = object.find("queries");
        if (found == object.end() || found->is_null()) { return true; }
        if (!found->is_array()) { return fault("a list of strings as queries", std::string("a JSON ") + found->type_name(), {}); }
        for (nlohmann::json const& query : *found) {
            if (!query.is_string()) {
                return fault("a list of strings as queries", std::string("a JSON ") + query.type_name(), {});
            }
            record.queries.push_back(query.get<std::string>());
        }
        return true;
    }

    static std::string keys_of(nlohmann::json const& object) {
        std::string keys;
        for (auto const& [key, value] : object.items()) { keys += (keys.empty() ? "" : ", ") + key; }
        return keys.empty() ? "no key" : "the keys " + detail::excerpt(keys);
    }

    bool fault(std::string expected, std::string found, std::string hint) {
        lines_.fault(lines_.diagnostic(std::move(expected), std::move(found), std::move(hint)));
        return false;
    }

    detail::RecordLines lines_;
    std::vector<std::string> fields_;
};

static_assert(RecordReader<JsonlReader>);

}  // namespace bmae
