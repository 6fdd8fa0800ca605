// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// The files of a WordPiece tokenizer: vocab.txt, and the tokenizer.json, tokenizer_config.json and
/// special_tokens_map.json of a HuggingFace folder.
#pragma once

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
#include <bmae/text/vocabulary.hpp>
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

/// The options of a WordPiece tokenizer. The defaults are those of bert-base-uncased.
struct WordPieceOptions {
    BertNormalizerOptions normalizer = {};
    SpecialTokens special = {};
    std::vector<std::string> extra_special = {};   ///< further special tokens that are recognized in raw text
    std::string continuation = "##";               ///< prefix of a piece that continues a word
    std::size_t max_word_characters = 100;         ///< a longer word is [UNK], counted after normalization
    std::size_t model_max_length = 512;   ///< maximum tokens of the model; written to and read from the folder, not enforced

    friend bool operator==(WordPieceOptions const&, WordPieceOptions const&) = default;
};

/// The content of the files: enough to build a WordPiece.
struct WordPieceDescription {
    std::vector<std::string> tokens = {};   ///< [V]
    WordPieceOptions options = {};
    std::string file = {};   ///< source, for errors
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

BMAE_INLINE void read_tokenizer_config(JsonFile const& file, WordPieceOptions& options, bool with_normalizer);

/// The tokens that the post-processor adds to a text; refuses all but [CLS] A [SEP] and [CLS] A [SEP] B [SEP].
BMAE_INLINE void read_post_processor(JsonFile const& file, SpecialTokens& special);

/// Tokens by id from {"token": id}.
BMAE_INLINE std::vector<std::string> read_json_vocabulary(JsonFile const& file, PlainJson const& vocabulary);

BMAE_INLINE void read_added_tokens(JsonFile const& file, WordPieceDescription& description);

}  // namespace detail

/// Reads a tokenizer.json. Its padding and truncation are not applied: the caller sets the maximum length.
/// \throws InputError  where it is not a BERT WordPiece tokenizer, so that tokenization never differs from the file
BMAE_INLINE WordPieceDescription read_tokenizer_json(std::filesystem::path const& path, WordPieceOptions options = {});

/// Reads a vocab.txt, a tokenizer.json or a HuggingFace folder with either (tokenizer.json is preferred).
/// \param options  used for a vocab.txt alone; the files of a folder override them
BMAE_INLINE WordPieceDescription read_tokenizer(std::filesystem::path const& path, WordPieceOptions options = {});

namespace detail {

BMAE_INLINE OrderedJson tokenizer_json(WordPieceDescription const& description);

/// Writes files into a folder, or none where one of them exists.
BMAE_INLINE void write_new_files(std::filesystem::path const& folder,
                                 std::vector<std::pair<char const*, std::string>> const& files);

BMAE_INLINE OrderedJson special_tokens_json(WordPieceDescription const& description);

}  // namespace detail

/// Writes vocab.txt, tokenizer.json, tokenizer_config.json and special_tokens_map.json, which transformers and
/// sentence-transformers load. Each file appears atomically; none is overwritten.
/// \throws InputError  where one of the files exists, or a token contains a line end, which vocab.txt cannot represent
BMAE_INLINE void write_tokenizer(WordPieceDescription const& description, std::filesystem::path const& folder);

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

BMAE_INLINE void read_tokenizer_config(JsonFile const& file, WordPieceOptions& options, bool with_normalizer) {
    PlainJson const& root = file.root();
    if (with_normalizer) {
        options.normalizer.lower_case = file.get(root, "do_lower_case", true);
        auto const strip = root.find("strip_accents");
        options.normalizer.strip_accents =
            strip == root.end() || strip->is_null() ? std::nullopt : std::optional(file.get(root, "strip_accents", true));
        options.normalizer.split_chinese = file.get(root, "tokenize_chinese_chars", true);
    }
    options.model_max_length = read_model_max_length(file, options.model_max_length);
    read_special_tokens(file, options.special);
}

