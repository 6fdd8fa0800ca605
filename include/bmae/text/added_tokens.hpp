// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Tokens that a tokenizer.json adds to its model: matched in raw text before pre-tokenization.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
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
    if (!list->is_array()) { file.refuse("an array at \"added_tokens\"", list->dump().substr(0, 60), "Fix the file."); }
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

/// Reads the special tokens that "post_processor" adds to a single text. \throws InputError at a processor of another kind
inline WrappingTokens read_wrapping(JsonFile const& file, PlainJson const& processor) {
    WrappingTokens wrapping;
    if (processor.is_null()) { return wrapping; }
    auto const type = file.get<std::string>(processor, "type", "");
    try {
        if (type == "RobertaProcessing" || type == "BertProcessing") {
            wrapping.before.push_back(processor.at("cls").at(1).get<TokenId>());
            wrapping.after.push_back(processor.at("sep").at(1).get<TokenId>());
        } else if (type == "TemplateProcessing") {
            bool seen = false;
            for (PlainJson const& part : processor.at("single")) {
                if (part.contains("Sequence")) {
                    seen = true;
                    continue;
                }
                PlainJson const& special = processor.at("special_tokens").at(part.at("SpecialToken").at("id").get<std::string>());
                for (PlainJson const& id : special.at("ids")) {
                    (seen ? wrapping.after : wrapping.before).push_back(id.get<TokenId>());
                }
            }
        } else if (type == "Sequence") {
            for (PlainJson const& part : processor.at("processors")) {
                WrappingTokens const inner = read_wrapping(file, part);
                wrapping.before.insert(wrapping.before.begin(), inner.before.begin(), inner.before.end());
                wrapping.after.insert(wrapping.after.end(), inner.after.begin(), inner.after.end());
            }
        } else if (type != "ByteLevel") {
            file.refuse("the post_processor RobertaProcessing, TemplateProcessing or ByteLevel", '"' + type + '"',
                        other_tokenizer);
        }
    } catch (PlainJson::exception const&) {
        file.refuse("a complete post_processor", processor.dump().substr(0, 80), "Save the tokenizer again.");
    }
    return wrapping;
}

inline WrappingTokens read_wrapping(JsonFile const& file) {
    auto const processor = file.root().find("post_processor");
    return processor == file.root().end() ? WrappingTokens{} : read_wrapping(file, *processor);
}

}  // namespace detail
}  // namespace bmae
