// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// One target per reader of files: it reads bytes of unknown origin as that reader would read them from a file.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace fuzz {

/// A reader under test.
struct Target {
    std::string_view name;
    void (*read)(std::string_view input);   ///< throws bmae::Error where it refuses
    std::vector<std::string> seeds;         ///< sound files, of which malformed ones are made
};

std::vector<Target> text_targets();
std::vector<Target> store_targets();
std::vector<Target> corpus_targets();
std::vector<Target> model_targets();
std::vector<Target> index_targets();
std::vector<Target> recipe_targets();
std::vector<Target> const& all_targets();

/// \throws std::out_of_range  for another name
Target const& target_named(std::string_view name);

/// The folder of this process in memory, where that is possible.
std::filesystem::path const& scratch();

/// Writes a file into it, over an older one. \returns its path
std::filesystem::path put(std::string const& name, std::string_view content);

/// All bytes of a file.
std::string bytes_of(std::filesystem::path const& path);

/// A gzip file of a text.
std::string packed(std::string_view text);

}  // namespace fuzz
