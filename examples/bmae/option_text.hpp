// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Values of options that are texts of a form: lists with commas, windows of ranks; and their refusal. Numbers are read by
/// `detail::number_from`.
#pragma once

#include <algorithm>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <bmae/detail/columns.hpp>
#include <bmae/values/error.hpp>
#include <bmae/values/option.hpp>

namespace bmae::program {

/// A refusal of options, which are in no file.
inline InputError refuse(std::string expected, std::string found, std::string hint = {}) {
    return InputError(
        Diagnostic{.file = {}, .expected = std::move(expected), .found = std::move(found), .hint = std::move(hint)});
}

/// The parts of "a,b,c", empty ones too; an empty text is one empty part.
inline std::vector<std::string> parts_of(std::string_view list) {
    std::vector<std::string_view> const parts = detail::split_at(list, ',');
    return {parts.begin(), parts.end()};
}

/// First and last rank of "10:100", from 1; nothing for another text.
inline std::optional<std::pair<std::size_t, std::size_t>> rank_window_of(std::string_view text) {
    std::size_t const colon = std::min(text.find(':'), text.size());
    auto const first = detail::number_from<std::size_t>(text.substr(0, colon));
    auto const last = detail::number_from<std::size_t>(text.substr(std::min(colon + 1, text.size())));
    return first && last ? std::optional(std::pair(*first, *last)) : std::nullopt;
}

}  // namespace bmae::program
