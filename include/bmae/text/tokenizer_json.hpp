// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// JSON files of tokenizers: values by key with errors that name file and key, and what all tokenizers' files share.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include <bmae/detail/folders.hpp>
#include <bmae/detail/json_text.hpp>
#include <bmae/detail/separate.hpp>
#include <bmae/detail/whole_files.hpp>
#include <bmae/text/bert_normalizer.hpp>
#include <bmae/values/error.hpp>

namespace bmae {

/// The texts of the reserved tokens.
struct SpecialTokens {
    std::string pad = "[PAD]";
    std::string unk = "[UNK]";
    std::string cls = "[CLS]";
    std::string sep = "[SEP]";
    std::string mask = "[MASK]";

    friend bool operator==(SpecialTokens const&, SpecialTokens const&) = default;
};

namespace detail {

using PlainJson = nlohmann::json;
using OrderedJson = nlohmann::ordered_json;   // for writing: reads and finds keys in quadratic time

inline constexpr std::uint64_t largest_tokenizer_file = std::uint64_t{1} << 28;   ///< bytes; the largest known ones have 2^25

/// One JSON file with errors that name the file and the key.
class JsonFile {
public:
    explicit JsonFile(std::filesystem::path path);

    [[nodiscard]] PlainJson const& root() const noexcept { return root_; }
    [[nodiscard]] std::string const& content() const noexcept { return content_; }   ///< the raw bytes
    [[nodiscard]] std::filesystem::path const& path() const noexcept { return path_; }

    [[noreturn]] void refuse(std::string expected, std::string found,
                             std::string hint = "Only BERT's WordPiece tokenizers can be read.") const;

    /// The value of `key`, `fallback` where it is absent or null.
    template <class T>
    [[nodiscard]] T get(PlainJson const& object, char const* key, T fallback) const {
        auto const found = object.is_object() ? object.find(key) : object.end();
        if (!object.is_object() || found == object.end() || found->is_null()) { return fallback; }
        if constexpr (std::is_integral_v<T> && !std::is_same_v<T, bool>) {
            bool const fits = found->is_number_unsigned() && std::in_range<T>(found->template get<std::uint64_t>());
            if (!fits) { refuse("a whole number at \"" + std::string(key) + "\"", kind_of_json(*found), "Fix the file."); }
        }
        try {
            return found->template get<T>();
        } catch (PlainJson::exception const&) {
            refuse("a value of another type at \"" + std::string(key) + "\"", kind_of_json(*found), "Fix the file.");
        }
    }

    [[nodiscard]] PlainJson const& object(PlainJson const& parent, char const* key) const;

private:
    std::filesystem::path path_;
    std::string content_;
    PlainJson root_;
};

/// Names of special tokens as tokenizer_config.json and special_tokens_map.json write them: a string or {"content": string}.
BMAE_INLINE void read_special_tokens(JsonFile const& file, SpecialTokens& special);

/// Maximum tokens of the model; 0: no limit.
BMAE_INLINE std::size_t read_model_max_length(JsonFile const& file, std::size_t fallback);

inline OrderedJson model_max_length_json(std::size_t length) { return length == 0 ? OrderedJson(1e30) : OrderedJson(length); }

/// The options of BERT's normalizer as tokenizer_config.json has them.
BMAE_INLINE BertNormalizerOptions read_configured_normalizer(JsonFile const& file, BertNormalizerOptions options);
/// The options of a BertNormalizer in a tokenizer.json.
BMAE_INLINE BertNormalizerOptions read_bert_normalizer(JsonFile const& file, PlainJson const& normalizer,
                                                       BertNormalizerOptions options = {});

/// Tokens by id from {"token": id}; an id that no token has, between others, is an empty one.
BMAE_INLINE std::vector<std::string> read_json_vocabulary(JsonFile const& file, PlainJson const& vocabulary);

/// Writes files into a folder, or none where one of them exists.
BMAE_INLINE void write_new_files(std::filesystem::path const& folder,
                                 std::vector<std::pair<char const*, std::string>> const& files);

}  // namespace detail
}  // namespace bmae

#if BMAE_DEFINITIONS

