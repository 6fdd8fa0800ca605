// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// The files of a WordPiece tokenizer: vocab.txt, and the tokenizer.json, tokenizer_config.json, special_tokens_map.json and
/// added_tokens.json of a HuggingFace folder.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <unordered_map>
#include <utility>
#include <vector>

#include <bmae/detail/separate.hpp>
#include <bmae/text/added_token_finder.hpp>
#include <bmae/text/added_tokens.hpp>
#include <bmae/text/bert_normalizer.hpp>
#include <bmae/text/normalizer_files.hpp>
#include <bmae/text/tokenizer_folder.hpp>
#include <bmae/text/tokenizer_json.hpp>
#include <bmae/text/tokenizer_warning.hpp>
#include <bmae/text/unigram_normalizer.hpp>
#include <bmae/text/vocabulary.hpp>
#include <bmae/text/word_splitter.hpp>
#include <bmae/values/error.hpp>

namespace bmae {

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

/// A chain of normalizers and pre-tokenizers other than BERT's.
struct WordPieceChain {
    std::vector<UnigramNormalizerStep> normalizer = {};
    std::vector<WordSplit> splits = {};
    std::string source = {};   ///< the tokenizer.json that describes it, which is saved again
};

/// The content of the files: enough to build a WordPiece.
struct WordPieceDescription {
    std::vector<std::string> tokens = {};   ///< [V]
    WordPieceOptions options = {};
    std::string file = {};                      ///< source, for errors
    std::size_t model_tokens = 0;               ///< tokens that words may be cut into, the first of `tokens`; 0: all
    std::vector<AddedToken> added = {};         ///< among `tokens`; empty: the special ones alone
    std::optional<WordPieceChain> chain = {};   ///< in place of `options.normalizer`
};

namespace detail {

/// The tokens that the post-processor adds to a text; refuses all but [CLS] A [SEP] and [CLS] A [SEP] B [SEP].
BMAE_INLINE void read_post_processor(JsonFile const& file, SpecialTokens& special);

}  // namespace detail

/// Reads a tokenizer.json. Its padding and truncation are not applied: the caller sets the maximum length.
/// \throws InputError  where it is not a BERT WordPiece tokenizer, so that tokenization never differs from the file
BMAE_INLINE WordPieceDescription read_tokenizer_json(std::filesystem::path const& path, WordPieceOptions options = {});

/// Reads a vocab.txt, a tokenizer.json or a HuggingFace folder with either (tokenizer.json is preferred). Files that contradict
/// each other are read as transformers 5 reads them, with a warning that names both (`tokenizer_warnings`).
/// \param options  used for a vocab.txt alone; the files of a folder override them
BMAE_INLINE WordPieceDescription read_tokenizer(std::filesystem::path const& path, WordPieceOptions options = {});

namespace detail {

BMAE_INLINE std::size_t model_size(WordPieceDescription const& description);   ///< tokens that words may be cut into

/// The tokens that are found in a text, by id: `added`, or the special ones where it is empty.
BMAE_INLINE std::vector<AddedToken> all_added_tokens(WordPieceDescription const& description);

/// One token as "added_tokens_decoder" has it.
BMAE_INLINE OrderedJson added_token_json(AddedToken const& token);

BMAE_INLINE OrderedJson tokenizer_json(WordPieceDescription const& description);

BMAE_INLINE OrderedJson special_tokens_json(WordPieceDescription const& description);

}  // namespace detail

/// Writes vocab.txt, tokenizer.json, tokenizer_config.json and special_tokens_map.json, which transformers and
/// sentence-transformers load; added_tokens.json where there are tokens beyond the model's. Each file appears atomically; none is overwritten.
/// \throws InputError  where one of the files exists, or a token contains a line end, which vocab.txt cannot represent
BMAE_INLINE void write_tokenizer(WordPieceDescription const& description, std::filesystem::path const& folder);

}  // namespace bmae

#if BMAE_DEFINITIONS

