// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Malformed files made of sound ones, by a fixed seed.
#pragma once

#include <array>
#include <cstddef>
#include <string>
#include <string_view>

#include <bmae/values/draw.hpp>

namespace fuzz {

inline constexpr int kinds_of_damage = 12;

namespace detail {

/// Replaces the number or text that a place is in by another.
inline void replace_value(std::string& text, bmae::Draw& draw) {
    static constexpr std::array<std::string_view, 20> values{"-1",
                                                             "0",
                                                             "1e300",
                                                             "9223372036854775808",
                                                             "4294967298",
                                                             "2.5",
                                                             "null",
                                                             "true",
                                                             "[]",
                                                             "{}",
                                                             "\"\"",
                                                             "\"x\"",
                                                             "[1]",
                                                             "{\"a\": 1}",
                                                             "-1e999",
                                                             "1e-9",
                                                             "\"\\ud800\"",
                                                             "18446744073709551615",
                                                             "-9223372036854775808",
                                                             ".5"};
    std::string_view const value = values[draw.below(values.size())];
    std::size_t at = text.find_first_of("0123456789\"", draw.below(text.size()));
    if (at == text.npos) { at = text.find_first_of("0123456789\""); }
    if (at == text.npos) { return; }
    std::size_t end = text[at] == '"' ? text.find('"', at + 1) : text.find_first_not_of("0123456789.eE+-", at);
    if (end == text.npos) { end = text.size() - 1; }
    text.replace(at, text[at] == '"' ? end - at + 1 : end - at, value);
}

}  // namespace detail

/// \param kind  below `kinds_of_damage`
inline std::string damaged(std::string text, int kind, bmae::Draw& draw) {
    if (text.empty()) { return "\x80"; }
    auto const place = [&] { return static_cast<std::size_t>(draw.below(text.size())); };
    std::size_t const at = place();
    switch (kind) {
        case 0:
            return text.substr(0, at);
        case 1:
            return text.erase(at, 1 + draw.below(16));
        case 2:
            for (int i = 0; i < 4; ++i) { text[place()] ^= static_cast<char>(1U << draw.below(8)); }
            return text;
        case 3:
            return text.insert(at, text.substr(at / 2, 1 + draw.below(32)));
        case 4:
            return text.insert(at, std::string(200'000, '['));
        case 5:
            return text.insert(at, std::string("\0\xff\n", 3));
        case 6: {   // a short piece, very often
            std::string const piece = text.substr(at, 1 + draw.below(8));
            std::string many;
            while (many.size() < 300'000) { many += piece; }
            return text.insert(at, many);
        }
        case 7:   // one word
            return text.insert(at, std::string(1'000'000, 'a'));
        case 8:
            return text + text;
        case 9:
            for (int i = 0; i < 8; ++i) { text[place()] = static_cast<char>(draw.below(256)); }
            return text;
        default:
            detail::replace_value(text, draw);
            if (kind == 11 && !text.empty()) { detail::replace_value(text, draw); }
            return text;
    }
}

}  // namespace fuzz
