// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// The weights of a folder of the Python library transformers, whole or in shards, of any architecture.
#pragma once

#include <filesystem>
#include <string>
#include <utility>

#include <bmae/io/reference_state.hpp>
#include <bmae/io/tensors.hpp>
#include <bmae/io/torch_tensors.hpp>
#include <bmae/io/weight_files.hpp>
#include <bmae/values/error.hpp>

namespace bmae::detail {

/// Refuses a path that is no folder.
inline void require_model_folder(std::filesystem::path const& folder) {
    if (std::filesystem::is_directory(folder)) { return; }
    throw InputError(Diagnostic{.file = folder.string(),
                                .expected = "a folder with config.json and weights",
                                .found = std::filesystem::exists(folder) ? "a file" : "nothing of that name",
                                .hint = "Check the path."});
}

/// All tensors of a folder by their names in its files; see `find_weights` for the file that is read.
inline NamedTensors load_all_tensors(std::filesystem::path const& folder, Loading loading) {
    WeightFiles const files = find_weights(folder);
    auto const load = [&](std::filesystem::path const& file) {
        return files.pickled ? load_torch_tensors(file, loading) : load_tensors(file, loading);
    };
    if (files.shards.empty()) { return load(files.file); }
    auto const refuse = [&files](std::string expected, std::string found) {
        return InputError(
            Diagnostic{.file = files.file.string(), .expected = std::move(expected), .found = std::move(found), .hint = {}});
    };
    NamedTensors tensors;
    for (auto const& [shard, names] : files.shards) {
        NamedTensors part = load(folder / shard);
        for (auto const& [name, tensor] : part) {
            if (!names.contains(name)) {
                throw refuse("every tensor of " + shard + " in weight_map", '"' + name + "\" missing there");
            }
        }
        for (std::string const& name : names) {
            auto const at = part.find(name);
            if (at == part.end()) { throw refuse("the tensor \"" + name + "\" in " + shard, "none"); }
            tensors.emplace(name, std::move(at->second));
        }
    }
    return tensors;
}

/// The same of the model itself: of a state with decoders, as RetroMAE's code saves it, the encoder.
inline NamedTensors load_hf_tensors(std::filesystem::path const& folder, Loading loading) {
    return encoder_of_state(load_all_tensors(folder, loading));
}

}  // namespace bmae::detail
