// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// What the files beside a tokenizer's model say of it, read in the order of precedence of transformers 5.
///
/// Its classes of BERT, RoBERTa, XLM-RoBERTa and CamemBERT build the tokenizer from tokenizer_config.json and take only vocabulary,
/// merges, character map and added tokens from tokenizer.json; its general class takes tokenizer.json as it is. Added tokens are those of
/// `added_tokens_decoder` in tokenizer_config.json; without it those of added_tokens.json and tokenizer.json. A token that the
/// vocabulary lacks has the next free id, whatever id is declared.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_set>
#include <utility>
#include <vector>

#include <bmae/text/added_token_finder.hpp>
#include <bmae/text/tokenizer_json.hpp>
#include <bmae/text/tokenizer_warning.hpp>
#include <bmae/values/error.hpp>
#include <bmae/values/tokens.hpp>

namespace bmae::detail {

/// Which code of transformers would build the tokenizer of a folder.
enum class TokenizerClass : std::uint8_t {
    general,   ///< tokenizer.json as it is
    bert,
    roberta,
    xlm_roberta,
    camembert,
    other,   ///< a class whose rules are not known here
};

inline TokenizerClass tokenizer_class_named(std::string name) {
    if (name.ends_with("Fast")) { name.resize(name.size() - 4); }
    static std::map<std::string, TokenizerClass> const known = {{"BertTokenizer", TokenizerClass::bert},
                                                                {"DistilBertTokenizer", TokenizerClass::bert},
                                                                {"ElectraTokenizer", TokenizerClass::bert},
                                                                {"RobertaTokenizer", TokenizerClass::roberta},
                                                                {"XLMRobertaTokenizer", TokenizerClass::xlm_roberta},
                                                                {"CamembertTokenizer", TokenizerClass::camembert},
                                                                {"PreTrainedTokenizer", TokenizerClass::general},
                                                                {"TokenizersBackend", TokenizerClass::general}};
    auto const found = known.find(name);
    return found == known.end() ? TokenizerClass::other : found->second;
}

/// The class of a folder: that of tokenizer_config.json, else of config.json, else that of config.json's model_type.
inline TokenizerClass tokenizer_class_of(std::filesystem::path const& folder) {
    std::string name;
    std::string type;
    if (std::filesystem::exists(folder / "tokenizer_config.json")) {
        JsonFile const file(folder / "tokenizer_config.json");
        name = file.get<std::string>(file.root(), "tokenizer_class", "");
    }
    if (std::filesystem::exists(folder / "config.json")) {
        JsonFile const file(folder / "config.json");
        type = file.get<std::string>(file.root(), "model_type", "");
        if (name.empty()) { name = file.get<std::string>(file.root(), "tokenizer_class", ""); }
    }
    static std::map<std::string, TokenizerClass> const of_type = {{"bert", TokenizerClass::bert},
                                                                  {"distilbert", TokenizerClass::bert},
                                                                  {"electra", TokenizerClass::bert},
                                                                  {"roberta", TokenizerClass::roberta},
                                                                  {"xlm-roberta", TokenizerClass::xlm_roberta},
                                                                  {"camembert", TokenizerClass::camembert},
                                                                  {"modernbert", TokenizerClass::general}};
    auto const usual = of_type.find(type);
    if (type == "modernbert") { return TokenizerClass::general; }   // whatever the folder names
    if (!name.empty()) { return tokenizer_class_named(name); }
    return usual == of_type.end() ? TokenizerClass::general : usual->second;
}

/// The tokens that the files of a folder add to a vocabulary, in the order in which they are added.
struct FolderTokens {
    TokenizerClass kind = TokenizerClass::general;
    std::vector<AddedToken> added = {};   ///< with their declared ids; -1 where none is declared
    SpecialTokens special{.pad = {}, .unk = {}, .cls = {}, .sep = {}, .mask = {}};
    std::size_t model_max_length = 0;
};

inline AddedToken read_added_token(JsonFile const& file, PlainJson const& entry, std::optional<bool> special = {}) {
    if (entry.is_string()) { return {.content = entry.get<std::string>(), .special = special.value_or(true)}; }
    bool const is_special = special.value_or(file.get(entry, "special", false));
    return {.content = file.get<std::string>(entry, "content", ""),
            .special = is_special,
            .lstrip = file.get(entry, "lstrip", false),
            .rstrip = file.get(entry, "rstrip", false),
            .normalized = file.get(entry, "normalized", !is_special),
            .single_word = file.get(entry, "single_word", false)};
}

/// Reads the files one after the other.
class FolderTokenReader {
public:
    /// \param json  tokenizer.json, where the folder has one
    FolderTokenReader(std::filesystem::path folder, JsonFile const* json) : folder_(std::move(folder)), json_(json) {}

