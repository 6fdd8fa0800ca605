// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// "normalizer" and "pre_tokenizer" of a tokenizer.json, as far as they are the steps of a chain.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <bmae/text/bert_normalizer.hpp>
#include <bmae/text/tokenizer_json.hpp>
#include <bmae/text/unigram_normalizer.hpp>
#include <bmae/text/word_pattern.hpp>
#include <bmae/text/word_splitter.hpp>

namespace bmae::detail {

inline constexpr char const* other_normalizer = "Tokenizers with other steps cannot be read.";

inline void read_normalizer(JsonFile const& file, PlainJson const& part, std::vector<UnigramNormalizerStep>& steps) {
    using Kind = UnigramNormalizerStep::Kind;
    if (part.is_null()) { return; }
    auto const type = file.get<std::string>(part, "type", "");
    if (type == "Sequence") {
        auto const parts = part.find("normalizers");
        if (parts == part.end() || !parts->is_array()) {
            file.refuse("\"normalizers\" of a Sequence", "none", "Save the tokenizer again.");
        }
        for (PlainJson const& inner : *parts) { read_normalizer(file, inner, steps); }
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
    } else if (type == "Lowercase") {
        steps.push_back({.kind = Kind::lower_case});
    } else if (type == "StripAccents") {
        steps.push_back({.kind = Kind::strip_accents});
    } else if (type == "Prepend") {
        steps.push_back({.kind = Kind::prepend, .to = file.get<std::string>(part, "prepend", "")});
    } else if (type == "BertNormalizer") {
        steps.push_back({.kind = Kind::bert, .bert = std::make_shared<BertNormalizer const>(read_bert_normalizer(file, part))});
    } else if (type == "Replace" && part.contains("pattern") && part["pattern"].is_object()) {
        auto const& pattern = part["pattern"];
        auto const expression = file.get<std::string>(pattern, "Regex", "");
        auto const to = file.get<std::string>(part, "content", "");
        auto const from = file.get<std::string>(pattern, "String", "");
        if (from.empty() == expression.empty()) {
            file.refuse("a text or a regular expression to replace", pattern.dump(), other_normalizer);
        }
        if (!from.empty() || expression == " {2,}") {
            steps.push_back({.kind = from.empty() ? Kind::join_spaces : Kind::replace, .from = from, .to = to});
        } else {
            steps.push_back(
                {.kind = Kind::replace_matches, .to = to, .expression = WordPattern(expression, file.path().string())});
        }
    } else {
        file.refuse(
            "the normalizers BertNormalizer, Lowercase, NFC, NFD, NFKC, NFKD, Precompiled, Prepend, Replace, Sequence, Strip or "
            "StripAccents",
            part.dump().substr(0, 60), other_normalizer);
    }
}

inline void read_splits(JsonFile const& file, PlainJson const& part, std::vector<WordSplit>& splits) {
    using Kind = WordSplit::Kind;
    using Behavior = WordSplit::Behavior;
    if (part.is_null()) { return; }
    auto const type = file.get<std::string>(part, "type", "");
    auto const refuse = [&](std::string expected) {
        file.refuse(std::move(expected), part.dump().substr(0, 80), other_normalizer);
    };
    auto const behavior = [&](char const* usual) {
        auto const name = file.get<std::string>(part, "behavior", usual);
        if (name == "Removed") { return Behavior::removed; }
        if (name == "Isolated") { return Behavior::isolated; }
        if (name == "MergedWithPrevious") { return Behavior::merged_with_previous; }
        if (name == "MergedWithNext") { return Behavior::merged_with_next; }
        if (name != "Contiguous") {
            refuse("the \"behavior\" Removed, Isolated, MergedWithPrevious, MergedWithNext or Contiguous of the pre_tokenizer " +
                   type);
        }
        return Behavior::contiguous;
    };
    if (type == "Sequence") {
        auto const parts = part.find("pretokenizers");
        if (parts == part.end() || !parts->is_array()) { refuse("\"pretokenizers\" of a Sequence"); }
        for (PlainJson const& inner : *parts) { read_splits(file, inner, splits); }
    } else if (type == "BertPreTokenizer") {
        splits.push_back({.kind = Kind::space});
        splits.push_back({.kind = Kind::punctuation, .behavior = Behavior::isolated});
    } else if (type == "WhitespaceSplit") {
        splits.push_back({.kind = Kind::space});
    } else if (type == "Whitespace") {
        splits.push_back({.kind = Kind::word});
    } else if (type == "Punctuation") {
        splits.push_back({.kind = Kind::punctuation, .behavior = behavior("Isolated")});
    } else if (type == "Digits") {
        bool const each = file.get(part, "individual_digits", false);
        splits.push_back({.kind = Kind::digits, .behavior = each ? Behavior::isolated : Behavior::contiguous});
    } else if (type == "Split" && part.contains("pattern") && part["pattern"].is_object()) {
        auto const text = file.get<std::string>(part["pattern"], "String", "");
        auto const expression = file.get<std::string>(part["pattern"], "Regex", "");
        if (text.empty() == expression.empty()) { refuse("a Split at a text or at a regular expression"); }
        splits.push_back({.kind = text.empty() ? Kind::expression : Kind::text,
                          .behavior = behavior("Removed"),
                          .pattern = text,
                          .expression = text.empty() ? WordPattern(expression, file.path().string()) : WordPattern(),
                          .invert = file.get(part, "invert", false)});
    } else {
        refuse("the pre_tokenizers BertPreTokenizer, Digits, Punctuation, Sequence, Split, Whitespace or WhitespaceSplit");
    }
}

}  // namespace bmae::detail
