// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// The files beside a tokenizer.json of byte-level BPE or unigram: names of special tokens and the length limit.
#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <string_view>
#include <utility>

#include <bmae/text/tokenizer_files.hpp>

namespace bmae::detail {

/// The content of special_tokens_map.json and tokenizer_config.json of a folder; empty and 0 where missing.
struct FolderNames {
    SpecialTokens special{.pad = {}, .unk = {}, .cls = {}, .sep = {}, .mask = {}};
    std::size_t model_max_length = 0;
};

inline FolderNames read_folder_names(std::filesystem::path const& folder) {
    FolderNames names;
    for (char const* const name : {"special_tokens_map.json", "tokenizer_config.json"}) {
        if (!std::filesystem::exists(folder / name)) { continue; }
        JsonFile const file(folder / name);
        read_special_tokens(file, names.special);
        names.model_max_length = read_model_max_length(file, names.model_max_length);
    }
    return names;
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
