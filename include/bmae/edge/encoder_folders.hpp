// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Common code of the folders of all encoders: lists of modules, prompts, length limits.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <bmae/detail/files.hpp>
#include <bmae/detail/folders.hpp>
#include <bmae/io/json_file.hpp>
#include <bmae/io/sentence_transformer.hpp>
#include <bmae/text/any_tokenizer.hpp>
#include <bmae/text/wordpiece.hpp>
#include <bmae/values/error.hpp>
#include <bmae/values/prompts.hpp>

namespace bmae::detail {

/// The modules of a folder, which must be of the kinds `wanted`, in this order; those of `optional` may be missing. Their types are
/// without the package.
inline std::vector<FolderModule> read_modules(std::filesystem::path const& folder, std::vector<std::string_view> const& wanted,
                                              std::vector<std::string_view> const& optional, std::string_view what) {
    auto const path = folder / "modules.json";
    std::string expected = "the modules";
    for (std::string_view const kind : wanted) { expected += ' ' + std::string(kind); }
    expected += ", of " + std::string(what);
    auto const refuse = [&](std::string found) {
        return InputError(Diagnostic{.file = path.string(),
                                     .expected = expected,
                                     .found = std::move(found),
                                     .hint = "Other modules are not supported: results without them would be wrong."});
    };
    if (!std::filesystem::exists(path)) { throw refuse("no such file"); }
    std::vector<FolderModule> modules = list_modules(folder);
    std::string found;
    for (FolderModule& one : modules) {   // the class without its package: "Transformer", "Dense" ...
        std::string const type = std::move(one.type);
        // PyLate's Dense is the class of sentence-transformers under a name of its own.
        one.type = type.starts_with("pylate.models.") ? type.substr(type.rfind('.') + 1) : std::string(stock_class(type));
        if (one.type == "MLMTransformer") { one.type = "Transformer"; }
        if (one.type.empty()) { throw refuse('"' + type + '"'); }
        found += (found.empty() ? "" : " ") + one.type;
    }
    std::size_t m = 0;
    for (std::string_view const kind : wanted) {
        if (m < modules.size() && modules[m].type == kind) {
            ++m;
        } else if (std::ranges::find(optional, kind) == optional.end()) {
            throw refuse(found.empty() ? "none" : found);
        }
    }
    if (m != modules.size()) { throw refuse(found); }
    return modules;
}

/// Whether a folder holds a model with a classification head, of any number of labels, and no pooling of hidden states.
inline bool holds_classifier(std::filesystem::path const& folder) {
    auto const modules = folder / "modules.json";
    if (!std::filesystem::exists(folder / "config.json")) { return false; }
    if (std::filesystem::exists(modules) && read_file(modules, largest_config_file).find("Pooling") != std::string::npos) {
        return false;
    }
    auto const classes = JsonObject::read(folder / "config.json").get<std::vector<std::string>>("architectures", {});
    return std::ranges::any_of(classes, [](std::string const& name) { return name.ends_with("ForSequenceClassification"); });
}

/// Writes a file of settings, and the folder above it.
inline void write_json(std::filesystem::path const& path, Json const& document) {
    create_folders(path.parent_path());
    write_file(path, json_document(document));
}

/// Gives both roles a prompt under their own names, which may be empty: version 6 reads no other for them.
inline void name_roles(Prompts& prompts) {
    std::string query = prompts.of_queries();
    std::string document = prompts.of_documents();
    prompts.texts.emplace("query", std::move(query));
    prompts.texts.emplace("document", std::move(document));
}

/// config_sentence_transformers.json of an encoder of that class.
inline Json sentence_transformers_json(std::string const& model_type, std::string const& similarity, Prompts prompts = {}) {
    name_roles(prompts);
    Json document{{"__version__", {{"sentence_transformers", "6.0.0"}, {"transformers", "4.57.0"}, {"pytorch", "2.8.0"}}},
                  {"model_type", model_type},
                  {"prompts", prompts.texts},
                  {"default_prompt_name", nullptr},
                  {"similarity_fn_name", similarity}};
    if (prompts.standard) { document["default_prompt_name"] = *prompts.standard; }
    return document;
}

/// Whose prompts a kind of model reads by itself.
enum class PromptUse { roles, standard };

/// Refuses a folder with a prompt that would be read, which `what` does not support.
/// \param use  roles: those of queries and documents and the standard one; standard: that one alone
inline void require_no_prompts(std::filesystem::path const& folder, std::string_view what, PromptUse use = PromptUse::roles) {
    auto const path = folder / "config_sentence_transformers.json";
    if (!std::filesystem::exists(path)) { return; }
    auto const object = JsonObject::read(path);
    Prompts const prompts = read_prompts(object);
    std::map<std::string, std::string> texts;
    for (auto const& [name, text] : prompts.texts) {
        bool const of_role = use == PromptUse::roles && (name == "query" || name == "document");
        if (of_role || name == prompts.standard) { texts[name] = text; }
    }
    for (char const* const key : {"query_prefix", "document_prefix"}) {   // PyLate's
        if (object.has(key)) { texts[key] = object.get<std::string>(key, ""); }
    }
    for (auto const& [name, text] : texts) {
        if (text.empty()) { continue; }
        throw object.refuse("no prompt, of " + std::string(what), '"' + name + "\": \"" + text + '"',
                            "Prepend it to the texts yourself and set it to \"\".");
    }
}

/// Refuses a folder that ranks by another similarity than the only one of its kind.
inline void require_similarity(std::filesystem::path const& folder, std::string_view only, std::string_view what) {
    auto const path = folder / "config_sentence_transformers.json";
    if (!std::filesystem::exists(path)) { return; }
    auto const object = JsonObject::read(path);
    auto const named = object.find<std::string>("similarity_fn_name");
    bool const is_only = named == only || (only == "maxsim" && named == "MaxSim");   // as PyLate writes it
    if (!named || is_only) { return; }
    throw object.refuse("\"similarity_fn_name\": \"" + std::string(only) + "\", of " + std::string(what), '"' + *named + '"',
                        "Search ranks by no other: the order would not be the model's.");
}

inline bool lower_cases(AnyTokenizer const& tokenizer) {
    auto const* const words = tokenizer.as<WordPiece>();
    return words != nullptr && words->options().normalizer.lower_case;
}

inline void require_lower_casing(std::filesystem::path const& transformer, bool do_lower_case) {
    if (!do_lower_case || lower_cases(AnyTokenizer::from_file(transformer))) { return; }
    throw InputError(Diagnostic{.file = (transformer / "sentence_bert_config.json").string(),
                                .expected = "\"do_lower_case\": false",
                                .found = "true, with a tokenizer that keeps capitals",
                                .hint = "Use a lower-casing tokenizer."});
}

/// The length limit of a transformer's folder, in tokens with specials.
inline std::size_t folder_max_length(std::filesystem::path const& transformer) {
    DeclaredLengths const declared = declared_lengths(transformer, other_transformer_keys);
    require_lower_casing(transformer, declared.do_lower_case);
    return static_cast<std::size_t>(read_max_length(transformer, declared.longest));
}

/// The length limit of queries; 0 where they have none of their own.
inline std::size_t folder_query_length(std::filesystem::path const& transformer) {
    return static_cast<std::size_t>(declared_lengths(transformer, other_transformer_keys).query);
}

/// Writes the tokenizer with a length limit, which version 6 and cross-encoders of all versions read it.
inline void save_tokenizer(AnyTokenizer const& tokenizer, std::filesystem::path const& folder, std::size_t max_length) {
    tokenizer.save(folder);
    auto const path = folder / "tokenizer_config.json";
    Json document = std::filesystem::exists(path) ? JsonObject::read(path).json() : Json::object();
    document["model_max_length"] = max_length;
    write_file(path, json_document(document), Existing::replace);
}

}  // namespace bmae::detail
