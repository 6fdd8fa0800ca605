// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// The second and the third column of pairs and triplets.
#pragma once

#include <cstddef>
#include <string_view>
#include <vector>

#include <bmae/concepts/text_source.hpp>

namespace bmae {

/// The positive of the passage: the first of the example's queries, which is the entailment of a natural-language
/// inference pair or the answer to a question; empty where there is none.
struct PairedText {
    static constexpr std::string_view name = "paired_text";
    static constexpr Needs needs = Needs::queries;

    [[nodiscard]] std::vector<TokenId> read(Example const& example, TokenTraits const& traits, Draw& draw) const {
        static_cast<void>(traits);
        static_cast<void>(draw);
        if (example.queries.empty()) { return {}; }
        return {example.queries[0].begin(), example.queries[0].end()};
    }
};

/// The hard negative: the second of the example's queries (the contradiction); empty where there is none. The
/// second of several queries would be a positive: pre-training refuses a store whose queries are not declared as such pairs.
struct OpposedText {
    static constexpr std::string_view name = "opposed_text";
    static constexpr Needs needs = Needs::triplets;

    [[nodiscard]] std::vector<TokenId> read(Example const& example, TokenTraits const& traits, Draw& draw) const {
        static_cast<void>(traits);
        static_cast<void>(draw);
        if (example.queries.size() < 2) { return {}; }
        return {example.queries[1].begin(), example.queries[1].end()};
    }
};

static_assert(TextSource<PairedText>);
static_assert(TextSource<OpposedText>);

}  // namespace bmae
