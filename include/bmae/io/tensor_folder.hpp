// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// The weights of a folder of the Python library transformers, whole or in shards, of any architecture.
#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <utility>

#include <bmae/io/json_file.hpp>
#include <bmae/io/safetensors.hpp>
#include <bmae/io/tensors.hpp>
#include <bmae/values/error.hpp>

namespace bmae::detail {

/// Refuses a path that is no folder.
inline void require_model_folder(std::filesystem::path const& folder) {
    if (std::filesystem::is_directory(folder)) { return; }
    throw InputError(Diagnostic{.file = folder.string(),
                                .expected = "a folder with config.json and model.safetensors",
                                .found = std::filesystem::exists(folder) ? "a file" : "nothing of that name",
                                .hint = "Check the path."});
}

/// All tensors of a folder by their names in its files.
inline NamedTensors load_hf_tensors(std::filesystem::path const& folder, Loading loading) {
    if (auto const whole = folder / "model.safetensors"; std::filesystem::exists(whole)) { return load_tensors(whole, loading); }
    auto const index_path = folder / "model.safetensors.index.json";
    if (!std::filesystem::exists(index_path)) {
        bool const pickled = std::filesystem::exists(folder / "pytorch_model.bin") ||
                             std::filesystem::exists(folder / "pytorch_model.bin.index.json");
        throw InputError(
            Diagnostic{.file = folder.string(),
                       .expected = "model.safetensors",
                       .found = pickled ? "pytorch_model.bin, which is a Python pickle" : "no weights",
                       .hint = pickled ? "Convert it once in Python: transformers.AutoModelForMaskedLM.from_pretrained(FOLDER)"
                                         ".save_pretrained(NEW_FOLDER)."
                                       : "Name the folder that holds config.json and model.safetensors."});
    }
    auto const index = JsonObject::read(index_path);
    auto const map = index.require<JsonObject>("weight_map");
    std::map<std::string, std::set<std::string, std::less<>>> by_shard;
    for (auto const& [name, shard] : map.json().items()) {
        std::string const file = shard.is_string() ? shard.get<std::string>() : std::string();
        if (file.empty() || file.front() == '.' || file.find_first_of("/\\") != file.npos) {
            throw index.refuse("names of files beside the index", kind_of(shard) + " for " + name);
        }
        by_shard[file].insert(name);
    }
    NamedTensors tensors;
    for (auto const& [shard, names] : by_shard) {
        auto const file = SafetensorsFile::open(folder / shard);
        for (TensorEntry const& entry : file.entries()) {
            if (!names.contains(entry.name)) {
                throw index.refuse("every tensor of " + shard + " in weight_map", '"' + entry.name + "\" missing there");
            }
        }
        for (std::string const& name : names) { tensors.emplace(name, to_tensor(file, file.at(name), loading)); }
    }
    return tensors;
}

}  // namespace bmae::detail
