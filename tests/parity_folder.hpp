// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// Where the scripts and golden files of tests/parity are.
#pragma once

#include <cstdlib>
#include <filesystem>

namespace test {

/// Below BMAE_SOURCE, which ctest sets; else beside this file, whose path a compiler cache may have made relative.
inline std::filesystem::path parity_folder() {
    char const* const source = std::getenv("BMAE_SOURCE");
    if (source != nullptr && *source != '\0') { return std::filesystem::path(source) / "tests" / "parity"; }
    return std::filesystem::path(__FILE__).parent_path() / "parity";
}

}  // namespace test
