// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// The files beside a tokenizer.json of byte-level BPE or unigram: names of special tokens and the length limit.
#pragma once

#include <algorithm>
#include <cstddef>
#include <filesystem>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <bmae/text/added_token_finder.hpp>
#include <bmae/text/tokenizer_folder.hpp>
#include <bmae/text/tokenizer_json.hpp>
#include <bmae/text/tokenizer_warning.hpp>
#include <bmae/values/tokens.hpp>

namespace bmae::detail {

/// The tokenizer.json of a description, changed where the files beside it say something else: it is saved again.
/// \param change  sets other keys of the root
template <class Description, class Change>
std::string resolved_source(Description const& description, Change change) {
    PlainJson root = PlainJson::parse(description.source);
    PlainJson list = PlainJson::array();
    std::vector<AddedToken> added = description.added;
    std::sort(added.begin(), added.end(), [](auto const& a, auto const& b) { return a.id < b.id; });
    for (AddedToken const& token : added) {
        list.push_back({{"id", token.id},
                        {"content", token.content},
                        {"single_word", token.single_word},
                        {"lstrip", token.lstrip},
                        {"rstrip", token.rstrip},
                        {"normalized", token.normalized},
                        {"special", token.special}});
    }
    PlainJson const before = root;
    root["added_tokens"] = std::move(list);
    change(root);
    return root == before ? description.source : root.dump() + '\n';
}

/// The template `before A after`, as RoBERTa and XLM-RoBERTa join pairs.
inline PlainJson template_processing(std::pair<std::string, TokenId> const& before,
                                     std::pair<std::string, TokenId> const& after) {
    auto const token = [](std::string const& name) { return PlainJson{{"SpecialToken", {{"id", name}, {"type_id", 0}}}}; };
    auto const text = [](char const* name) { return PlainJson{{"Sequence", {{"id", name}, {"type_id", 0}}}}; };
    PlainJson const first = token(before.first), last = token(after.first);
    PlainJson special = PlainJson::object();
    for (auto const& [name, id] : {before, after}) {
        special[name] = {{"id", name}, {"ids", PlainJson::array({id})}, {"tokens", PlainJson::array({name})}};
    }
    return {{"type", "TemplateProcessing"},
            {"single", PlainJson::array({first, text("A"), last})},
            {"pair", PlainJson::array({first, text("A"), last, last, text("B"), last})},
            {"special_tokens", special}};
}

/// Says that a tokenizer.json is read in another way than it tells.
inline void warn_of_class(std::filesystem::path const& folder, JsonFile const& json, std::string const& key,
                          std::string const& own) {
    warn_of_tokenizer(json.path().string() + " has another \"" + key +
                      "\" than the class that tokenizer_config.json or config.json of " + folder.string() +
                      " names, which makes " + own + ": the latter is read, as transformers does.");
}

/// Writes tokenizer.json, tokenizer_config.json and special_tokens_map.json. The class named in it reads tokenizer.json as it
/// is, for any model. Each file appears atomically; none is overwritten.
/// \param special  empty where there is none
/// \throws InputError  where one of the files exists
inline void write_subword_files(std::filesystem::path const& folder, std::string const& tokenizer_json,
                                SpecialTokens const& special, std::size_t model_max_length) {
    OrderedJson names = OrderedJson::object();
    for (auto const& [key, token] :
         {std::pair{"bos_token", &special.cls}, std::pair{"eos_token", &special.sep}, std::pair{"unk_token", &special.unk},
          std::pair{"sep_token", &special.sep}, std::pair{"pad_token", &special.pad}, std::pair{"cls_token", &special.cls},
          std::pair{"mask_token", &special.mask}}) {
        if (!token->empty()) { names[key] = *token; }
    }
    OrderedJson config = {{"tokenizer_class", "PreTrainedTokenizerFast"},
                          {"model_max_length", model_max_length_json(model_max_length)},
                          {"model_input_names", OrderedJson::array({"input_ids", "attention_mask"})},
                          {"clean_up_tokenization_spaces", false}};
    config.update(names);
    write_new_files(folder, {{"tokenizer.json", tokenizer_json},
                             {"special_tokens_map.json", names.dump(2) + '\n'},
                             {"tokenizer_config.json", config.dump(2) + '\n'}});
}

}  // namespace bmae::detail
