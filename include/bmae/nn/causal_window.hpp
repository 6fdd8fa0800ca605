// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Row masks of causal decoders.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <bmae/maskers/candidate_words.hpp>
#include <bmae/values/error.hpp>
#include <bmae/values/visibility.hpp>

namespace bmae {

/// Checks the window of a decoder, a number of columns. \param usual  "SEED uses 2."  \throws InputError where it is below 1
inline std::size_t require_window(std::int64_t window, std::string const& usual) {
    if (window < 1) {
        throw InputError(Diagnostic{.file = {},
                                    .expected = "a causal window of at least 1 column",
                                    .found = std::to_string(window),
                                    .hint = "A window counts the row's own column: " + usual});
    }
    return static_cast<std::size_t>(window);
}

/// Row i sees column 0 and the `window` columns that end with its own: allow(i, j) = j == 0 or i - window < j <= i (SEED's
/// released code; the sentence vector is column 0, or is added by cross-attention).
/// \param offsets  [B+1] of the packed texts
/// \param window   columns, the row's own one included; at least 1
/// \throws InputError  a text of more than 65,536 rows
inline std::vector<Visibility> causal_windows(std::span<std::int64_t const> offsets, std::size_t window) {
    std::vector<Visibility> texts;
    for (std::size_t b = 0; b + 1 < offsets.size(); ++b) {
        Visibility rows{.length = static_cast<std::uint32_t>(offsets[b + 1] - offsets[b]), .reads_itself = true};
        detail::require_pool(rows.length, rows.length);
        rows.bits.assign(rows.length * rows.words(), 0);
        for (std::size_t i = 0; i < rows.length; ++i) {
            rows.row.push_back(static_cast<std::uint16_t>(i));
            auto allow = [&](std::size_t j) { rows.bits[i * rows.words() + j / 64] |= std::uint64_t{1} << (j % 64); };
            allow(0);
            for (std::size_t j = i + 1 - std::min(window, i + 1); j <= i; ++j) { allow(j); }
        }
        texts.push_back(std::move(rows));
    }
    return texts;
}

}  // namespace bmae
