// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>

#include <boost/test/unit_test.hpp>

#include <bmae/values/error.hpp>

#include "../scratch_folder.hpp"

namespace test {

/// A folder of its own for each test, gone afterwards, and the files in it.
class Folder : public ScratchFolder {
public:
    std::filesystem::path file(std::string const& name, std::string_view content) const {
        std::ofstream(*this / name, std::ios::binary) << content;
        return *this / name;
    }
    std::filesystem::path path(std::string const& name) const { return *this / name; }
};

/// Folder of real data, or an empty path (and a note) where it is missing.
inline std::filesystem::path data(std::string const& name) {
    char const* const root = std::getenv("BMAE_DATA");
    std::filesystem::path const path = std::filesystem::path(root == nullptr ? "../shared/data" : root) / name;
    if (std::filesystem::exists(path)) { return path; }
    BOOST_TEST_MESSAGE("skipped: no " << path.string());
    return {};
}

/// The message that `action` is refused with; empty where it is not.
template <class Action>
std::string refusal(Action&& action) {
    try {
        action();
    } catch (bmae::InputError const& error) { return error.what(); }
    return {};
}

inline bool contains(std::string_view text, std::string_view part) { return text.find(part) != std::string_view::npos; }

}  // namespace test
