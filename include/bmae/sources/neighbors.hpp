// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Passages of the same document adjacent to the example's own.
#pragma once

#include <span>
#include <string_view>
#include <vector>

#include <bmae/concepts/text_source.hpp>

namespace bmae {

/// The passage after; empty at the end of a document (MASTER's paper, NPR: <p_i, p_i+1>).
struct NextPassage {
    static constexpr std::string_view name = "next_passage";
    static constexpr Needs needs = Needs::neighbors;

    [[nodiscard]] std::vector<TokenId> read(Example const& example, TokenTraits const& traits, Draw& draw) const {
        static_cast<void>(traits);
        static_cast<void>(draw);
        return {example.next.begin(), example.next.end()};
    }
};

static_assert(TextSource<NextPassage>);

/// The passage before; empty at the start of a document.
struct PreviousPassage {
    static constexpr std::string_view name = "previous_passage";
    static constexpr Needs needs = Needs::neighbors;

    [[nodiscard]] std::vector<TokenId> read(Example const& example, TokenTraits const& traits, Draw& draw) const {
        static_cast<void>(traits);
        static_cast<void>(draw);
        return {example.previous.begin(), example.previous.end()};
    }
};

static_assert(TextSource<PreviousPassage>);

/// The passage before or after, each with probability 1/2 where both exist (CoT-MAE, "nearby"); empty where neither does.
struct NearbyPassage {
    static constexpr std::string_view name = "nearby_passage";
    static constexpr Needs needs = Needs::neighbors;
    static constexpr bool draws_per_view = true;

    [[nodiscard]] std::vector<TokenId> read(Example const& example, TokenTraits const& traits, Draw& draw) const {
        static_cast<void>(traits);
        bool const heads = draw.chance(.5);
        bool const after = example.previous.empty() || (heads && !example.next.empty());
        std::span<TokenId const> const text = after ? example.next : example.previous;
        return {text.begin(), text.end()};
    }
};

static_assert(TextSource<NearbyPassage>);

}  // namespace bmae
