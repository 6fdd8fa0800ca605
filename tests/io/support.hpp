// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Shared by the tests of this folder: a scratch folder, the data folder and the check of an error's text.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <string>
#include <string_view>

#include <boost/test/unit_test.hpp>
#include <unistd.h>

#include <bmae/values/error.hpp>

namespace io_test {

/// A folder that goes away with the test.
class Scratch {
public:
    Scratch() {
        std::string name = (std::filesystem::temp_directory_path() / "bmae-io-XXXXXX").string();
        BOOST_REQUIRE(::mkdtemp(name.data()) != nullptr);
        folder_ = name;
    }
    Scratch(Scratch const&) = delete;
    Scratch& operator=(Scratch const&) = delete;
    ~Scratch() {
        std::error_code ignored;
        std::filesystem::remove_all(folder_, ignored);
    }

    [[nodiscard]] std::filesystem::path const& path() const { return folder_; }
    [[nodiscard]] std::filesystem::path operator/(std::string_view name) const { return folder_ / name; }

private:
    std::filesystem::path folder_;
};

/// The folder of real data; empty where it is not there.
inline std::filesystem::path data_folder() {
    char const* const given = std::getenv("BMAE_DATA");
    std::filesystem::path const folder = given != nullptr ? given : "../shared/data";
    return std::filesystem::is_directory(folder) ? folder : std::filesystem::path();
}

/// The message with which `action` refuses its input; fails the test where it does not.
template <class Error = bmae::InputError, class Action>
std::string refusal(Action&& action) {
    try {
        action();
    } catch (Error const& error) {
        return error.what();
    }
    BOOST_ERROR("nothing was refused");
    return {};
}

inline bool contains(std::string_view text, std::string_view part) { return text.find(part) != std::string_view::npos; }

}  // namespace io_test
