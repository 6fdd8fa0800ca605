// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// The two halves of one passage: the encoder reads the first, a decoder reconstructs the second.
#pragma once

#include <string_view>
#include <vector>

#include <bmae/concepts/text_source.hpp>

namespace bmae {

/// The first floor(L / 2) tokens of the passage (MASTER as released, NPR encoder).
struct FirstHalf {
    static constexpr std::string_view name = "first_half";

    [[nodiscard]] std::vector<TokenId> read(Example const& example, TokenTraits const& traits, Draw& draw) const {
        static_cast<void>(traits);
        static_cast<void>(draw);
        auto const half = example.passage.first(example.passage.size() / 2);
        return {half.begin(), half.end()};
    }
};

static_assert(TextSource<FirstHalf>);

/// The rest after `FirstHalf`: the last ceil(L / 2) tokens of the same window (MASTER as released, NPR decoder).
struct SecondHalf {
    static constexpr std::string_view name = "second_half";

    [[nodiscard]] std::vector<TokenId> read(Example const& example, TokenTraits const& traits, Draw& draw) const {
        static_cast<void>(traits);
        static_cast<void>(draw);
        auto const half = example.passage.subspan(example.passage.size() / 2);
        return {half.begin(), half.end()};
    }
};

static_assert(TextSource<SecondHalf>);

}  // namespace bmae
