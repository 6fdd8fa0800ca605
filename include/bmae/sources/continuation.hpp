// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// What a language model wrote after the passage.
#pragma once

#include <span>
#include <string_view>
#include <vector>

#include <bmae/concepts/text_source.hpp>

namespace bmae {

/// The generated continuation (MASTER, GOR: the field named `next` in its files); empty where there is none.
struct Continuation {
    static constexpr std::string_view name = "continuation";
    static constexpr Needs needs = Needs::continuation;

    bool passage_if_absent = false;   ///< true: the passage itself replaces a missing continuation, as in MASTER's code

    template <class Visit>
    void for_each_option(Visit&& visit) {
        visit("passage_if_absent", passage_if_absent, "the passage replaces a missing continuation");
    }

    [[nodiscard]] std::vector<TokenId> read(Example const& example, TokenTraits const& traits, Draw& draw) const {
        static_cast<void>(traits);
        static_cast<void>(draw);
        bool const own = example.continuation.empty() && passage_if_absent;
        std::span<TokenId const> const text = own ? example.passage : example.continuation;
        return {text.begin(), text.end()};
    }
};

static_assert(TextSource<Continuation>);

}  // namespace bmae