BMAE_INLINE void read_post_processor(JsonFile const& file, SpecialTokens& special) {
    auto const found = file.root().find("post_processor");
    if (found == file.root().end() || found->is_null()) { file.refuse("a post_processor that adds [CLS] and [SEP]", "none"); }
    PlainJson const& processor = *found;
    auto const type = file.get<std::string>(processor, "type", "");
    if (type == "BertProcessing") {
        try {
            special.sep = processor.at("sep").at(0).get<std::string>();
            special.cls = processor.at("cls").at(0).get<std::string>();
        } catch (PlainJson::exception const&) { file.refuse("\"sep\" and \"cls\" of BertProcessing", "another form"); }
        return;
    }
    if (type != "TemplateProcessing") {
        file.refuse("the post_processor TemplateProcessing or BertProcessing", '"' + type + '"');
    }
    try {
        PlainJson const& single = processor.at("single");
        special.cls = single.at(0).at("SpecialToken").at("id").get<std::string>();
        special.sep = single.at(2).at("SpecialToken").at("id").get<std::string>();
        auto const token = [](std::string const& id, int type_id) {
            return PlainJson{{"SpecialToken", {{"id", id}, {"type_id", type_id}}}};
        };
        auto const text = [](char const* id, int type_id) { return PlainJson{{"Sequence", {{"id", id}, {"type_id", type_id}}}}; };
        PlainJson const one = {token(special.cls, 0), text("A", 0), token(special.sep, 0)};
        PlainJson two = one;
        two.push_back(text("B", 1));
        two.push_back(token(special.sep, 1));
        if (single != one || processor.at("pair") != two) {
            file.refuse("the template [CLS] A [SEP] B [SEP]", processor.dump().substr(0, 200));
        }
    } catch (PlainJson::exception const&) { file.refuse("the template [CLS] A [SEP] B [SEP]", processor.dump().substr(0, 200)); }
}