namespace bmae::detail {

BMAE_INLINE JsonFile::JsonFile(std::filesystem::path path)
    : path_(std::move(path)),
      content_(read_file(path_, largest_tokenizer_file)),
      root_(parse_json_text<PlainJson>(content_, path_.string(), "Save the tokenizer again or copy the file again.")) {
    if (!root_.is_object()) { refuse("a JSON object", kind_of_json(root_)); }
}

BMAE_INLINE void JsonFile::refuse(std::string expected, std::string found, std::string hint) const {
    throw InputError(
        Diagnostic{.file = path_.string(), .expected = std::move(expected), .found = std::move(found), .hint = std::move(hint)});
}

BMAE_INLINE PlainJson const& JsonFile::object(PlainJson const& parent, char const* key) const {
    auto const found = parent.find(key);
    if (found == parent.end() || !found->is_object()) {
        refuse("an object at \"" + std::string(key) + "\"", found == parent.end() ? "no such key" : kind_of_json(*found));
    }
    return *found;
}

BMAE_INLINE void read_special_tokens(JsonFile const& file, SpecialTokens& special) {
    auto const read = [&](char const* key, std::string& into) {
        auto const found = file.root().find(key);
        if (found == file.root().end() || found->is_null()) { return; }
        into =
            found->is_object() ? file.get<std::string>(*found, "content", into) : file.get<std::string>(file.root(), key, into);
    };
    read("pad_token", special.pad);
    read("unk_token", special.unk);
    read("cls_token", special.cls);
    read("sep_token", special.sep);
    read("mask_token", special.mask);
}

BMAE_INLINE std::size_t read_model_max_length(JsonFile const& file, std::size_t fallback) {
    // "No limit" is written as 1e30, more than an integer holds.
    double const length = file.get(file.root(), "model_max_length", static_cast<double>(fallback));
    return length > 0 && length < 1e9 ? static_cast<std::size_t>(length) : 0;
}

BMAE_INLINE BertNormalizerOptions read_configured_normalizer(JsonFile const& file, BertNormalizerOptions options) {
    PlainJson const& root = file.root();
    options.lower_case = file.get(root, "do_lower_case", true);
    auto const strip = root.find("strip_accents");
    options.strip_accents =
        strip == root.end() || strip->is_null() ? std::nullopt : std::optional(file.get(root, "strip_accents", true));
    options.split_chinese = file.get(root, "tokenize_chinese_chars", true);
    options.clean_text = true;
    return options;
}

BMAE_INLINE BertNormalizerOptions read_bert_normalizer(JsonFile const& file, PlainJson const& normalizer,
                                                       BertNormalizerOptions options) {
    options.clean_text = file.get(normalizer, "clean_text", true);
    options.split_chinese = file.get(normalizer, "handle_chinese_chars", true);
    options.lower_case = file.get(normalizer, "lowercase", true);
    auto const strip = normalizer.find("strip_accents");
    options.strip_accents =
        strip == normalizer.end() || strip->is_null() ? std::nullopt : std::optional(file.get(normalizer, "strip_accents", true));
    return options;
}

BMAE_INLINE std::vector<std::string> read_json_vocabulary(JsonFile const& file, PlainJson const& vocabulary) {
    std::size_t size = vocabulary.size();
    for (auto const& [token, id] : vocabulary.items()) {   // a vocabulary with repeated lines leaves gaps behind
        bool const is_near = id.is_number_unsigned() && id.get<std::uint64_t>() < vocabulary.size() + vocabulary.size() / 8 + 16;
        if (is_near) { size = std::max(size, id.get<std::size_t>() + 1); }
    }
    std::vector<std::string> tokens(size);
    std::vector<bool> seen(size, false);
    for (auto const& [token, id] : vocabulary.items()) {
        if (!id.is_number_unsigned() || id.get<std::uint64_t>() >= tokens.size() || seen[id.get<std::size_t>()]) {
            file.refuse("the ids 0 to " + std::to_string(tokens.size() - 1) + ", each once", "'" + token + "': " + id.dump(),
                        "Use the file that belongs to the model.");
        }
        tokens[id.get<std::size_t>()] = token;
        seen[id.get<std::size_t>()] = true;
    }
    return tokens;
}

BMAE_INLINE void write_new_files(std::filesystem::path const& folder,
                                 std::vector<std::pair<char const*, std::string>> const& files) {
    create_folders(folder);
    for (auto const& [name, content] : files) {
        if (std::filesystem::exists(folder / name)) { throw exists_failure(folder / name, "a file of that name"); }
    }
    for (auto const& [name, content] : files) { write_file(folder / name, content); }
}

}  // namespace bmae::detail

#endif   // BMAE_DEFINITIONS
