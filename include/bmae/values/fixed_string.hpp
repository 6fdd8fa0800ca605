// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// A name as a template argument: `Shared<"decoder", BasicDecoder>`.
#pragma once

#include <algorithm>
#include <cstddef>
#include <string_view>

namespace bmae {

/// The characters of a string literal, usable as a template argument.
template <std::size_t size>
struct FixedString {
    char text[size] = {};

    constexpr FixedString(char const (&literal)[size]) { std::copy_n(literal, size, text); }

    constexpr operator std::string_view() const noexcept { return {text, size - 1}; }
};

}  // namespace bmae