    FolderTokens read() {
        result_.kind = tokenizer_class_of(folder_);
        bool decoded = false;
        if (exists("tokenizer_config.json")) {
            JsonFile const config(folder_ / "tokenizer_config.json");
            result_.model_max_length = read_model_max_length(config, 0);
            read_names(config);
            configured_ = extra_.size();
            decoded = config.root().contains("added_tokens_decoder") && config.root()["added_tokens_decoder"].is_object();
            if (decoded) { read_decoder(config); }
        }
        if (exists("special_tokens_map.json")) {
            JsonFile const map(folder_ / "special_tokens_map.json");
            if (decoded) {
                warn_of_other_names(map);
            } else {
                read_names(map);
            }
        }
        if (!decoded) { read_legacy(); }
        result_.special = {.pad = name("pad_token"),
                           .unk = name("unk_token"),
                           .cls = name("cls_token"),
                           .sep = name("sep_token"),
                           .mask = name("mask_token")};
        collect();
        return std::move(result_);
    }

private:
    static constexpr std::array<char const*, 7> keys = {"bos_token", "eos_token", "unk_token", "sep_token",
                                                        "pad_token", "cls_token", "mask_token"};

    [[nodiscard]] bool exists(char const* file) const { return std::filesystem::exists(folder_ / file); }
    [[nodiscard]] std::string name(std::string const& key) const {
        auto const found = named_.find(key);
        return found == named_.end() ? std::string() : found->second.content;
    }

    void read_names(JsonFile const& file) {
        for (char const* const key : keys) {
            auto const found = file.root().find(key);
            if (found == file.root().end() || found->is_null()) { continue; }
            AddedToken token = read_added_token(file, *found, true);
            auto const before = named_.find(key);
            if (before != named_.end() && before->second.content != token.content) { warn(file, key, token, before->second); }
            named_[key] = std::move(token);
        }
        for (char const* const key : {"extra_special_tokens", "additional_special_tokens"}) {
            auto const found = file.root().find(key);
            if (found == file.root().end() || !found->is_structured()) { continue; }
            for (PlainJson const& entry : *found) { extra_.push_back(read_added_token(file, entry, true)); }
        }
    }
    void warn(JsonFile const& file, char const* key, AddedToken const& read, AddedToken const& other) const {
        warn_of_tokenizer(file.path().string() + " names the " + key + ' ' + read.content + ", " +
                          (folder_ / "tokenizer_config.json").string() + ' ' + other.content +
                          ": the former is read, as transformers does.");
    }
    void warn_of_other_names(JsonFile const& map) const {
        for (auto const& [key, token] : named_) {
            auto const found = map.root().find(key);
            if (found == map.root().end() || found->is_null()) { continue; }
            AddedToken const other = read_added_token(map, *found, true);
            if (other.content == token.content) { continue; }
            warn_of_tokenizer((folder_ / "tokenizer_config.json").string() + " names the " + key + ' ' + token.content + ", " +
                              map.path().string() + ' ' + other.content + ": the former is read, as transformers does.");
        }
    }

    void put(AddedToken token, JsonFile const& file) {
        if (token.content.empty() || token.id < 0) {
            file.refuse("added tokens with content and id", "'" + token.content + "': " + std::to_string(token.id),
                        "Fix the file.");
        }
        by_id_[token.id] = std::move(token);
    }

    void read_decoder(JsonFile const& config) {
        for (auto const& [id, entry] : config.root()["added_tokens_decoder"].items()) {
            AddedToken token = read_added_token(config, entry);
            bool const is_number =
                !id.empty() && id.size() < 10 && std::all_of(id.begin(), id.end(), [](char c) { return c >= '0' && c <= '9'; });
            token.id = is_number ? static_cast<TokenId>(std::stol(id)) : -1;
            put(std::move(token), config);
        }
    }

