// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Blanks and line ends of Unicode, at which other programs split the lines and columns of files.
#pragma once

#include <string_view>

#include <bmae/text/unicode.hpp>

namespace bmae {

/// Whether a text ends a line for one of the usual readers: LF, CR, and what Python's `str.splitlines` splits at beside them.
constexpr bool is_line_end(char32_t character) noexcept {
    return (character >= 0x0a && character <= 0x0d) || (character >= 0x1c && character <= 0x1e) || character == 0x85 ||
           character == 0x2028 || character == 0x2029;
}

/// Unicode's White_Space, and the separators U+001C to U+001F, at which Python's `str.split` splits too.
constexpr bool is_unicode_blank(char32_t character) noexcept {
    return is_line_end(character) || character == U'\t' || character == U' ' || character == 0x1f || character == 0xa0 ||
           character == 0x1680 || (character >= 0x2000 && character <= 0x200a) || character == 0x202f || character == 0x205f ||
           character == 0x3000;
}

namespace detail {

template <class Is>
bool any_character(std::string_view text, Is const& is) noexcept {
    while (!text.empty()) {
        Utf8Step const step = read_utf8(text);
        if (step.valid && is(step.character)) { return true; }
        text.remove_prefix(step.bytes);
    }
    return false;
}

}  // namespace detail

/// Whether a program that separates columns at blanks would split the text.
inline bool has_blank(std::string_view text) noexcept { return detail::any_character(text, is_unicode_blank); }
/// Whether a program that reads line by line would split the text.
inline bool has_line_end(std::string_view text) noexcept { return detail::any_character(text, is_line_end); }

}  // namespace bmae
