// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Two sentence encoders in one folder of sentence-transformers: its module Router (versions 5 and 6; before Asym), with a route of queries
/// and one of documents.
#pragma once

#include <array>
#include <cstddef>
#include <filesystem>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <bmae/detail/files.hpp>
#include <bmae/detail/folders.hpp>
#include <bmae/io/json_file.hpp>
#include <bmae/io/sentence_transformer.hpp>
#include <bmae/io/sentence_transformer_keys.hpp>
#include <bmae/values/error.hpp>

namespace bmae {

/// The layouts of both encoders. Similarity, prompts and `truncate_dim` are those of the folder, equal in both.
struct RouterLayout {
    SentenceTransformerLayout query = {};
    SentenceTransformerLayout document = {};
};

namespace detail {

inline constexpr std::array<std::string_view, 2> route_names{"query", "document"};

inline bool is_router_class(std::string_view type) {
    std::string_view const kind = stock_class(type);
    return kind == "Router" || kind == "Asym";
}

/// Where the modules of a route are: in a folder named by the route, the number and the class, as sentence-transformers names them.
inline std::string route_folder(std::string_view route, std::size_t number, std::string_view kind) {
    return std::string(route) + '_' + std::to_string(number) + '_' + std::string(kind);
}

/// The file that describes the routes; Asym's has another name.
inline std::filesystem::path router_file(std::filesystem::path const& router) {
    auto const file = router / "router_config.json";
    return std::filesystem::exists(file) ? file : router / "config.json";
}

/// The Router of a folder, which its `modules.json` names first.
struct RouterModule {
    std::filesystem::path file;
    std::filesystem::path place;   ///< of the Router, inside the whole
    JsonObject json;
    std::vector<FolderModule> behind;   ///< modules that read what either route gives

    /// The modules of one route, with their folders inside the whole.
    [[nodiscard]] std::vector<FolderModule> modules_of(std::string const& route) const {
        auto const structure = json.require<JsonObject>("structure");
        auto const types = json.require<JsonObject>("types");
        std::vector<FolderModule> modules;
        for (std::string const& name : structure.require<std::vector<std::string>>(route)) {
            require_inside(json, name);
            modules.push_back({.type = types.require<std::string>(name), .path = (place / name).generic_string()});
        }
        return modules;
    }
};

/// \throws InputError  a key that is not known, other routes than query and document
inline RouterModule read_router(std::filesystem::path const& folder) {
    std::vector<FolderModule> const modules = list_modules(folder);
    std::filesystem::path const place = modules.at(0).path;
    std::filesystem::path const file = router_file(folder / place);
    RouterModule router{
        .file = file, .place = place, .json = JsonObject::read(file), .behind = {modules.begin() + 1, modules.end()}};
    require_known_keys(router.json, router_keys);
    if (auto const parameters = router.json.find<JsonObject>("parameters")) { require_known_keys(*parameters, route_keys); }
    auto const structure = router.json.require<JsonObject>("structure");
    for (auto const& [route, list] : structure.json().items()) {
        if (route != route_names[0] && route != route_names[1]) {
            throw router.json.refuse("the routes query and document", '"' + route + '"',
                                     "Texts are queries or documents: another route would never be read.");
        }
    }
    return router;
}

}  // namespace detail

/// True for a folder whose first module chooses between encoders.
inline bool is_router_folder(std::filesystem::path const& folder) {
    if (!std::filesystem::exists(folder / "modules.json")) { return false; }
    auto const modules = detail::list_modules(folder);
    return !modules.empty() && detail::is_router_class(modules.front().type);
}

/// Reads the layouts of both encoders. Modules behind the Router belong to both.
/// \throws InputError  other routes than query and document, routes by other words, and what a folder of one encoder is refused for
inline RouterLayout read_sentence_router(std::filesystem::path const& folder) {
    detail::RouterModule const router = detail::read_router(folder);
    auto const layout_of = [&](std::string const& route) {
        std::vector<detail::FolderModule> chain = router.modules_of(route);
        chain.insert(chain.end(), router.behind.begin(), router.behind.end());
        SentenceTransformerLayout layout = detail::read_module_list(folder, router.file, chain);
        detail::read_similarity(folder, layout);
        return layout;
    };
    RouterLayout both{.query = layout_of("query"), .document = layout_of("document")};
    auto const require_equal = [&](bool equal, std::string const& what) {
        if (equal) { return; }
        throw router.json.refuse("one " + what + " of queries and documents", "two", "Their vectors could not be compared.");
    };
    require_equal(both.query.unit_length() == both.document.unit_length(), "choice of a Normalize at the end");
    require_equal(both.query.include_prompt == both.document.include_prompt, "include_prompt");
    return both;
}

/// The folders that `write_sentence_router_files` made, inside the whole, for weights and tokenizer.
struct RouteFolders {
    std::filesystem::path transformer = {};
    std::vector<std::filesystem::path> weights = {};   ///< of the modules that have some, in their order
};

/// Writes the files of both layouts into an existing folder without them. Similarity and prompts are those of `layout.document`.
/// \returns the folders of queries and of documents
inline std::array<RouteFolders, 2> write_sentence_router_files(std::filesystem::path const& folder, RouterLayout const& layout) {
    using detail::Json;
    std::array<RouteFolders, 2> folders;
    Json types = Json::object();
    Json structure = Json::object();
    for (std::size_t r = 0; r < folders.size(); ++r) {
        SentenceTransformerLayout const& one = r == 0 ? layout.query : layout.document;
        std::string const route(detail::route_names[r]);
        detail::require_writable(folder, one);
        detail::WrittenModules written = detail::write_module_files(
            folder, one, [&](std::size_t number, std::string const& kind) { return detail::route_folder(route, number, kind); });
        structure[route] = Json::array();
        for (auto const& [type, path] : written.modules) {
            types[path] = type;
            structure[route].push_back(path);
        }
        folders[r] = {.transformer = folder / written.modules.front().path, .weights = std::move(written.weight_folders)};
    }
    detail::write_file(folder / "router_config.json",
                       detail::json_document({{"types", std::move(types)},
                                              {"structure", std::move(structure)},
                                              {"parameters", {{"default_route", "document"}, {"allow_empty_key", true}}}}));
    detail::write_model_files(folder, {{.type = "sentence_transformers.models.Router", .path = ""}}, layout.document);
    return folders;
}

}  // namespace bmae
