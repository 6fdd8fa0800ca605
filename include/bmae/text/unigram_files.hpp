// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// The tokenizer.json of a unigram tokenizer, of T5 and its relatives.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <bmae/text/added_tokens.hpp>
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
    SpecialTokens special{.pad = {}, .unk = {}, .cls = {}, .sep = {}, .mask = {}};   ///< empty where there is none
    std::size_t model_max_length = 0;   ///< maximum tokens of the model; written to and read from the folder; 0: no limit
    std::string source = {};            ///< the original tokenizer.json, which is saved again
    std::string file = {};              ///< source, for errors
};

namespace detail {

inline void read_unigram_normalizer(JsonFile const& file, PlainJson const& part, std::vector<UnigramNormalizerStep>& steps) {
    using Kind = UnigramNormalizerStep::Kind;
    if (part.is_null()) { return; }
    auto const type = file.get<std::string>(part, "type", "");
    if (type == "Sequence") {
        auto const parts = part.find("normalizers");
        if (parts == part.end() || !parts->is_array()) {
            file.refuse("\"normalizers\" of a Sequence", "none", "Save the tokenizer again.");
        }
        for (PlainJson const& inner : *parts) { read_unigram_normalizer(file, inner, steps); }
    } else if (type == "Precompiled") {
        auto const text = file.get<std::string>(part, "precompiled_charsmap", "");
        auto const blob = decode_base64(text);
        if (!blob) {
            file.refuse("base64 at \"precompiled_charsmap\"", '\'' + text.substr(0, 40) + '\'', "Save the tokenizer again.");
        }
        if (blob->empty()) { return; }
        steps.push_back(
            {.kind = Kind::character_map, .map = std::make_shared<CharacterMapTrie const>(*blob, "precompiled_charsmap")});
    } else if (type == "NFC" || type == "NFKC" || type == "NFD" || type == "NFKD") {
        bool const composed = type.ends_with('C');
        UnicodeForm const form = type.starts_with("NFK") ? (composed ? UnicodeForm::kc : UnicodeForm::kd)
                                                         : (composed ? UnicodeForm::c : UnicodeForm::d);
        steps.push_back({.kind = Kind::unicode_form, .form = form});
    } else if (type == "Strip") {
        steps.push_back(
            {.kind = Kind::strip, .left = file.get(part, "strip_left", true), .right = file.get(part, "strip_right", true)});
    } else if (type == "Replace" && part.contains("pattern") && part["pattern"].is_object()) {
        auto const& pattern = part["pattern"];
        auto const expression = file.get<std::string>(pattern, "Regex", "");
        auto const to = file.get<std::string>(part, "content", "");
        auto const from = file.get<std::string>(pattern, "String", "");
        if (expression != " {2,}" && from.empty()) {
            file.refuse("the pattern \" {2,}\" or a text to replace", pattern.dump(), other_tokenizer);
        }
        steps.push_back({.kind = from.empty() ? Kind::join_spaces : Kind::replace, .from = from, .to = to});
    } else {
        file.refuse("the normalizers Precompiled, NFC, NFD, NFKC, NFKD, Strip or Replace", part.dump().substr(0, 60),
                    other_tokenizer);
    }
}

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
    if (root.contains("normalizer")) { detail::read_unigram_normalizer(file, root["normalizer"], description.normalizer); }
    detail::read_unigram_splitter(file, description);
    description.added = detail::read_added_tokens(file, description.tokens);
    description.wrapping = detail::read_wrapping(file);
    if (is_folder) {
        auto const names = detail::read_folder_names(path);
        description.special = names.special;
        description.model_max_length = names.model_max_length;
    }
    return description;
}

}  // namespace bmae
