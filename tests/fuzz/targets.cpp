// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
#include "targets.hpp"

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <system_error>

#include <unistd.h>
#include <zlib.h>

namespace fuzz {

std::vector<Target> const& all_targets() {
    static std::vector<Target> const all = [] {
        std::vector<Target> joined;
        for (auto const& part :
             {text_targets(), store_targets(), corpus_targets(), model_targets(), index_targets(), recipe_targets()}) {
            joined.insert(joined.end(), part.begin(), part.end());
        }
        return joined;
    }();
    return all;
}

Target const& target_named(std::string_view name) {
    for (Target const& target : all_targets()) {
        if (target.name == name) { return target; }
    }
    throw std::out_of_range("no target " + std::string(name));
}

std::filesystem::path const& scratch() {
    struct Folder {
        Folder() {
            bool const in_memory = ::access("/dev/shm", W_OK) == 0;
            std::string name =
                in_memory ? "/dev/shm/bmae-fuzz-XXXXXX" : (std::filesystem::temp_directory_path() / "bmae-fuzz-XXXXXX").string();
            if (::mkdtemp(name.data()) == nullptr) { std::abort(); }
            path = name;
        }
        ~Folder() {
            std::error_code ignored;
            std::filesystem::remove_all(path, ignored);
        }
        std::filesystem::path path;
    };
    static Folder const folder;
    return folder.path;
}

std::filesystem::path put(std::string const& name, std::string_view content) {
    std::filesystem::path const path = scratch() / name;
    std::filesystem::create_directories(path.parent_path());
    std::ofstream(path, std::ios::binary | std::ios::trunc).write(content.data(), static_cast<std::streamsize>(content.size()));
    return path;
}

std::string bytes_of(std::filesystem::path const& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
}

std::string packed(std::string_view text) {
    std::filesystem::path const path = scratch() / "packed.gz";
    gzFile const file = ::gzopen(path.c_str(), "wb9");
    ::gzwrite(file, text.data(), static_cast<unsigned>(text.size()));
    ::gzclose(file);
    return bytes_of(path);
}

}  // namespace fuzz
