// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Which files of a folder of the Python library transformers hold its weights.
#pragma once

#include <array>
#include <cstddef>
#include <filesystem>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <string_view>

#include <bmae/io/json_file.hpp>
#include <bmae/values/error.hpp>

namespace bmae {

/// The weights of a folder: one file, or shards with an index.
struct WeightFiles {
    std::filesystem::path file = {};                                         ///< that holds all of them, or the index
    bool pickled = false;                                                    ///< files of torch.save; else safetensors
    std::map<std::string, std::set<std::string, std::less<>>> shards = {};   ///< file beside the index -> names of its tensors
};

namespace detail {

/// In the order in which transformers looks for them; every second one is an index of shards.
inline constexpr std::array<std::string_view, 4> weight_names{"model.safetensors", "model.safetensors.index.json",
                                                              "pytorch_model.bin", "pytorch_model.bin.index.json"};

inline std::size_t first_weights(std::filesystem::path const& folder) {
    std::size_t found = 0;
    while (found < weight_names.size() && !std::filesystem::exists(folder / weight_names[found])) { ++found; }
    return found;
}

}  // namespace detail

/// True where a folder has weights that `find_weights` finds.
inline bool holds_weights(std::filesystem::path const& folder) {
    return detail::first_weights(folder) != detail::weight_names.size();
}

/// The weights of a folder: model.safetensors, model.safetensors.index.json, pytorch_model.bin, pytorch_model.bin.index.json, the
/// first that exists, which is the order of transformers.
/// \throws InputError  a folder with none of them, an index that names other folders
inline WeightFiles find_weights(std::filesystem::path const& folder) {
    std::size_t const found = detail::first_weights(folder);
    if (found == detail::weight_names.size()) {
        throw InputError(Diagnostic{.file = folder.string(),
                                    .expected = "model.safetensors or pytorch_model.bin",
                                    .found = "no weights",
                                    .hint = "Name the folder that holds config.json and the weights."});
    }
    WeightFiles files{.file = folder / detail::weight_names[found], .pickled = found >= 2};
    if (found % 2 == 0) { return files; }
    auto const index = detail::JsonObject::read(files.file);
    auto const map = index.require<detail::JsonObject>("weight_map");
    for (auto const& [name, shard] : map.json().items()) {
        std::string const file = shard.is_string() ? shard.get<std::string>() : std::string();
        if (file.empty() || file.front() == '.' || file.find_first_of("/\\") != file.npos) {
            throw index.refuse("names of files beside the index", detail::kind_of(shard) + " for " + name);
        }
        files.shards[file].insert(name);
    }
    if (files.shards.empty()) { throw index.refuse("names of tensors under \"weight_map\"", "none"); }
    return files;
}

}  // namespace bmae
