// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// The files of a model's folder, Hugging Face's or sentence-transformers', for programs that change some of them and keep the others.
#pragma once

#include <algorithm>
#include <array>
#include <filesystem>
#include <functional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <bmae/detail/files.hpp>
#include <bmae/io/json_file.hpp>
#include <bmae/io/safetensors.hpp>
#include <bmae/io/weight_files.hpp>
#include <bmae/values/error.hpp>

namespace bmae {

/// The tensors of a folder, of one file or of all shards. The bytes stay valid as long as this object.
class FolderTensors {
public:
    /// \throws InputError  no weights, or pickled ones
    static FolderTensors open(std::filesystem::path const& folder) {
        WeightFiles const weights = find_weights(folder);
        if (weights.pickled) {
            throw InputError(Diagnostic{.file = weights.file.string(),
                                        .expected = "model.safetensors",
                                        .found = "a file of torch.save",
                                        .hint = "Write the folder anew first: bmae export --model FOLDER --output NEW."});
        }
        FolderTensors tensors;
        if (weights.shards.empty()) {
            tensors.add(weights.file);
        } else {
            for (auto const& [name, entries] : weights.shards) { tensors.add(folder / name); }
        }
        std::ranges::sort(tensors.entries_, {}, &TensorEntry::name);
        auto const twice = std::ranges::adjacent_find(tensors.entries_, {}, &TensorEntry::name);
        if (twice != tensors.entries_.end()) {
            throw InputError(
                Diagnostic{.file = folder.string(), .expected = "each tensor once", .found = '"' + twice->name + "\" twice"});
        }
        return tensors;
    }

    [[nodiscard]] std::vector<TensorEntry> const& entries() const noexcept { return entries_; }   ///< by name

private:
    void add(std::filesystem::path const& file) {
        files_.push_back(SafetensorsFile::open(file));
        entries_.insert(entries_.end(), files_.back().entries().begin(), files_.back().entries().end());
    }

    std::vector<SafetensorsFile> files_;
    std::vector<TensorEntry> entries_;
};

/// A folder of a model: a bare transformer, or modules of sentence-transformers.
class ModelFolder {
public:
    /// \throws InputError  no config.json of a transformer, modules that leave the folder
    explicit ModelFolder(std::filesystem::path path) : path_(std::move(path)), modules_{""} {
        std::filesystem::path const list = path_ / "modules.json";
        if (std::filesystem::exists(list)) { read_modules(list); }
        if (!std::filesystem::exists(transformer() / "config.json")) {
            throw InputError(Diagnostic{.file = path_.string(),
                                        .expected = "the folder of a transformer or of sentence-transformers",
                                        .found = "no config.json",
                                        .hint = "Name the folder that holds config.json and model.safetensors."});
        }
    }

    [[nodiscard]] std::filesystem::path const& path() const noexcept { return path_; }
    [[nodiscard]] std::filesystem::path transformer() const { return path_ / modules_.front(); }
    /// Paths of the modules within the folder, the transformer's first.
    [[nodiscard]] std::vector<std::string> const& modules() const noexcept { return modules_; }

    /// Copies all files but those that the caller writes itself, and the transformer's weights in any format.
    /// \param written  relative paths
    /// \returns        relative paths of weights of other formats and frameworks, which are left out
    std::vector<std::string> copy_others(std::filesystem::path const& output, std::set<std::string> const& written) const {
        std::vector<std::string> left_out;
        for (auto const& entry : std::filesystem::recursive_directory_iterator(path_)) {
            std::string const name = entry.path().lexically_relative(path_).generic_string();
            if (!entry.is_regular_file() || written.contains(name)) { continue; }
            bool const is_transformers = std::filesystem::equivalent(entry.path().parent_path(), transformer());
            if (is_transformers && is_weights(entry.path())) { continue; }
            if (is_of_other_framework(name, is_transformers)) {
                left_out.push_back(name);
                continue;
            }
            detail::create_folders((output / name).parent_path());
            detail::write_file(output / name, detail::read_file(entry.path(), std::uint64_t{1} << 34));
        }
        std::ranges::sort(left_out);
        return left_out;
    }

private:
    void read_modules(std::filesystem::path const& list) {
        detail::Json const json = detail::parse_json(detail::read_file(list, detail::largest_config_file), list.string());
        modules_.clear();
        if (json.is_array()) {
            for (auto const& value : json) {
                detail::JsonObject const module(value, list.string(), " of a module");
                auto const path = module.require<std::string>("path");
                if (detail::leaves_folder(path)) { throw module.refuse("a path inside the folder", '"' + path + '"'); }
                modules_.push_back(path);
            }
        }
        if (modules_.empty()) {
            throw InputError(
                Diagnostic{.file = list.string(), .expected = "an array of modules", .found = detail::kind_of(json)});
        }
    }

    static bool is_weights(std::filesystem::path const& path) {
        return path.extension() == ".safetensors" || path.filename() == "model.safetensors.index.json";
    }

    static bool is_of_other_framework(std::string const& name, bool is_transformers) {
        static constexpr std::array<std::string_view, 9> endings{".bin", ".h5",  ".msgpack",        ".ot",    ".onnx",
                                                                 ".pt",  ".pth", ".bin.index.json", ".tflite"};
        bool const in_folder = name.starts_with("onnx/") || name.starts_with("openvino/") || name.starts_with('.');
        return in_folder ||
               (is_transformers && std::ranges::any_of(endings, [&](std::string_view ending) { return name.ends_with(ending); }));
    }

    std::filesystem::path path_;
    std::vector<std::string> modules_;
};

/// Writes tensors as model.safetensors. \param bytes_of  the bytes of a tensor, asked for once, in the order of the file
template <class Bytes>
void write_model_tensors(std::filesystem::path const& file, std::vector<TensorInfo> tensors, Bytes const& bytes_of) {
    SafetensorsWriter writer(file, std::move(tensors), {{"format", "pt"}});
    for (TensorInfo const& tensor : writer.order()) {
        auto const& bytes = bytes_of(tensor.name);
        writer.append(bytes);
    }
    writer.commit();
}

}  // namespace bmae