namespace bmae::detail {

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
        PlainJson const& vocabulary = file.root().at("model").at("vocab");
        for (std::string const& name : {special.cls, special.sep}) {
            PlainJson const& ids = processor.at("special_tokens").at(name).at("ids");
            if (ids.size() == 1 && vocabulary.contains(name) && vocabulary.at(name) == ids.at(0)) { continue; }
            file.refuse("the id of " + name + " in the post_processor", ids.dump().substr(0, 60), "Use files of one model.");
        }
    } catch (PlainJson::exception const&) { file.refuse("the template [CLS] A [SEP] B [SEP]", processor.dump().substr(0, 200)); }
}

BMAE_INLINE std::size_t model_size(WordPieceDescription const& description) {
    return description.model_tokens == 0 ? description.tokens.size() : description.model_tokens;
}

BMAE_INLINE std::vector<AddedToken> all_added_tokens(WordPieceDescription const& description) {
    std::vector<AddedToken> added = description.added;
    if (added.empty()) {
        SpecialTokens const& special = description.options.special;
        std::vector<std::string> names{special.pad, special.unk, special.cls, special.sep, special.mask};
        names.insert(names.end(), description.options.extra_special.begin(), description.options.extra_special.end());
        for (std::string const& name : names) {
            auto const found = std::find(description.tokens.rbegin(), description.tokens.rend(), name);   // the last is read
            bool const is_there =
                found != description.tokens.rend() &&
                std::none_of(added.begin(), added.end(), [&](auto const& token) { return token.content == name; });
            if (is_there) {
                added.push_back({.content = name, .id = static_cast<TokenId>(description.tokens.rend() - found) - 1});
            }
        }
    }
    std::sort(added.begin(), added.end(), [](auto const& a, auto const& b) { return a.id < b.id; });
    return added;
}

BMAE_INLINE OrderedJson added_token_json(AddedToken const& token) {
    return {{"content", token.content}, {"single_word", token.single_word}, {"lstrip", token.lstrip},
            {"rstrip", token.rstrip},   {"normalized", token.normalized},   {"special", token.special}};
}

