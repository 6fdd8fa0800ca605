// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Several models averaged into one (LM-Cocktail, Xiao, Liu, Zhang, Xing, arXiv 2311.13534): w = sum of a_i w_i, with weights a_i whose
/// sum is 1.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <bmae/detail/folders.hpp>
#include <bmae/io/json_file.hpp>
#include <bmae/io/model_folder.hpp>
#include <bmae/io/number_rows.hpp>
#include <bmae/text/any_tokenizer.hpp>
#include <bmae/text/tokenizer_fingerprint.hpp>
#include <bmae/values/error.hpp>

namespace bmae {

/// A model and its share.
struct MergePart {
    std::filesystem::path folder = {};
    double weight = 0;
};

struct MergeReport {
    std::size_t tensors = 0;                  ///< averaged ones
    std::size_t equal_tensors = 0;            ///< of whole numbers, the same in all parts
    std::vector<std::string> left_out = {};   ///< files of other frameworks
};

namespace detail {

/// Keys of config.json that say how a file was made and not what is computed.
inline constexpr std::array<std::string_view, 8> origins_in_config{"_name_or_path", "transformers_version", "torch_dtype",
                                                                   "dtype",         "architectures",        "use_cache",
                                                                   "__version__",   "_attn_implementation"};

/// Refuses JSON files that differ in any other key.
inline void require_equal_json(std::filesystem::path const& first, std::filesystem::path const& other) {
    bool const exist[] = {std::filesystem::exists(first), std::filesystem::exists(other)};
    if (exist[0] != exist[1]) {
        throw InputError(Diagnostic{.file = other.string(),
                                    .expected = exist[0] ? "the file, as " + first.string() : "none, as the first model has none",
                                    .found = exist[0] ? "none" : "one"});
    }
    if (!exist[0]) { return; }
    auto const read = [](std::filesystem::path const& path) {
        return parse_json(read_file(path, largest_config_file), path.string());
    };
    auto const values = [](Json const& json) {
        std::map<std::string, std::string> list;
        if (!json.is_object()) { list[""] = json.dump(); }
        for (auto const& [key, value] : json.items()) {
            if (json.is_object() && std::ranges::find(origins_in_config, key) == origins_in_config.end()) {
                list[key] = value.dump();
            }
        }
        return list;
    };
    auto const then = values(read(first)), now = values(read(other));
    for (auto const& [key, value] : then) {
        auto const at = now.find(key);
        std::string const found = at == now.end() ? "none" : at->second;
        if (found == value) { continue; }
        throw InputError(Diagnostic{.file = other.string(),
                                    .expected = '"' + key + "\": " + value.substr(0, 80) + ", as in " + first.string(),
                                    .found = found.substr(0, 80),
                                    .hint = "Only models of one architecture and vocabulary can be averaged."});
    }
    for (auto const& [key, value] : now) {
        if (then.contains(key)) { continue; }
        throw InputError(Diagnostic{
            .file = other.string(), .expected = "no \"" + key + "\", as in " + first.string(), .found = value.substr(0, 80)});
    }
}

inline void require_mergeable(ModelFolder const& first, ModelFolder const& other) {
    require_equal_json(first.path() / "modules.json", other.path() / "modules.json");
    for (std::string const& module : first.modules()) {
        require_equal_json(first.path() / module / "config.json", other.path() / module / "config.json");
    }
    auto const expected = AnyTokenizer::from_file(first.transformer()), found = AnyTokenizer::from_file(other.transformer());
    if (tokenizer_fingerprint(expected) == tokenizer_fingerprint(found)) { return; }
    throw InputError(Diagnostic{
        .file = other.transformer().string(),
        .expected = "the tokenizer of " + first.transformer().string() + ", of " + std::to_string(expected.size()) + " tokens",
        .found = "another one, of " + std::to_string(found.size()),
        .hint = "Rows of word embeddings would mean different words."});
}

/// Averages the weights of one module.
class MergedTensors {
public:
    MergedTensors(std::vector<std::filesystem::path> const& folders, std::vector<double> weights) : weights_(std::move(weights)) {
        for (auto const& folder : folders) { parts_.push_back(FolderTensors::open(folder)); }
        auto const& first = parts_.front().entries();
        for (std::size_t p = 1; p < parts_.size(); ++p) { require_equal_shapes(first, parts_[p].entries(), folders[p]); }
        for (std::size_t i = 0; i < first.size(); ++i) { places_[first[i].name] = i; }
    }

