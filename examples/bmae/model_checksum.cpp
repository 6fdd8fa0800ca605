// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// torch-free
#include "model_checksum.hpp"

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <set>

#include <bmae/detail/hash.hpp>
#include <bmae/detail/whole_files.hpp>

namespace bmae::program {

std::vector<Path> files_below(Path const& folder) {
    std::vector<Path> files;
    using Walk = std::filesystem::recursive_directory_iterator;
    for (auto const& entry : Walk(folder, std::filesystem::directory_options::follow_directory_symlink)) {
        if (entry.is_regular_file()) { files.push_back(entry.path().lexically_relative(folder)); }
    }
    std::ranges::sort(files);
    return files;
}

std::string model_checksum(Path const& folder) {
    std::set<std::string> const decisive{".safetensors", ".bin", ".json", ".txt", ".model"};
    std::uint64_t all = 0;
    for (Path const& file : files_below(folder)) {
        if (!decisive.contains(file.extension().string())) { continue; }
        std::uint64_t const bytes = detail::xxh64(detail::FileMap(folder / file).bytes());
        all ^= detail::xxh64(file.generic_string() + '\n' + detail::to_hex(bytes));
    }
    return detail::to_hex(all);
}

}  // namespace bmae::program