/// The tokenizer.json that a chain was read from, with the tokens that the files beside it add.
inline std::string chain_json(WordPieceDescription const& description) {
    PlainJson root = PlainJson::parse(description.chain->source);
    PlainJson list = PlainJson::array();
    for (AddedToken const& token : all_added_tokens(description)) {
        PlainJson entry = PlainJson::parse(added_token_json(token).dump());
        entry["id"] = token.id;
        list.push_back(std::move(entry));
    }
    root["added_tokens"] = std::move(list);
    return root.dump() + '\n';
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
    OrderedJson added_tokens = OrderedJson::array();
    for (AddedToken const& added : all_added_tokens(description)) {
        OrderedJson entry = {{"id", added.id}};
        entry.update(added_token_json(added));
        added_tokens.push_back(std::move(entry));
    }
    std::unordered_map<std::string_view, std::size_t> last;   // of texts that stand several times, the last one is read
    for (std::size_t i = 0; i < model_size(description); ++i) { last[description.tokens[i]] = i; }
    OrderedJson vocabulary = OrderedJson::object();
    auto& entries = vocabulary.get_ref<OrderedJson::object_t&>();
    entries.reserve(description.tokens.size());   // filled directly: an ordered object searches all its keys at each insertion
    for (std::size_t i = 0; i < model_size(description); ++i) {
        if (last[description.tokens[i]] != i) { continue; }
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

namespace bmae::detail {

/// Whether normalizer and pre_tokenizer are BERT's.
inline bool has_bert_steps(JsonFile const& file) {
    auto const type = [&](char const* key) {
        auto const found = file.root().find(key);
        return found == file.root().end() ? std::string() : file.get<std::string>(*found, "type", "");
    };
    return type("normalizer") == "BertNormalizer" && type("pre_tokenizer") == "BertPreTokenizer";
}

/// Vocabulary and settings of the model.
inline WordPieceDescription read_wordpiece_model(JsonFile const& file, WordPieceOptions options) {
    WordPieceDescription description{.options = std::move(options), .file = file.path().string()};
    WordPieceOptions& read = description.options;
    PlainJson const& model = file.object(file.root(), "model");
    auto const type = file.get<std::string>(model, "type", "WordPiece");   // older files do not name it
    if (type != "WordPiece") { file.refuse("a model of type WordPiece", '"' + type + '"'); }
    read.special.unk = file.get(model, "unk_token", read.special.unk);
    read.continuation = file.get(model, "continuing_subword_prefix", read.continuation);
    read.max_word_characters = file.get(model, "max_input_chars_per_word", read.max_word_characters);
    if (read.max_word_characters == 0) { file.refuse("\"max_input_chars_per_word\" of at least 1", "0", "Fix the file."); }
    description.tokens = read_json_vocabulary(file, file.object(model, "vocab"));
    description.model_tokens = description.tokens.size();
    return description;
}

/// Normalizer, pre_tokenizer and post_processor of the file.
inline void read_wordpiece_steps(JsonFile const& file, WordPieceDescription& description) {
    WordPieceOptions& read = description.options;
    PlainJson const nothing;
    auto const part = [&](char const* key) -> PlainJson const& {
        auto const found = file.root().find(key);
        return found == file.root().end() ? nothing : *found;
    };
    if (has_bert_steps(file)) {
        read.normalizer = read_bert_normalizer(file, part("normalizer"), read.normalizer);
    } else {
        WordPieceChain chain{.source = file.content()};
        read_normalizer(file, part("normalizer"), chain.normalizer);
        read_splits(file, part("pre_tokenizer"), chain.splits);
        read.normalizer.lower_case = std::any_of(chain.normalizer.begin(), chain.normalizer.end(), [](auto const& step) {
            return step.kind == UnigramNormalizerStep::Kind::lower_case || (step.bert && step.bert->options().lower_case);
        });
        description.chain = std::move(chain);
    }
    read_post_processor(file, read.special);
}

/// Keeps the added tokens, and those without any flag also as `extra_special`.
inline void keep_added_tokens(WordPieceDescription& description, std::vector<AddedToken> added) {
    SpecialTokens const& special = description.options.special;
    std::array<std::string const*, 5> const names{&special.pad, &special.unk, &special.cls, &special.sep, &special.mask};
    for (AddedToken const& token : added) {
        bool const is_named = std::any_of(names.begin(), names.end(), [&](auto const* name) { return *name == token.content; });
        bool const has_flags = token.lstrip || token.rstrip || token.normalized || token.single_word;
        if (!is_named && !has_flags) { description.options.extra_special.push_back(token.content); }
    }
    description.added = std::move(added);
}

inline void place_folder_tokens(WordPieceDescription& description, FolderTokens const& folder) {
    std::vector<std::string>& tokens = description.tokens;
    std::size_t const known = tokens.size();
    std::unordered_map<std::string_view, std::size_t> distinct;
    for (std::string const& token : tokens) { distinct.emplace(token, 0); }
    bool const has_gaps = distinct.size() != known || distinct.contains("");
    std::vector<AddedToken> added = place_added_tokens(folder.added, tokens, description.file);
    if (has_gaps && tokens.size() != known) {
        throw InputError(
            Diagnostic{.file = description.file,
                       .expected = "each token once, since tokens are added behind them",
                       .found = "a vocabulary with repeated or empty tokens, and the new token '" + tokens.back() + "'",
                       .hint = "Add the token to the vocabulary, on a line of its own."});
    }
    keep_added_tokens(description, std::move(added));
}

/// Adds the special tokens of the vocabulary that no file lists: BertTokenizer has names for them.
inline void add_named_tokens(WordPieceDescription const& description, FolderTokens& folder) {
    SpecialTokens const& special = description.options.special;
    for (std::string const* const name : {&special.unk, &special.sep, &special.pad, &special.cls, &special.mask}) {
        auto const is_it = [&](auto const& token) { return token.content == *name; };
        bool const is_known = std::find(description.tokens.begin(), description.tokens.end(), *name) != description.tokens.end();
        if (is_known && std::none_of(folder.added.begin(), folder.added.end(), is_it)) {
            folder.added.push_back({.content = *name});
        }
    }
}

/// Special tokens as the files beside the model name them, where they do.
inline void read_named(SpecialTokens const& named, SpecialTokens& special) {
    auto const take = [](std::string const& name, std::string& into) {
        if (!name.empty()) { into = name; }
    };
    take(named.pad, special.pad);
    take(named.unk, special.unk);
    take(named.cls, special.cls);
    take(named.sep, special.sep);
    take(named.mask, special.mask);
}

inline std::string describe_normalizer(BertNormalizerOptions const& options) {
    auto const text = [](bool value) { return std::string(value ? "true" : "false"); };
    return "lower-casing " + text(options.lower_case) + ", stripping accents " +
           text(options.strip_accents.value_or(options.lower_case)) + ", splitting Chinese characters " +
           text(options.split_chinese);
}

/// The settings of BertTokenizer, which reads them in tokenizer_config.json and not in tokenizer.json.
inline void configure_as_bert(std::filesystem::path const& folder, JsonFile const& json, WordPieceDescription& description) {
    WordPieceOptions& options = description.options;
    std::filesystem::path const place = folder / "tokenizer_config.json";
    WordPieceDescription by_json = description;   // what tokenizer.json alone would say
    auto const warn = [&](std::string const& configured, std::string const& other) {
        bool const exists = std::filesystem::exists(place);
        warn_of_tokenizer(place.string() + (exists ? " says " : ", which is not there, leaves the class's defaults: ") +
                          configured + "; " + json.path().string() + " says " + other +
                          ": the former is read, as transformers does.");
    };
    BertNormalizerOptions const defaults{.invalid_utf8 = options.normalizer.invalid_utf8};
    options.normalizer = std::filesystem::exists(place) ? read_configured_normalizer(JsonFile(place), defaults) : defaults;
    if (has_bert_steps(json)) {
        BertNormalizerOptions const other = read_bert_normalizer(json, json.root()["normalizer"], defaults);
        std::string const own = describe_normalizer(options.normalizer);
        std::string const theirs = describe_normalizer(other) + (other.clean_text ? "" : ", no cleaning");
        if (own != theirs) { warn(own, theirs); }
    } else {
        warn("BERT's normalizer and words", "another normalizer or pre_tokenizer");
    }
    if (options.continuation != "##" || options.max_word_characters != 100) {
        warn("the prefix ## and words of at most 100 characters",
             "the prefix " + options.continuation + " and " + std::to_string(options.max_word_characters) + " characters");
        options.continuation = "##";
        options.max_word_characters = 100;
    }
}

/// Texts and ids of the special tokens of tokenizer.json, where it has other ones than are read.
inline void compare_special_tokens(std::filesystem::path const& folder, JsonFile const& json, SpecialTokens const& special) {
    SpecialTokens other = special;
    try {
        read_post_processor(json, other);
    } catch (InputError const&) { return; }
    if (other.cls == special.cls && other.sep == special.sep) { return; }
    warn_of_tokenizer((folder / "tokenizer_config.json").string() + " puts " + special.cls + " and " + special.sep +
                      " around a text, " + json.path().string() + ' ' + other.cls + " and " + other.sep +
                      ": the former is read, as transformers does.");
}

/// A vocab.txt beside a tokenizer.json is not read: says so where it holds something else.
inline void compare_vocabulary(std::filesystem::path const& folder, WordPieceDescription const& description) {
    std::filesystem::path const file = folder / "vocab.txt";
    if (!std::filesystem::exists(file)) { return; }
    std::vector<std::string> const lines = read_vocabulary_lines(file.string());
    std::size_t const common = std::min(lines.size(), description.tokens.size());
    auto const differs =
        std::mismatch(lines.begin(), lines.begin() + static_cast<std::ptrdiff_t>(common), description.tokens.begin());
    auto const at = static_cast<std::size_t>(differs.first - lines.begin());
    if (at == common && lines.size() >= description.model_tokens && lines.size() <= description.tokens.size()) { return; }
    if (at < common && (description.tokens[at].empty() || lines[at].empty())) { return; }   // a gap: the token stands elsewhere
    warn_of_tokenizer(file.string() + " and " + description.file + " hold different vocabularies, first at id " +
                      std::to_string(at) + ": the latter is read, as transformers does.");
}

/// Says where a vocabulary that is read with lower-casing has capitals.
inline void warn_of_capitals(WordPieceDescription const& description) {
    if (!description.options.normalizer.lower_case) { return; }
    std::size_t capitals = 0;
    for (std::string const& token : description.tokens) {
        bool const is_bracketed = token.starts_with('[') || token.starts_with('<');
        bool const has = std::any_of(token.begin(), token.end(), [](char c) { return c >= 'A' && c <= 'Z'; });
        capitals += has && !is_bracketed ? 1 : 0;
    }
    if (capitals < 3 || capitals * 50 < description.tokens.size()) { return; }
    warn_of_tokenizer(
        description.file + " looks cased: " + std::to_string(capitals) + " of " + std::to_string(description.tokens.size()) +
        " tokens have capitals, which lower-cased text never matches. If the model is cased, say so: \"do_lower_case\": "
        "false in a tokenizer_config.json beside the vocabulary, or --cased for a vocabulary alone.");
}

inline WordPieceDescription read_wordpiece_vocabulary(std::filesystem::path const& file, WordPieceOptions options) {
    WordPieceDescription description{
        .tokens = read_vocabulary_lines(file.string()), .options = std::move(options), .file = file.string()};
    description.model_tokens = description.tokens.size();
    std::unordered_map<std::string_view, std::size_t> lines;
    constexpr std::size_t most_warnings = 5;
    std::size_t repeated = 0;
    for (std::size_t i = 0; i < description.tokens.size(); ++i) {
        auto const [place, is_new] = lines.emplace(description.tokens[i], i);
        if (is_new) { continue; }
        if (++repeated <= most_warnings) {
            warn_of_tokenizer(file.string() + ": line " + std::to_string(i + 1) + " repeats '" + description.tokens[i] +
                              "' of line " + std::to_string(place->second + 1) + ": the last one is read, as transformers does.");
        }
        place->second = i;
    }
    if (repeated > most_warnings) {
        warn_of_tokenizer(file.string() + ": " + std::to_string(repeated - most_warnings) + " more lines repeat earlier ones.");
    }
    return description;
}

}  // namespace bmae::detail

namespace bmae {

BMAE_INLINE WordPieceDescription read_tokenizer_json(std::filesystem::path const& path, WordPieceOptions options) {
    detail::JsonFile const file(path);
    WordPieceDescription description = detail::read_wordpiece_model(file, std::move(options));
    detail::read_wordpiece_steps(file, description);
    detail::keep_added_tokens(description, detail::read_added_tokens(file, description.tokens));
    return description;
}

BMAE_INLINE WordPieceDescription read_tokenizer(std::filesystem::path const& path, WordPieceOptions options) {
    if (!std::filesystem::is_directory(path)) {
        if (path.extension() == ".json") { return read_tokenizer_json(path, std::move(options)); }
        WordPieceDescription description = detail::read_wordpiece_vocabulary(path, std::move(options));
        detail::warn_of_capitals(description);
        return description;
    }
    bool const has_json = std::filesystem::exists(path / "tokenizer.json");
    if (!has_json && !std::filesystem::exists(path / "vocab.txt")) {
        throw InputError(Diagnostic{.file = path.string(),
                                    .expected = "a tokenizer.json or a vocab.txt",
                                    .found = "neither",
                                    .hint = "Name the folder of a BERT model."});
    }
    std::optional<detail::JsonFile> json;
    if (has_json) { json.emplace(path / "tokenizer.json"); }
    detail::FolderTokens folder = detail::read_folder_tokens(path, json ? &*json : nullptr);
    bool const has_config = std::filesystem::exists(path / "tokenizer_config.json");
    if (has_config) { options.model_max_length = folder.model_max_length; }
    WordPieceDescription description;
    if (has_json) {
        description = detail::read_wordpiece_model(*json, std::move(options));
        if (folder.kind == detail::TokenizerClass::bert) {
            description.options.special = {};
            detail::read_named(folder.special, description.options.special);
            detail::configure_as_bert(path, *json, description);
            detail::compare_special_tokens(path, *json, description.options.special);
        } else {
            std::string const unknown = description.options.special.unk;
            detail::read_named(folder.special, description.options.special);
            description.options.special.unk = unknown;
            detail::read_wordpiece_steps(*json, description);
        }
    } else {
        if (folder.kind == detail::TokenizerClass::other) {
            throw InputError(
                Diagnostic{.file = path.string(),
                           .expected = "a folder of BertTokenizer, or one with a tokenizer.json",
                           .found = "a vocab.txt alone, with another \"tokenizer_class\" in tokenizer_config.json or config.json",
                           .hint = "Its rules are not known here: save it in Python as a tokenizer.json."});
        }
        detail::read_named(folder.special, options.special);
        if (has_config) {
            options.normalizer =
                detail::read_configured_normalizer(detail::JsonFile(path / "tokenizer_config.json"), options.normalizer);
        }
        description = detail::read_wordpiece_vocabulary(path / "vocab.txt", std::move(options));
        if (!has_config) { detail::warn_of_capitals(description); }
    }
    if (!has_json || folder.kind == detail::TokenizerClass::bert) { detail::add_named_tokens(description, folder); }
    detail::place_folder_tokens(description, folder);
    if (has_json) { detail::compare_vocabulary(path, description); }
    return description;
}

BMAE_INLINE void write_tokenizer(WordPieceDescription const& description, std::filesystem::path const& folder) {
    std::string vocabulary;
    std::size_t const model_tokens = detail::model_size(description);
    for (std::string const& token : std::span(description.tokens).first(model_tokens)) {
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
    std::vector<AddedToken> const added = detail::all_added_tokens(description);
    bool const is_plain = std::all_of(added.begin(), added.end(), [&](AddedToken token) {
        token.content.clear();
        return token == AddedToken{.id = token.id} && static_cast<std::size_t>(token.id) < model_tokens;
    });
    detail::OrderedJson beyond = detail::OrderedJson::object();   // what older slow tokenizers read beside vocab.txt
    if (!is_plain) {
        detail::OrderedJson& decoder = config["added_tokens_decoder"] = detail::OrderedJson::object();
        for (AddedToken const& token : added) {
            decoder[std::to_string(token.id)] = detail::added_token_json(token);
            if (static_cast<std::size_t>(token.id) >= model_tokens) { beyond[token.content] = token.id; }
        }
    }
    bool const is_berts =
        !description.chain && options.normalizer.clean_text && options.continuation == "##" && options.max_word_characters == 100;
    if (!is_berts) { config["tokenizer_class"] = "PreTrainedTokenizerFast"; }   // which reads tokenizer.json as it is
    if (!options.extra_special.empty()) { config["additional_special_tokens"] = options.extra_special; }
    std::vector<std::pair<char const*, std::string>> files{
        {"vocab.txt", vocabulary},
        {"tokenizer.json",
         description.chain ? detail::chain_json(description) : detail::tokenizer_json(description).dump() + '\n'},
        {"special_tokens_map.json", special.dump(2) + '\n'},
        {"tokenizer_config.json", config.dump(2) + '\n'}};
    if (!beyond.empty()) { files.emplace_back("added_tokens.json", beyond.dump(2) + '\n'); }
    detail::write_new_files(folder, files);
}

}  // namespace bmae

#endif   // BMAE_DEFINITIONS