    void read_legacy() {
        if (exists("added_tokens.json")) {
            JsonFile const file(folder_ / "added_tokens.json");
            std::unordered_set<std::string>
                special;   // the list of special_tokens_map.json comes too late for a token of this file
            for (std::size_t i = 0; i < configured_; ++i) { special.insert(extra_[i].content); }
            for (auto const& [content, id] : file.root().items()) {
                bool is_special = special.contains(content);
                for (auto const& [key, token] : named_) { is_special = is_special || token.content == content; }
                put({.content = content,
                     .id = file.get<TokenId>(file.root(), content.c_str(), -1),
                     .special = is_special,
                     .normalized = !is_special},
                    file);
            }
        }
        for_each_of_json([&](AddedToken token) { put(std::move(token), *json_); });
    }

    template <class Use>
    void for_each_of_json(Use use) const {
        if (json_ == nullptr) { return; }
        auto const list = json_->root().find("added_tokens");
        if (list == json_->root().end() || list->is_null()) { return; }
        if (!list->is_array()) { json_->refuse("an array at \"added_tokens\"", list->dump().substr(0, 60), "Fix the file."); }
        for (PlainJson const& entry : *list) {
            AddedToken token = read_added_token(*json_, entry);
            token.id = json_->get<TokenId>(entry, "id", -1);
            use(std::move(token));
        }
    }

    void collect() {
        std::vector<AddedToken>& added = result_.added;
        if (result_.kind == TokenizerClass::general || result_.kind == TokenizerClass::other) {   // its file is read first
            for_each_of_json([&](AddedToken token) { added.push_back(std::move(token)); });
            std::sort(added.begin(), added.end(), [](auto const& a, auto const& b) { return a.id < b.id; });
        }
        for (auto const& [id, token] : by_id_) { added.push_back(token); }
        std::unordered_set<std::string> seen;   // a search of the list per token takes minutes for 20,000
        for (AddedToken const& token : added) { seen.insert(token.content); }
        auto const add_new = [&](AddedToken const& token) {
            if (seen.insert(token.content).second) { added.push_back(token); }
        };
        for (char const* const key : keys) {
            auto const found = named_.find(key);
            if (found != named_.end()) { add_new(found->second); }
        }
        for (AddedToken const& token : extra_) { add_new(token); }
        for (AddedToken& token : added) {
            for (auto const& [key, named] : named_) { token.special = token.special || named.content == token.content; }
        }
    }

    std::filesystem::path folder_;
    JsonFile const* json_;
    FolderTokens result_;
    std::map<std::string, AddedToken> named_;
    std::vector<AddedToken> extra_;
    std::size_t configured_ = 0;   // those of tokenizer_config.json, first
    std::map<TokenId, AddedToken> by_id_;
};

inline FolderTokens read_folder_tokens(std::filesystem::path const& folder, JsonFile const* json) {
    return FolderTokenReader(folder, json).read();
}

/// Gives added tokens their ids: those of the vocabulary, else the next ones, which are appended to it. Of two entries for one text the
/// last decides.
/// \param tokens  [V] the model's, to which new ones are appended
/// \param file    named in a warning where another id is declared
inline std::vector<AddedToken> place_added_tokens(std::vector<AddedToken> const& list, std::vector<std::string>& tokens,
                                                  std::string const& file) {
    std::map<std::string, std::size_t, std::less<>> places;   // of the added ones in the result
    std::map<std::string_view, TokenId> wanted;
    for (AddedToken const& token : list) { wanted.emplace(token.content, -1); }
    for (std::size_t i = 0; i < tokens.size(); ++i) {
        auto const found = wanted.find(tokens[i]);
        if (found != wanted.end()) { found->second = static_cast<TokenId>(i); }
    }
    std::vector<AddedToken> result;
    for (AddedToken token : list) {
        TokenId const declared = token.id;
        TokenId& id = wanted.at(token.content);
        if (id < 0) {
            id = static_cast<TokenId>(tokens.size());
            tokens.push_back(token.content);
        }
        token.id = id;
        if (declared >= 0 && declared != id) {
            warn_of_tokenizer(file + " declares the id " + std::to_string(declared) + " for the added token '" + token.content +
                              "': it is read with the id " + std::to_string(id) + ", as transformers does.");
        }
        auto const [place, is_new] = places.try_emplace(token.content, result.size());
        if (is_new) {
            result.push_back(std::move(token));
        } else {
            result[place->second] = std::move(token);
        }
    }
    return result;
}

}  // namespace bmae::detail