BMAE_INLINE std::vector<std::string> read_json_vocabulary(JsonFile const& file, PlainJson const& vocabulary) {
    std::vector<std::string> tokens(vocabulary.size());
    std::vector<bool> seen(vocabulary.size(), false);
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

BMAE_INLINE void read_added_tokens(JsonFile const& file, WordPieceDescription& description) {
    auto const added = file.root().find("added_tokens");
    if (added == file.root().end() || !added->is_array()) { return; }
    for (PlainJson const& entry : *added) {
        auto const content = file.get<std::string>(entry, "content", "");
        auto const id = file.get<std::size_t>(entry, "id", std::size_t{0});
        for (char const* const flag : {"single_word", "lstrip", "rstrip", "normalized"}) {
            if (file.get(entry, flag, false)) {
                file.refuse("\"" + std::string(flag) + "\": false for the added token '" + content + "'", "true",
                            "Save the token without it.");
            }
        }
        if (id == description.tokens.size()) { description.tokens.push_back(content); }
        if (id >= description.tokens.size() || description.tokens[id] != content) {
            file.refuse("the added token '" + content + "' with its id in the vocabulary", "id " + std::to_string(id),
                        "Fix the file.");
        }
        SpecialTokens const& special = description.options.special;
        bool const is_known = content == special.pad || content == special.unk || content == special.cls ||
                              content == special.sep || content == special.mask;
        if (!is_known) { description.options.extra_special.push_back(content); }
    }
}

BMAE_INLINE OrderedJson tokenizer_json(WordPieceDescription const& description) {
    WordPieceOptions const& options = description.options;
    SpecialTokens const& special = options.special;
    auto const id = [&](std::string const& token) {
        auto const found = std::find(description.tokens.begin(), description.tokens.end(), token);
        return static_cast<std::size_t>(found - description.tokens.begin());
    };
    auto const token = [](std::string const& name, int type_id) {
        return OrderedJson{{"SpecialToken", {{"id", name}, {"type_id", type_id}}}};
    };
    auto const text = [](char const* name, int type_id) {
        return OrderedJson{{"Sequence", {{"id", name}, {"type_id", type_id}}}};
    };
    auto const ids = [&](std::string const& name) {
        return OrderedJson{{"id", name}, {"ids", OrderedJson::array({id(name)})}, {"tokens", OrderedJson::array({name})}};
    };
    std::vector<std::string> reserved{special.pad, special.unk, special.cls, special.sep, special.mask};
    reserved.insert(reserved.end(), options.extra_special.begin(), options.extra_special.end());
    std::vector<std::pair<std::size_t, std::string>> added;
    for (std::string const& name : reserved) {
        if (id(name) < description.tokens.size()) { added.emplace_back(id(name), name); }
    }
    std::sort(added.begin(), added.end());
    added.erase(std::unique(added.begin(), added.end()), added.end());
    OrderedJson added_tokens = OrderedJson::array();
    for (auto const& [number, content] : added) {
        added_tokens.push_back({{"id", number},
                                {"content", content},
                                {"single_word", false},
                                {"lstrip", false},
                                {"rstrip", false},
                                {"normalized", false},
                                {"special", true}});
    }
    OrderedJson vocabulary = OrderedJson::object();
    auto& entries = vocabulary.get_ref<OrderedJson::object_t&>();
    entries.reserve(description.tokens.size());   // filled directly: an ordered object searches all its keys at each insertion
    for (std::size_t i = 0; i < description.tokens.size(); ++i) {
        static_cast<std::vector<OrderedJson::object_t::value_type>&>(entries).emplace_back(description.tokens[i], i);
    }
    BertNormalizerOptions const& normalizer = options.normalizer;
    OrderedJson file = {
        {"version", "1.0"},
        {"truncation", nullptr},
        {"padding", nullptr},
        {"added_tokens", std::move(added_tokens)},
        {"normalizer",
         {{"type", "BertNormalizer"},
          {"clean_text", normalizer.clean_text},
          {"handle_chinese_chars", normalizer.split_chinese},
          {"strip_accents", normalizer.strip_accents ? OrderedJson(*normalizer.strip_accents) : OrderedJson(nullptr)},
          {"lowercase", normalizer.lower_case}}},
        {"pre_tokenizer", {{"type", "BertPreTokenizer"}}},
        {"post_processor",
         {{"type", "TemplateProcessing"},
          {"single", OrderedJson::array({token(special.cls, 0), text("A", 0), token(special.sep, 0)})},
          {"pair",
           OrderedJson::array({token(special.cls, 0), text("A", 0), token(special.sep, 0), text("B", 1), token(special.sep, 1)})},
          {"special_tokens", {{special.cls, ids(special.cls)}, {special.sep, ids(special.sep)}}}}},
        {"decoder", {{"type", "WordPiece"}, {"prefix", options.continuation}, {"cleanup", true}}},
        {"model",
         {{"type", "WordPiece"},
          {"unk_token", special.unk},
          {"continuing_subword_prefix", options.continuation},
          {"max_input_chars_per_word", options.max_word_characters}}}};
    file["model"]["vocab"] = std::move(vocabulary);
    return file;
}

BMAE_INLINE void write_new_files(std::filesystem::path const& folder,
                                 std::vector<std::pair<char const*, std::string>> const& files) {
    create_folders(folder);
    for (auto const& [name, content] : files) {
        if (std::filesystem::exists(folder / name)) { throw exists_failure(folder / name, "a file of that name"); }
    }
    for (auto const& [name, content] : files) { write_file(folder / name, content); }
}

BMAE_INLINE OrderedJson special_tokens_json(WordPieceDescription const& description) {
    SpecialTokens const& special = description.options.special;
    OrderedJson map = OrderedJson::object();
    for (auto const& [key, token] :
         {std::pair{"unk_token", &special.unk}, std::pair{"sep_token", &special.sep}, std::pair{"pad_token", &special.pad},
          std::pair{"cls_token", &special.cls}, std::pair{"mask_token", &special.mask}}) {
        if (std::find(description.tokens.begin(), description.tokens.end(), *token) != description.tokens.end()) {
            map[key] = *token;
        }
    }
    return map;
}

}  // namespace bmae::detail

