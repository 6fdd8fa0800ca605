// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Suggestions for misspelled names.
#pragma once

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include <bmae/values/option.hpp>

namespace bmae::program {

/// The most similar of some names, quoted in a question: "Did you mean --learning-rate?"; empty where none is near. Names above 64
/// bytes are left out: the work grows with the product of two lengths.
inline std::string did_you_mean(std::string_view name, std::vector<std::string> const& known) {
    constexpr std::size_t longest = 64;
    std::string nearest;
    std::size_t distance = std::max<std::size_t>(2, name.size() / 3) + 1;
    for (std::string const& candidate : known) {
        if (std::max(name.size(), candidate.size()) > longest) { continue; }
        std::size_t const changes = detail::edit_distance(name, candidate);
        if (changes >= distance) { continue; }
        nearest = candidate;
        distance = changes;
    }
    return nearest.empty() ? nearest : "Did you mean " + nearest + '?';
}

}  // namespace bmae::program
