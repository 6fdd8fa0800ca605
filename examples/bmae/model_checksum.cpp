// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// torch-free
#include "model_checksum.hpp"

#include <cstdint>
#include <filesystem>
#include <set>

#include <bmae/detail/hash.hpp>
#include <bmae/detail/whole_files.hpp>

namespace bmae::program {

std::string model_checksum(Path const& folder) {
    std::set<std::string> const decisive{".safetensors", ".bin", ".json", ".txt", ".model"};
    std::uint64_t all = 0;
    for (auto const& entry : std::filesystem::recursive_directory_iterator(folder)) {
        if (!entry.is_regular_file() || !decisive.contains(entry.path().extension().string())) { continue; }
        std::string const name = entry.path().lexically_relative(folder).generic_string();
        std::uint64_t const bytes = detail::xxh64(detail::FileMap(entry.path()).bytes());
        all ^= detail::xxh64(name + '\n' + detail::to_hex(bytes));   // in whatever order the file system lists them
    }
    return detail::to_hex(all);
}

}  // namespace bmae::program