namespace bmae {

BMAE_INLINE WordPieceDescription read_tokenizer_json(std::filesystem::path const& path, WordPieceOptions options) {
    detail::JsonFile const file(path);
    WordPieceDescription description{.options = std::move(options), .file = path.string()};
    WordPieceOptions& read = description.options;
    detail::PlainJson const& model = file.object(file.root(), "model");
    auto const type = file.get<std::string>(model, "type", "WordPiece");   // older files do not name it
    if (type != "WordPiece") { file.refuse("a model of type WordPiece", '"' + type + '"'); }
    read.special.unk = file.get(model, "unk_token", read.special.unk);
    read.continuation = file.get(model, "continuing_subword_prefix", read.continuation);
    read.max_word_characters = file.get(model, "max_input_chars_per_word", read.max_word_characters);
    description.tokens = detail::read_json_vocabulary(file, file.object(model, "vocab"));

    detail::PlainJson const& normalizer = file.object(file.root(), "normalizer");
    if (file.get<std::string>(normalizer, "type", "") != "BertNormalizer") {
        file.refuse("the normalizer BertNormalizer", normalizer.dump().substr(0, 60));
    }
    read.normalizer.clean_text = file.get(normalizer, "clean_text", true);
    read.normalizer.split_chinese = file.get(normalizer, "handle_chinese_chars", true);
    read.normalizer.lower_case = file.get(normalizer, "lowercase", true);
    auto const strip = normalizer.find("strip_accents");
    read.normalizer.strip_accents =
        strip == normalizer.end() || strip->is_null() ? std::nullopt : std::optional(file.get(normalizer, "strip_accents", true));
    detail::PlainJson const& splitter = file.object(file.root(), "pre_tokenizer");
    if (file.get<std::string>(splitter, "type", "") != "BertPreTokenizer") {
        file.refuse("the pre_tokenizer BertPreTokenizer", splitter.dump().substr(0, 60));
    }
    detail::read_post_processor(file, read.special);
    detail::read_added_tokens(file, description);
    return description;
}

BMAE_INLINE WordPieceDescription read_tokenizer(std::filesystem::path const& path, WordPieceOptions options) {
    if (!std::filesystem::is_directory(path)) {
        if (path.extension() == ".json") { return read_tokenizer_json(path, std::move(options)); }
        return {.tokens = detail::read_vocabulary_lines(path.string()), .options = std::move(options), .file = path.string()};
    }
    bool const has_json = std::filesystem::exists(path / "tokenizer.json");
    if (std::filesystem::exists(path / "special_tokens_map.json")) {
        detail::read_special_tokens(detail::JsonFile(path / "special_tokens_map.json"), options.special);
    }
    if (std::filesystem::exists(path / "tokenizer_config.json")) {
        detail::read_tokenizer_config(detail::JsonFile(path / "tokenizer_config.json"), options, !has_json);
    }
    if (has_json) { return read_tokenizer_json(path / "tokenizer.json", std::move(options)); }
    if (!std::filesystem::exists(path / "vocab.txt")) {
        throw InputError(Diagnostic{.file = path.string(),
                                    .expected = "a tokenizer.json or a vocab.txt",
                                    .found = "neither",
                                    .hint = "Name the folder of a BERT model."});
    }
    return {.tokens = detail::read_vocabulary_lines((path / "vocab.txt").string()),
            .options = std::move(options),
            .file = (path / "vocab.txt").string()};
}

BMAE_INLINE void write_tokenizer(WordPieceDescription const& description, std::filesystem::path const& folder) {
    std::string vocabulary;
    for (std::string const& token : description.tokens) {
        if (token.find('\n') != std::string::npos || token.ends_with('\r')) {
            throw InputError(Diagnostic{.file = (folder / "vocab.txt").string(),
                                        .expected = "tokens without line ends",
                                        .found = "'" + token + "'",
                                        .hint = "Remove the token from the vocabulary."});
        }
        vocabulary += token + '\n';
    }
    WordPieceOptions const& options = description.options;
    detail::OrderedJson config = {
        {"tokenizer_class", "BertTokenizer"},
        {"do_lower_case", options.normalizer.lower_case},
        {"strip_accents", options.normalizer.strip_accents ? detail::OrderedJson(*options.normalizer.strip_accents)
                                                           : detail::OrderedJson(nullptr)},
        {"tokenize_chinese_chars", options.normalizer.split_chinese},
        {"model_max_length", detail::model_max_length_json(options.model_max_length)}};
    detail::OrderedJson const special = detail::special_tokens_json(description);
    config.update(special);
    if (!options.extra_special.empty()) { config["additional_special_tokens"] = options.extra_special; }
    detail::write_new_files(folder, {{"vocab.txt", vocabulary},
                                     {"tokenizer.json", detail::tokenizer_json(description).dump() + '\n'},
                                     {"special_tokens_map.json", special.dump(2) + '\n'},
                                     {"tokenizer_config.json", config.dump(2) + '\n'}});
}

}  // namespace bmae

#endif   // BMAE_DEFINITIONS
