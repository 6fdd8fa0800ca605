// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Tokens that a tokenizer.json adds to its model: matched in raw text before pre-tokenization.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <bmae/text/added_token_finder.hpp>
#include <bmae/text/tokenizer_json.hpp>
#include <bmae/values/error.hpp>
#include <bmae/values/tokens.hpp>

namespace bmae {

/// The special tokens that a tokenizer adds to one text: [CLS] and [SEP] of RoBERTa, `</s>` after a text of T5.
struct WrappingTokens {
    std::vector<TokenId> before = {};
    std::vector<TokenId> after = {};
};

namespace detail {

inline constexpr char const* other_tokenizer =
    "Only byte-level BPE (GPT-2, RoBERTa, ModernBERT) and unigram (T5) tokenizers work here.";

/// Reads "added_tokens" and adds each to `tokens`, where its id must be the next one or its own.
inline std::vector<AddedToken> read_added_tokens(JsonFile const& file, std::vector<std::string>& tokens) {
    std::vector<AddedToken> result;
    auto const list = file.root().find("added_tokens");
    if (list == file.root().end() || list->is_null()) { return result; }
    if (!list->is_array()) { file.refuse("an array at \"added_tokens\"", kind_of_json(*list), "Fix the file."); }
    for (PlainJson const& entry : *list) {
        AddedToken token{.content = file.get<std::string>(entry, "content", ""),
                         .id = file.get<TokenId>(entry, "id", -1),
                         .special = file.get(entry, "special", false),
                         .lstrip = file.get(entry, "lstrip", false),
                         .rstrip = file.get(entry, "rstrip", false),
                         .normalized = file.get(entry, "normalized", false),
                         .single_word = file.get(entry, "single_word", false)};
        if (token.content.empty() || token.id < 0) {
            file.refuse("added tokens with content and id", entry.dump().substr(0, 80), "Fix the file.");
        }
        result.push_back(std::move(token));
    }
    std::sort(result.begin(), result.end(), [](auto const& a, auto const& b) { return a.id < b.id; });
    for (AddedToken const& token : result) {
        auto const id = static_cast<std::size_t>(token.id);
        if (id == tokens.size()) { tokens.push_back(token.content); }
        if (id >= tokens.size() || tokens[id] != token.content) {
            file.refuse("the added token '" + token.content + "' with its id in the vocabulary", "id " + std::to_string(id),
                        "Use the file that belongs to the model.");
        }
    }
    return result;
}

/// Reads the special tokens that "post_processor" adds to a single text.
/// \param tokens  [V] of the vocabulary
/// \throws InputError  a processor of another kind, a token with the id of another one
inline WrappingTokens read_wrapping(JsonFile const& file, PlainJson const& processor, std::vector<std::string> const& tokens) {
    WrappingTokens wrapping;
    auto const checked = [&](PlainJson const& name, PlainJson const& number) {
        auto const id = whole_number<TokenId>(number, "id");
        bool const is_known = id >= 0 && static_cast<std::size_t>(id) < tokens.size();
        if (!is_known || tokens[static_cast<std::size_t>(id)] != name.get_ref<std::string const&>()) {
            file.refuse("the id of " + kind_of_json(name) + " in the post_processor", std::to_string(id),
                        "Use files of one model.");
        }
        return id;
    };
    if (processor.is_null()) { return wrapping; }
    auto const type = file.get<std::string>(processor, "type", "");
    try {
        if (type == "RobertaProcessing" || type == "BertProcessing") {
            wrapping.before.push_back(checked(processor.at("cls").at(0), processor.at("cls").at(1)));
            wrapping.after.push_back(checked(processor.at("sep").at(0), processor.at("sep").at(1)));
        } else if (type == "TemplateProcessing") {
            bool seen = false;
            for (PlainJson const& part : processor.at("single")) {
                if (part.contains("Sequence")) {
                    seen = true;
                    continue;
                }
                PlainJson const& special = processor.at("special_tokens").at(part.at("SpecialToken").at("id").get<std::string>());
                for (std::size_t i = 0; i < special.at("ids").size(); ++i) {
                    auto const id = checked(special.at("tokens").at(i), special.at("ids").at(i));
                    (seen ? wrapping.after : wrapping.before).push_back(id);
                }
            }
        } else if (type == "Sequence") {
            for (PlainJson const& part : processor.at("processors")) {
                WrappingTokens const inner = read_wrapping(file, part, tokens);
                wrapping.before.insert(wrapping.before.begin(), inner.before.begin(), inner.before.end());
                wrapping.after.insert(wrapping.after.end(), inner.after.begin(), inner.after.end());
            }
        } else if (type != "ByteLevel") {
            file.refuse("the post_processor RobertaProcessing, TemplateProcessing or ByteLevel", '"' + type + '"',
                        other_tokenizer);
        }
    } catch (PlainJson::exception const&) {
        file.refuse("a complete post_processor", processor.dump().substr(0, 80), "Save the tokenizer again.");
    } catch (std::out_of_range const& error) {
        file.refuse("ids in the post_processor", error.what(), "Save the tokenizer again.");
    }
    return wrapping;
}

/// How "post_processor" joins two texts; nothing where it does not say so, or joins them by other tokens than those around one.
inline std::optional<PairForm> read_pair_form(PlainJson const& processor) {
    try {
        auto const type = processor.at("type").get<std::string>();
        if (type == "RobertaProcessing") { return PairForm{.separators = 2, .token_types = false}; }
        if (type == "BertProcessing") { return PairForm{}; }
        if (type == "Sequence") {
            for (PlainJson const& part : processor.at("processors")) {
                if (auto const form = read_pair_form(part)) { return form; }
            }
            return std::nullopt;
        }
        if (type != "TemplateProcessing") { return std::nullopt; }
        // "single" is before A after: "pair" must be before A after ... after B after.
        std::vector<std::string> single, pair;
        bool types = false;
        auto const names = [](PlainJson const& part) {
            return part.contains("Sequence") ? '$' + part.at("Sequence").at("id").get<std::string>()
                                             : part.at("SpecialToken").at("id").get<std::string>();
        };
        for (PlainJson const& part : processor.at("single")) { single.push_back(names(part)); }
        for (PlainJson const& part : processor.at("pair")) {
            pair.push_back(names(part));
            if (pair.back() == "$B") { types = part.at("Sequence").at("type_id").get<int>() == 1; }
        }
        if (single.size() != 3 || single[1] != "$A" || pair.size() < 5) { return std::nullopt; }
        std::size_t const separators = pair.size() - 4;
        std::vector<std::string> wanted{single[0], "$A"};
        wanted.insert(wanted.end(), separators, single[2]);
        wanted.insert(wanted.end(), {"$B", single[2]});
        if (pair != wanted) { return std::nullopt; }
        return PairForm{.separators = separators, .token_types = types};
    } catch (PlainJson::exception const&) { return std::nullopt; }
}

inline std::optional<PairForm> read_pair_form(JsonFile const& file) {
    auto const processor = file.root().find("post_processor");
    return processor == file.root().end() ? std::nullopt : read_pair_form(*processor);
}

inline WrappingTokens read_wrapping(JsonFile const& file, std::vector<std::string> const& tokens) {
    auto const processor = file.root().find("post_processor");
    return processor == file.root().end() ? WrappingTokens{} : read_wrapping(file, *processor, tokens);
}

}  // namespace detail
}  // namespace bmae
