// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// The tokenizer.json of a unigram tokenizer, of T5 and its relatives.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <bmae/text/added_tokens.hpp>
#include <bmae/text/normalizer_files.hpp>
#include <bmae/text/subword_files.hpp>
#include <bmae/text/tokenizer_files.hpp>
#include <bmae/text/unigram_normalizer.hpp>
#include <bmae/values/error.hpp>
#include <bmae/values/tokens.hpp>

namespace bmae {

/// Which pieces of a text are prefixed by the space marker.
enum class PrependScheme : std::uint8_t {
    always,   ///< each that does not begin with it
    first,    ///< the one at the start of the text
    never,
};

/// The description of a unigram tokenizer. The defaults are T5's.
struct UnigramDescription {
    std::vector<std::string> tokens = {};   ///< [V]
    std::vector<double> scores = {};        ///< [V] log probabilities
    TokenId unknown = 2;
    std::vector<UnigramNormalizerStep> normalizer = {};
    bool split_whitespace = true;         ///< white space separates pieces and is dropped
    std::string space = "\xe2\x96\x81";   ///< U+2581, what a space is written as
    PrependScheme prepend = PrependScheme::always;
    bool split_words = true;              ///< each space begins a piece of its own
    std::vector<AddedToken> added = {};   ///< among `tokens`
    WrappingTokens wrapping = {};
    std::optional<PairForm> pair = PairForm{.separators = 2, .token_types = false};   ///< nothing: of no known form
    SpecialTokens special{.pad = {}, .unk = {}, .cls = {}, .sep = {}, .mask = {}};    ///< empty where there is none
    std::size_t model_max_length = 0;   ///< maximum tokens of the model; written to and read from the folder; 0: no limit
    std::string source = {};            ///< the original tokenizer.json, which is saved again
    std::string file = {};              ///< source, for errors
};

namespace detail {

inline void read_metaspace(JsonFile const& file, PlainJson const& part, UnigramDescription& description) {
    description.space = file.get<std::string>(part, "replacement", description.space);
    bool const prefix = file.get(part, "add_prefix_space", true);   // older files have this in place of the scheme
    auto const scheme = file.get<std::string>(part, "prepend_scheme", prefix ? "always" : "never");
    if (scheme != "always" && scheme != "first" && scheme != "never") {
        file.refuse("\"prepend_scheme\" always, first or never", '"' + scheme + '"', other_tokenizer);
    }
    description.prepend = scheme == "always"  ? PrependScheme::always
                          : scheme == "first" ? PrependScheme::first
                                              : PrependScheme::never;
    description.split_words = file.get(part, "split", true);
}

inline void read_unigram_splitter(JsonFile const& file, UnigramDescription& description) {
    description.split_whitespace = false;
    auto const found = file.root().find("pre_tokenizer");
    auto const refuse = [&](std::string const& what) {
        file.refuse("the pre_tokenizer Metaspace, or WhitespaceSplit and Metaspace", what.substr(0, 80), other_tokenizer);
    };
    if (found == file.root().end() || !found->is_object()) { refuse("none"); }
    std::vector<PlainJson> parts{*found};
    if (file.get<std::string>(*found, "type", "") == "Sequence" && found->contains("pretokenizers")) {
        if (!(*found)["pretokenizers"].is_array()) { refuse(kind_of_json((*found)["pretokenizers"])); }
        parts = (*found)["pretokenizers"].get<std::vector<PlainJson>>();
    }
    bool const two = parts.size() == 2 && file.get<std::string>(parts[0], "type", "") == "WhitespaceSplit";
    if ((parts.size() != 1 && !two) || file.get<std::string>(parts.back(), "type", "") != "Metaspace") { refuse(found->dump()); }
    description.split_whitespace = two;
    read_metaspace(file, parts.back(), description);
    auto const decoder = file.root().find("decoder");
    if (decoder != file.root().end() && !decoder->is_null() && file.get<std::string>(*decoder, "type", "") != "Metaspace") {
        file.refuse("the decoder Metaspace", decoder->dump().substr(0, 60), other_tokenizer);
    }
}

/// The first character map of a normalizer, or null.
inline PlainJson first_character_map(PlainJson const& root) {
    if (!root.contains("normalizer") || !root["normalizer"].is_object()) { return nullptr; }
    PlainJson const& normalizer = root["normalizer"];
    PlainJson const steps = normalizer.contains("normalizers") ? normalizer["normalizers"] : PlainJson::array({normalizer});
    for (PlainJson const& step : steps) {
        if (step.is_object() && step.contains("precompiled_charsmap")) { return step; }
    }
    return nullptr;
}

/// The settings of XLMRobertaTokenizer and CamembertTokenizer, which take the model and the character map of tokenizer.json alone.
inline void configure_as_xlm_roberta(std::filesystem::path const& folder, JsonFile const& json, FolderTokens const& beside,
                                     UnigramDescription& description) {
    SpecialTokens& special = description.special;
    auto const usual = [](std::string& name, char const* fallback) {
        if (name.empty()) { name = fallback; }
    };
    usual(special.pad, "<pad>");
    usual(special.unk, "<unk>");
    usual(special.cls, "<s>");
    usual(special.sep, "</s>");
    usual(special.mask, "<mask>");
    bool prefix = true;
    std::string first = "<s>", last = "</s>";   // bos_token and eos_token
    if (std::filesystem::exists(folder / "tokenizer_config.json")) {
        JsonFile const config(folder / "tokenizer_config.json");
        prefix = config.get(config.root(), "add_prefix_space", true);
        auto const name = [&](char const* key, std::string& into) {
            auto const found = config.root().find(key);
            if (found != config.root().end() && !found->is_null()) { into = read_added_token(config, *found, true).content; }
        };
        name("bos_token", first);
        name("eos_token", last);
    }
    PlainJson const map = first_character_map(json.root());
    read_normalizer(json, map, description.normalizer);
    description.split_whitespace = true;
    description.prepend = prefix ? PrependScheme::always : PrependScheme::never;
    std::vector<AddedToken> tokens = beside.added;
    bool const is_camembert = beside.kind == TokenizerClass::camembert;
    for (std::string const& name : {first, last, special.unk, special.sep, special.pad, special.cls, special.mask}) {
        bool const is_there = std::any_of(tokens.begin(), tokens.end(), [&](auto const& token) { return token.content == name; });
        if (!is_there) { tokens.push_back({.content = name, .lstrip = is_camembert && name == special.mask}); }
    }
    description.added = place_added_tokens(tokens, description.tokens, json.path().string());
    auto const id = [&](std::string const& name) {
        return std::find_if(description.added.begin(), description.added.end(),
                            [&](auto const& token) { return token.content == name; })
            ->id;
    };
    description.wrapping = {.before = {id(first)}, .after = {id(last)}};
    PlainJson const metaspace = {{"type", "Metaspace"},
                                 {"replacement", description.space},
                                 {"prepend_scheme", prefix ? "always" : "never"},
                                 {"split", true}};
    description.source = resolved_source(description, [&](PlainJson& root) {
        UnigramDescription other;   // what the file alone would say
        bool known = true;
        try {
            read_unigram_splitter(json, other);
            other.wrapping = read_wrapping(json, description.tokens);
        } catch (InputError const&) { known = false; }
        if (!known || !other.split_whitespace || other.prepend != description.prepend || other.space != description.space ||
            !other.split_words) {
            warn_of_class(folder, json, "pre_tokenizer", "WhitespaceSplit and Metaspace");
            root["pre_tokenizer"] = {{"type", "Sequence"},
                                     {"pretokenizers", PlainJson::array({{{"type", "WhitespaceSplit"}}, metaspace})}};
        }
        if ((root.contains("normalizer") ? root["normalizer"] : PlainJson(nullptr)) != map) {
            bool const is_wrapped = root["normalizer"].is_object() &&
                                    root["normalizer"].value("normalizers", PlainJson::array()) == PlainJson::array({map});
            if (!is_wrapped) { warn_of_class(folder, json, "normalizer", "its character map alone"); }
            root["normalizer"] = map;
        }
        if (!known || other.wrapping.before != description.wrapping.before ||
            other.wrapping.after != description.wrapping.after) {
            warn_of_class(folder, json, "post_processor", first + " A " + last);
            root["post_processor"] = template_processing({first, id(first)}, {last, id(last)});
        }
    });
}

}  // namespace detail

/// Reads a tokenizer.json, or the one of a folder. Its padding and truncation are not applied.
/// \throws InputError  where it is not a unigram tokenizer, or needs unsupported features
inline UnigramDescription read_unigram(std::filesystem::path const& path) {
    bool const is_folder = std::filesystem::is_directory(path);
    if (is_folder && !std::filesystem::exists(path / "tokenizer.json")) {
        std::string model;   // SentencePiece's own file
        for (char const* const name : {"spiece.model", "sentencepiece.bpe.model", "sentencepiece.model"}) {
            if (std::filesystem::exists(path / name)) { model = name; }
        }
        bool const has_model = !model.empty();
        throw InputError(Diagnostic{
            .file = path.string(),
            .expected = "a tokenizer.json",
            .found = has_model ? model + " alone" : "none",
            .hint = has_model
                        ? "Convert it once in Python: transformers.AutoTokenizer.from_pretrained(FOLDER).save_pretrained(FOLDER)."
                        : "Name the folder of a T5 or XLM-RoBERTa model."});
    }
    detail::JsonFile const file(is_folder ? path / "tokenizer.json" : path);
    detail::PlainJson const& root = file.root();
    if (!root.contains("model") || !root["model"].is_object()) {
        file.refuse("an object at \"model\"", "none", detail::other_tokenizer);
    }
    detail::PlainJson const& model = root["model"];
    auto const type = file.get<std::string>(model, "type", "Unigram");
    if (type != "Unigram") { file.refuse("a model of type Unigram", '"' + type + '"', detail::other_tokenizer); }
    if (file.get(model, "byte_fallback", false)) { file.refuse("\"byte_fallback\": false", "true", detail::other_tokenizer); }
    if (!model.contains("vocab") || !model["vocab"].is_array()) {
        file.refuse("\"vocab\" of the model", "none", "Save the tokenizer again.");
    }
    UnigramDescription description{.unknown = file.get<TokenId>(model, "unk_id", -1),
                                   .source = file.content(),
                                   .file = is_folder ? (path / "tokenizer.json").string() : path.string()};
    for (detail::PlainJson const& entry : model["vocab"]) {
        if (!entry.is_array() || entry.size() != 2 || !entry[0].is_string() || !entry[1].is_number()) {
            file.refuse("pairs of token and score", entry.dump().substr(0, 60), "Save the tokenizer again.");
        }
        description.tokens.push_back(entry[0].get<std::string>());
        description.scores.push_back(entry[1].get<double>());
    }
    detail::FolderTokens const folder = is_folder ? detail::read_folder_tokens(path, &file) : detail::FolderTokens{};
    description.special = folder.special;
    description.model_max_length = folder.model_max_length;
    bool const by_class = folder.kind == detail::TokenizerClass::xlm_roberta || folder.kind == detail::TokenizerClass::camembert;
    if (by_class) {
        detail::configure_as_xlm_roberta(path, file, folder, description);
        return description;
    }
    if (root.contains("normalizer")) { detail::read_normalizer(file, root["normalizer"], description.normalizer); }
    detail::read_unigram_splitter(file, description);
    if (is_folder) {
        description.added = detail::place_added_tokens(folder.added, description.tokens, file.path().string());
        description.source = detail::resolved_source(description, [](detail::PlainJson&) {});
    } else {
        description.added = detail::read_added_tokens(file, description.tokens);
    }
    description.wrapping = detail::read_wrapping(file, description.tokens);
    description.pair = detail::read_pair_form(file);
    return description;
}

}  // namespace bmae
