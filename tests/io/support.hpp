// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Shared by the tests of this folder: a scratch folder, the data folder and the check of an error's text.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>

#include <sys/wait.h>
#include <unistd.h>
#include <boost/test/unit_test.hpp>

#include <bmae/values/error.hpp>

#include "../parity_folder.hpp"
#include "../scratch_folder.hpp"

namespace io_test {

using Scratch = test::ScratchFolder;

/// The folder of real data; empty where it is not there.
inline std::filesystem::path data_folder() {
    char const* const given = std::getenv("BMAE_DATA");
    std::filesystem::path const folder = given != nullptr ? given : "../shared/data";
    return std::filesystem::is_directory(folder) ? folder : std::filesystem::path();
}

/// Runs a script of tests/parity with the Python of BMAE_PYTHON. False, with a message, where it or its packages are missing
/// (status 77); any other failure fails the test.
inline bool python_agrees(std::string const& script, std::filesystem::path const& folder) {
    char const* const given = std::getenv("BMAE_PYTHON");
    auto const path = test::parity_folder() / script;
    std::string const command = std::string(given != nullptr && *given != '\0' ? given : "python3") + " '" + path.string() +
                                "' '" + folder.string() + "' >'" + (folder / "python.log").string() + "' 2>&1";
    int const status = std::system(command.c_str());
    int const code = WIFEXITED(status) ? WEXITSTATUS(status) : 1;
    if (code == 77 || code == 127) {
        BOOST_TEST_MESSAGE("skipped: no Python with the packages that " << script << " needs (BMAE_PYTHON)");
        return false;
    }
    if (code != 0) {
        std::ifstream log(folder / "python.log");
        BOOST_ERROR(script << " failed:\n" << log.rdbuf());
        return false;
    }
    return true;
}

/// The message with which `action` refuses its input; fails the test where it does not.
template <class Error = bmae::InputError, class Action>
std::string refusal(Action&& action) {
    try {
        action();
    } catch (Error const& error) { return error.what(); }
    BOOST_ERROR("nothing was refused");
    return {};
}

inline bool contains(std::string_view text, std::string_view part) { return text.find(part) != std::string_view::npos; }

}  // namespace io_test
