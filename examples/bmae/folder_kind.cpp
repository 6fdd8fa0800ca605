// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// torch-free
#include "folder_kind.hpp"

#include <filesystem>
#include <string>
#include <string_view>

#include <bmae/detail/files.hpp>
#include <bmae/edge/encoder_folders.hpp>
#include <bmae/io/json_file.hpp>
#include <bmae/io/lexical_files.hpp>
#include <bmae/io/sentence_router.hpp>
#include <bmae/values/error.hpp>

namespace bmae::program {

Path model_folder(Path const& path) {
    for (char const* const name :
         {"cross-encoder", "sparse-encoder", "dense-lexical-encoder", "token-encoder", "sentence-transformer"}) {
        if (std::filesystem::is_directory(path / name)) { return path / name; }
    }
    if (std::filesystem::exists(path / "config.json") || std::filesystem::exists(path / "modules.json")) { return path; }
    throw InputError(Diagnostic{.file = path.string(),
                                .expected = "the folder of a model, or the output folder of `bmae finetune`",
                                .found = std::filesystem::exists(path) ? "something else" : "nothing of that name"});
}

FolderKind kind_of_folder(Path const& folder) {
    if (std::filesystem::exists(folder / detail::dense_lexical_file)) { return FolderKind::dense_lexical_encoder; }
    if (std::filesystem::exists(folder / detail::lexical_file)) { return FolderKind::sparse_encoder; }
    Path const list = folder / "modules.json";
    std::string const modules =
        std::filesystem::exists(list) ? detail::read_file(list, detail::largest_config_file) : std::string();
    auto const has = [&](std::string_view word) { return modules.find(word) != std::string::npos; };
    bool const routed = has(".Router") || has(".Asym");
    auto const routes_have = [&](std::string_view word) {
        Path const file = detail::router_file(folder);
        return std::filesystem::exists(file) &&
               detail::read_file(file, detail::largest_config_file).find(word) != std::string::npos;
    };
    if (has("SpladePooling") || (routed && routes_have("SpladePooling"))) { return FolderKind::sparse_encoder; }
    if (has("MultiVectorMask")) { return FolderKind::token_encoder; }
    if (has("Pooling") || routed) { return FolderKind::sentence_encoder; }
    return detail::holds_classifier(folder) ? FolderKind::cross_encoder : FolderKind::other;
}

}  // namespace bmae::program
