// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Values of options that are texts of a form: numbers, lists with commas, windows of ranks; and their refusal.
#pragma once

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <bmae/values/error.hpp>

namespace bmae::program {

/// A refusal of options, which are in no file.
inline InputError refuse(std::string expected, std::string found, std::string hint = {}) {
    return InputError(
        Diagnostic{.file = {}, .expected = std::move(expected), .found = std::move(found), .hint = std::move(hint)});
}

/// A whole text as a number.
template <class Number>
std::optional<Number> number_of(std::string_view text) {
    Number value{};
    auto const [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    return error == std::errc() && end == text.data() + text.size() && !text.empty() ? std::optional(value) : std::nullopt;
}

/// The parts of "a,b,c", empty ones too; an empty text is one empty part.
inline std::vector<std::string> parts_of(std::string_view list) {
    std::vector<std::string> parts;
    for (std::size_t begin = 0; begin <= list.size();) {
        std::size_t const end = std::min(list.find(',', begin), list.size());
        parts.emplace_back(list.substr(begin, end - begin));
        begin = end + 1;
    }
    return parts;
}

/// First and last rank of "10:100", from 1; nothing for another text.
inline std::optional<std::pair<std::size_t, std::size_t>> rank_window_of(std::string_view text) {
    std::size_t const colon = std::min(text.find(':'), text.size());
    auto const first = number_of<std::size_t>(text.substr(0, colon));
    auto const last = number_of<std::size_t>(text.substr(std::min(colon + 1, text.size())));
    return first && last ? std::optional(std::pair(*first, *last)) : std::nullopt;
}

}  // namespace bmae::program
