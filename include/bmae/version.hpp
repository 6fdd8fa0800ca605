// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// The only version number; CMake, Conan, vcpkg's test and the documentation read this line.
#pragma once

#include <string_view>

namespace bmae {

/// Semantic version of the headers: until 1.0 a new minor version may change the interface.
inline constexpr std::string_view version = "0.1.0";

}  // namespace bmae