    void write(std::filesystem::path const& file, MergeReport& report) const {
        std::vector<TensorInfo> list;
        for (TensorEntry const& tensor : parts_.front().entries()) { list.push_back(tensor); }
        std::vector<std::byte> bytes;
        write_model_tensors(file, std::move(list), [&](std::string const& name) -> std::span<std::byte const> {
            bytes = merged(places_.find(name)->second, file, report);
            return bytes;
        });
    }

private:
    static void require_equal_shapes(std::vector<TensorEntry> const& first, std::vector<TensorEntry> const& other,
                                     std::filesystem::path const& folder) {
        auto const refuse = [&](std::string expected, std::string found) {
            return InputError(Diagnostic{.file = folder.string(), .expected = std::move(expected), .found = std::move(found)});
        };
        auto const text = [](TensorInfo const& tensor) {
            return std::string(to_string(tensor.type)) + ' ' + shape_text(tensor.shape);
        };
        for (std::size_t i = 0; i < std::max(first.size(), other.size()); ++i) {
            bool const ends = i >= first.size() || i >= other.size();
            if (ends || first[i].name != other[i].name) {
                bool const lacks = i >= other.size() || (i < first.size() && first[i].name < other[i].name);
                throw lacks ? refuse("the tensor \"" + first[i].name + '"', "none")
                            : refuse("no tensor \"" + other[i].name + '"', "one");
            }
            if (first[i].type != other[i].type || first[i].shape != other[i].shape) {
                throw refuse('"' + first[i].name + "\" as " + text(first[i]), text(other[i]));
            }
        }
    }

    [[nodiscard]] std::vector<std::byte> merged(std::size_t place, std::filesystem::path const& file, MergeReport& report) const {
        std::vector<std::span<std::byte const>> parts;
        for (FolderTensors const& part : parts_) { parts.push_back(part.entries()[place].bytes); }
        TensorEntry const& first = parts_.front().entries()[place];
        if (is_averaged(first.type)) {
            ++report.tensors;
            return weighted_sum(first.type, parts, weights_);
        }
        for (auto const& bytes : parts) {
            if (std::ranges::equal(bytes, parts.front())) { continue; }
            throw InputError(Diagnostic{
                .file = file.string(),
                .expected = "equal numbers of type " + std::string(to_string(first.type)) + " as \"" + first.name + '"',
                .found = "others in another model"});
        }
        ++report.equal_tensors;
        return {parts.front().begin(), parts.front().end()};
    }

    std::vector<double> weights_;
    std::vector<FolderTensors> parts_;
    std::map<std::string, std::size_t, std::less<>> places_;
};

}  // namespace detail

/// Writes the weighted average of models of one architecture, with the first one's other files.
/// \throws InputError  fewer than two parts, weights whose sum is not 1, models that differ in shape, config, modules or tokenizer
inline MergeReport merge_folders(std::span<MergePart const> parts, std::filesystem::path const& output) {
    double sum = 0;
    for (MergePart const& part : parts) { sum += part.weight; }
    if (parts.size() < 2 || !(std::abs(sum - 1) < 1e-6)) {
        throw InputError(Diagnostic{.file = {},
                                    .expected = "at least two models with weights whose sum is 1",
                                    .found = std::to_string(parts.size()) + " with a sum of " + std::to_string(sum),
                                    .hint = "Such as A:0.6 B:0.4."});
    }
    std::vector<ModelFolder> models;
    std::vector<double> weights;
    for (MergePart const& part : parts) {
        models.emplace_back(part.folder);
        weights.push_back(part.weight);
        if (models.size() > 1) { detail::require_mergeable(models.front(), models.back()); }
    }
    std::vector<std::string> weighted;   // modules; Pooling and Normalize have no weights
    std::set<std::string> written;
    for (std::string const& module : models.front().modules()) {
        if (!weighted.empty() && !holds_weights(models.front().path() / module)) { continue; }
        weighted.push_back(module);
        written.insert((std::filesystem::path(module) / "model.safetensors").lexically_normal().generic_string());
    }
    detail::AtomicFolder target(output);
    MergeReport report;
    report.left_out = models.front().copy_others(target.partial(), written);
    for (std::string const& module : weighted) {
        std::vector<std::filesystem::path> folders;
        for (ModelFolder const& model : models) { folders.push_back(model.path() / module); }
        detail::create_folders(target.partial() / module);
        detail::MergedTensors(folders, weights).write(target.partial() / module / "model.safetensors", report);
    }
    target.commit();
    return report;
}

}  // namespace bmae
