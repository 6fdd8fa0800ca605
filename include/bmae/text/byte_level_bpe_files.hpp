// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// The files of a byte-level BPE tokenizer: tokenizer.json, or vocab.json and merges.txt.
#pragma once

#include <algorithm>
#include <cstddef>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <bmae/detail/whole_files.hpp>
#include <bmae/text/added_tokens.hpp>
#include <bmae/text/subword_files.hpp>
#include <bmae/text/tokenizer_files.hpp>
#include <bmae/values/error.hpp>
#include <bmae/values/tokens.hpp>

namespace bmae {

/// The description of a byte-level BPE tokenizer. The defaults are GPT-2's.
struct ByteLevelBpeDescription {
    std::vector<std::string> tokens = {};                           ///< [V] in GPT-2's letters: a space is written as U+0120
    std::vector<std::pair<std::string, std::string>> merges = {};   ///< merges, by rank
    std::vector<AddedToken> added = {};                             ///< among `tokens`
    WrappingTokens wrapping = {};
    std::optional<PairForm> pair = PairForm{.separators = 2, .token_types = false};   ///< nothing: of no known form
    SpecialTokens special{.pad = {}, .unk = {}, .cls = {}, .sep = {}, .mask = {}};    ///< empty where there is none
    std::string unknown = {};           ///< token of a byte that the vocabulary lacks; empty: the byte is skipped
    bool add_prefix_space = false;      ///< a text that starts without a space gets one
    bool split_words = true;            ///< false: merges may cross words
    bool ignore_merges = false;         ///< words in the vocabulary are not built by merges
    bool nfc = false;                   ///< text is brought into Unicode's form C first (ModernBERT)
    std::size_t model_max_length = 0;   ///< maximum tokens of the model; written to and read from the folder; 0: no limit
    std::string source = {};            ///< the original tokenizer.json, which is saved again
    std::string file = {};              ///< source, for errors
};

namespace detail {

/// The lines of merges.txt: a version line, then two pieces with a space between.
inline std::vector<std::pair<std::string, std::string>> read_merges(std::filesystem::path const& path) {
    std::string const content = read_file(path, std::uint64_t{1} << 28);
    std::vector<std::pair<std::string, std::string>> merges;
    std::size_t number = 0;
    for (std::size_t at = 0; at < content.size();) {
        std::size_t const end = std::min(content.find('\n', at), content.size());
        std::string_view line(content.data() + at, end - at);
        at = end + 1;
        ++number;
        if (line.ends_with('\r')) { line.remove_suffix(1); }
        if (line.starts_with("#version") || (line.empty() && at >= content.size())) { continue; }
        std::size_t const space = line.find(' ');
        if (space == 0 || space == std::string_view::npos || space + 1 == line.size() ||
            line.find(' ', space + 1) != std::string_view::npos) {
            throw InputError(Diagnostic{.file = path.string(),
                                        .line = number,
                                        .expected = "two pieces with one space between",
                                        .found = '\'' + std::string(line.substr(0, 60)) + '\'',
                                        .hint = "Use the merges.txt that belongs to the model."});
        }
        merges.emplace_back(line.substr(0, space), line.substr(space + 1));
    }
    return merges;
}

inline std::vector<std::pair<std::string, std::string>> read_json_merges(JsonFile const& file, PlainJson const& list) {
    std::vector<std::pair<std::string, std::string>> merges;
    for (PlainJson const& merge : list) {
        std::size_t const space = merge.is_string() ? merge.get_ref<std::string const&>().find(' ') : std::string::npos;
        if (merge.is_array() && merge.size() == 2 && merge[0].is_string() && merge[1].is_string()) {
            merges.emplace_back(merge[0].get<std::string>(), merge[1].get<std::string>());
        } else if (space != std::string::npos) {
            std::string const text = merge.get<std::string>();
            merges.emplace_back(text.substr(0, space), text.substr(space + 1));
        } else {
            file.refuse("merges of two pieces", merge.dump().substr(0, 60), "Save the tokenizer again.");
        }
    }
    return merges;
}

/// Whether the normalizer is NFC, alone or as the only part of a Sequence; false without one. \throws InputError  at another one
inline bool reads_form_c(JsonFile const& file) {
    auto const found = file.root().find("normalizer");
    if (found == file.root().end() || found->is_null()) { return false; }
    PlainJson const* normalizer = &*found;
    bool const is_sequence = file.get<std::string>(*normalizer, "type", "") == "Sequence" && normalizer->contains("normalizers");
    if (is_sequence && (*normalizer)["normalizers"].is_array()) {
        if ((*normalizer)["normalizers"].empty()) { return false; }
        if ((*normalizer)["normalizers"].size() == 1) { normalizer = &(*normalizer)["normalizers"][0]; }
    }
    if (file.get<std::string>(*normalizer, "type", "") != "NFC") {
        file.refuse("the normalizer NFC, or none", found->dump().substr(0, 60), other_tokenizer);
    }
    return true;
}

/// Finds the part of a "pre_tokenizer" that is the byte-level one, alone or as the only part of a Sequence.
inline PlainJson const& byte_level_part(JsonFile const& file) {
    PlainJson const* splitter = &file.root()["pre_tokenizer"];
    auto const type = [&] { return file.get<std::string>(*splitter, "type", ""); };
    if (type() == "Sequence" && splitter->contains("pretokenizers")) {
        PlainJson const& parts = (*splitter)["pretokenizers"];
        if (parts.is_array() && parts.size() == 1) { splitter = &parts[0]; }
    }
    if (type() != "ByteLevel") { file.refuse("the pre_tokenizer ByteLevel", splitter->dump().substr(0, 80), other_tokenizer); }
    return *splitter;
}

/// The model of a file, and its normalizer and pre_tokenizer unless its class sets them.
inline ByteLevelBpeDescription read_byte_level_bpe_model(JsonFile const& file, bool class_sets_steps) {
    PlainJson const& root = file.root();
    if (!root.contains("model") || !root["model"].is_object()) { file.refuse("an object at \"model\"", "none", other_tokenizer); }
    PlainJson const& model = root["model"];
    if (auto const type = file.get<std::string>(model, "type", "BPE"); type != "BPE") {
        file.refuse("a model of type BPE", '"' + type + '"', other_tokenizer);
    }
    for (char const* const key : {"continuing_subword_prefix", "end_of_word_suffix"}) {
        if (auto const text = file.get<std::string>(model, key, ""); !text.empty()) {
            file.refuse("no \"" + std::string(key) + '"', '"' + text + '"', other_tokenizer);
        }
    }
    for (char const* const key : {"byte_fallback", "fuse_unk"}) {
        if (file.get(model, key, false)) { file.refuse('"' + std::string(key) + "\": false", "true", other_tokenizer); }
    }
    if (file.get(model, "dropout", 0.0) > 0) {
        file.refuse("no dropout of merges", "\"dropout\"", "Save the tokenizer without it.");
    }
    if (!model.contains("vocab") || !model["vocab"].is_object() || !model.contains("merges") || !model["merges"].is_array()) {
        file.refuse("\"vocab\" and \"merges\" of the model", "none", "Save the tokenizer again.");
    }
    if (!root.contains("pre_tokenizer") && !class_sets_steps) {
        file.refuse("the pre_tokenizer ByteLevel", "none", other_tokenizer);
    }
    ByteLevelBpeDescription description{.tokens = read_json_vocabulary(file, model["vocab"]),
                                        .merges = read_json_merges(file, model["merges"]),
                                        .unknown = file.get<std::string>(model, "unk_token", ""),
                                        .ignore_merges = file.get(model, "ignore_merges", false),
                                        .source = file.content(),
                                        .file = file.path().string()};
    if (!class_sets_steps) {
        PlainJson const& splitter = byte_level_part(file);
        description.add_prefix_space = file.get(splitter, "add_prefix_space", true);
        description.split_words = file.get(splitter, "use_regex", true);
        description.nfc = reads_form_c(file);
    }
    return description;
}

/// The settings of RobertaTokenizer, which reads them in tokenizer_config.json and not in tokenizer.json.
inline void configure_as_roberta(std::filesystem::path const& folder, JsonFile const& json,
                                 ByteLevelBpeDescription& description) {
    SpecialTokens& special = description.special;
    auto const usual = [](std::string& name, char const* fallback) {
        if (name.empty()) { name = fallback; }
    };
    usual(special.pad, "<pad>");
    usual(special.unk, "<unk>");
    usual(special.cls, "<s>");
    usual(special.sep, "</s>");
    usual(special.mask, "<mask>");
    description.unknown.clear();
    description.ignore_merges = false;
    if (std::filesystem::exists(folder / "tokenizer_config.json")) {
        JsonFile const config(folder / "tokenizer_config.json");
        description.add_prefix_space = config.get(config.root(), "add_prefix_space", false);
    }
    std::vector<AddedToken> tokens = description.added;
    for (std::string const* const name : {&special.unk, &special.sep, &special.pad, &special.cls, &special.mask}) {
        bool const is_there =
            std::any_of(tokens.begin(), tokens.end(), [&](auto const& token) { return token.content == *name; });
        if (!is_there) { tokens.push_back({.content = *name}); }
    }
    description.added = place_added_tokens(tokens, description.tokens, json.path().string());
    auto const id = [&](std::string const& name) {
        return std::find_if(description.added.begin(), description.added.end(),
                            [&](auto const& token) { return token.content == name; })
            ->id;
    };
    description.wrapping = {.before = {id(special.cls)}, .after = {id(special.sep)}};
    PlainJson const step = {
        {"type", "ByteLevel"}, {"add_prefix_space", description.add_prefix_space}, {"trim_offsets", true}, {"use_regex", true}};
    description.source = resolved_source(description, [&](PlainJson& root) {
        PlainJson const* const splitter =
            root.contains("pre_tokenizer") && root["pre_tokenizer"].is_object() ? &root["pre_tokenizer"] : nullptr;
        bool const same = splitter != nullptr && json.get<std::string>(*splitter, "type", "") == "ByteLevel" &&
                          json.get(*splitter, "add_prefix_space", true) == description.add_prefix_space &&
                          json.get(*splitter, "use_regex", true);
        if (!same) {
            warn_of_class(
                folder, json, "pre_tokenizer",
                std::string("ByteLevel with \"add_prefix_space\" ") + (description.add_prefix_space ? "true" : "false"));
            root["pre_tokenizer"] = step;
        }
        if (root.contains("normalizer") && !root["normalizer"].is_null()) {
            warn_of_class(folder, json, "normalizer", "none");
            root["normalizer"] = nullptr;
        }
        WrappingTokens other;
        try {
            other = read_wrapping(json, description.tokens);
        } catch (InputError const&) { other = {}; }   // of another kind: it is replaced
        if (other.before != description.wrapping.before || other.after != description.wrapping.after) {
            warn_of_class(folder, json, "post_processor", special.cls + " A " + special.sep);
            root["post_processor"] = template_processing({special.cls, id(special.cls)}, {special.sep, id(special.sep)});
        }
    });
}

}  // namespace detail

/// Reads a tokenizer.json. Its padding and truncation are not applied.
/// \throws InputError  where it is not a byte-level BPE tokenizer, or needs unsupported features
inline ByteLevelBpeDescription read_byte_level_bpe_json(std::filesystem::path const& path) {
    detail::JsonFile const file(path);
    ByteLevelBpeDescription description = detail::read_byte_level_bpe_model(file, false);
    description.added = detail::read_added_tokens(file, description.tokens);
    description.wrapping = detail::read_wrapping(file, description.tokens);
    description.pair = detail::read_pair_form(file);
    return description;
}

/// Reads vocab.json and merges.txt; every token that the folder names as special, or <|endoftext|>, is found in text. Where it
/// names none and the vocabulary has all of RoBERTa's special tokens, these are used.
inline ByteLevelBpeDescription read_byte_level_bpe_pair(std::filesystem::path const& folder) {
    detail::JsonFile const vocabulary(folder / "vocab.json");
    detail::FolderTokens const beside = detail::read_folder_tokens(folder, nullptr);
    ByteLevelBpeDescription description{.tokens = detail::read_json_vocabulary(vocabulary, vocabulary.root()),
                                        .merges = detail::read_merges(folder / "merges.txt"),
                                        .special = beside.special,
                                        .model_max_length = beside.model_max_length,
                                        .file = folder.string()};
    auto const id = [&](std::string const& token) {
        auto const found = std::find(description.tokens.begin(), description.tokens.end(), token);
        return token.empty() || found == description.tokens.end() ? TokenId{-1}
                                                                  : static_cast<TokenId>(found - description.tokens.begin());
    };
    // RoBERTa's folders of this form leave the names to the class that reads them.
    SpecialTokens const roberta{.pad = "<pad>", .unk = "<unk>", .cls = "<s>", .sep = "</s>", .mask = "<mask>"};
    SpecialTokens const none{.pad = {}, .unk = {}, .cls = {}, .sep = {}, .mask = {}};
    bool const has_all =
        id(roberta.pad) >= 0 && id(roberta.unk) >= 0 && id(roberta.cls) >= 0 && id(roberta.sep) >= 0 && id(roberta.mask) >= 0;
    if (description.special == none && has_all) { description.special = roberta; }
    SpecialTokens const& special = description.special;
    std::vector<std::string> found{special.pad, special.unk, special.cls, special.sep, special.mask, "<|endoftext|>"};
    std::sort(found.begin(), found.end());
    found.erase(std::unique(found.begin(), found.end()), found.end());
    std::vector<AddedToken> added;
    for (std::string const& name : found) {
        if (id(name) >= 0) { added.push_back({.content = name, .id = id(name), .lstrip = name == special.mask}); }
    }
    added.insert(added.end(), beside.added.begin(), beside.added.end());   // what the files say of a token decides
    description.added = detail::place_added_tokens(added, description.tokens, folder.string());
    if (id(special.cls) >= 0 && id(special.sep) >= 0) {
        description.wrapping = {.before = {id(special.cls)}, .after = {id(special.sep)}};
    }
    if (std::filesystem::exists(folder / "tokenizer_config.json")) {
        detail::JsonFile const config(folder / "tokenizer_config.json");
        description.add_prefix_space = config.get(config.root(), "add_prefix_space", false);
    }
    return description;
}

/// Reads a tokenizer.json or a folder with it, or with vocab.json and merges.txt (tokenizer.json is preferred).
inline ByteLevelBpeDescription read_byte_level_bpe(std::filesystem::path const& path) {
    if (!std::filesystem::is_directory(path)) { return read_byte_level_bpe_json(path); }
    if (std::filesystem::exists(path / "tokenizer.json")) {
        detail::JsonFile const file(path / "tokenizer.json");
        detail::FolderTokens const folder = detail::read_folder_tokens(path, &file);
        ByteLevelBpeDescription description =
            detail::read_byte_level_bpe_model(file, folder.kind == detail::TokenizerClass::roberta);
        description.added = detail::place_added_tokens(folder.added, description.tokens, file.path().string());
        description.special = folder.special;
        description.model_max_length = folder.model_max_length;
        if (folder.kind == detail::TokenizerClass::roberta) {
            detail::configure_as_roberta(path, file, description);
        } else {
            description.wrapping = detail::read_wrapping(file, description.tokens);
            description.pair = detail::read_pair_form(file);
            description.source = detail::resolved_source(description, [](detail::PlainJson&) {});
        }
        return description;
    }
    if (!std::filesystem::exists(path / "vocab.json") || !std::filesystem::exists(path / "merges.txt")) {
        throw InputError(Diagnostic{.file = path.string(),
                                    .expected = "a tokenizer.json, or a vocab.json and a merges.txt",
                                    .found = "neither",
                                    .hint = "Name the folder of a GPT-2 or RoBERTa model."});
    }
    return read_byte_level_bpe_pair(path);
}

namespace detail {

/// The tokenizer.json of a description that was not read from one. A pair of texts is joined as RoBERTa joins it.
inline std::string byte_level_bpe_json(ByteLevelBpeDescription const& description) {
    auto const entries = [](OrderedJson& object) -> std::vector<OrderedJson::object_t::value_type>& {
        return object.get_ref<OrderedJson::object_t&>();   // filled directly: insertion searches all keys
    };
    OrderedJson vocabulary = OrderedJson::object();
    for (std::size_t i = 0; i < description.tokens.size(); ++i) { entries(vocabulary).emplace_back(description.tokens[i], i); }
    OrderedJson merges = OrderedJson::array();
    for (auto const& [left, right] : description.merges) { merges.push_back(OrderedJson::array({left, right})); }
    OrderedJson added = OrderedJson::array();
    for (AddedToken const& token : description.added) {
        added.push_back({{"id", token.id},
                         {"content", token.content},
                         {"single_word", false},
                         {"lstrip", token.lstrip},
                         {"rstrip", token.rstrip},
                         {"normalized", token.normalized},
                         {"special", token.special}});
    }
    OrderedJson const byte_level = {{"type", "ByteLevel"},
                                    {"add_prefix_space", description.add_prefix_space},
                                    {"trim_offsets", true},
                                    {"use_regex", description.split_words}};
    OrderedJson processor = byte_level;
    auto const& [before, after] = description.wrapping;
    if (!before.empty() || !after.empty()) {
        OrderedJson special = OrderedJson::object();
        auto const put = [&](OrderedJson& parts, std::vector<TokenId> const& ids, int type) {
            for (TokenId const id : ids) {
                std::string const& token = description.tokens.at(static_cast<std::size_t>(id));
                special[token] = {{"id", token}, {"ids", OrderedJson::array({id})}, {"tokens", OrderedJson::array({token})}};
                parts.push_back({{"SpecialToken", {{"id", token}, {"type_id", type}}}});
            }
        };
        auto const put_text = [](OrderedJson& parts, char const* name) {
            parts.push_back({{"Sequence", {{"id", name}, {"type_id", 0}}}});
        };
        OrderedJson single = OrderedJson::array();
        put(single, before, 0);
        put_text(single, "A");
        put(single, after, 0);
        OrderedJson pair = single;
        put(pair, after, 0);
        put_text(pair, "B");
        put(pair, after, 0);
        processor = {{"type", "TemplateProcessing"}, {"single", single}, {"pair", pair}, {"special_tokens", special}};
    }
    OrderedJson const unknown = description.unknown.empty() ? OrderedJson(nullptr) : OrderedJson(description.unknown);
    OrderedJson model = {{"type", "BPE"},
                         {"dropout", nullptr},
                         {"unk_token", unknown},
                         {"continuing_subword_prefix", nullptr},
                         {"end_of_word_suffix", nullptr},
                         {"fuse_unk", false},
                         {"byte_fallback", false},
                         {"ignore_merges", description.ignore_merges}};
    model["vocab"] = std::move(vocabulary);
    model["merges"] = std::move(merges);
    OrderedJson file = {{"version", "1.0"},
                        {"truncation", nullptr},
                        {"padding", nullptr},
                        {"added_tokens", std::move(added)},
                        {"normalizer", description.nfc ? OrderedJson{{"type", "NFC"}} : OrderedJson(nullptr)},
                        {"pre_tokenizer", byte_level},
                        {"post_processor", std::move(processor)},
                        {"decoder", byte_level}};
    file["model"] = std::move(model);
    return file.dump() + '\n';
}

}  // namespace detail

}  // namespace bmae
