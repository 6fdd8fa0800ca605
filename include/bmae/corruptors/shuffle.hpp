// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Permutation of tokens within a text.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <bmae/concepts/corruptor.hpp>
#include <bmae/values/error.hpp>

namespace bmae {

/// Picks each token that is not special independently, flagged or not, and permutes the picked ones randomly among their
/// positions (Contriever's released code, "shuffle"). Original ids and flags stay, so a token loss can label the old order.
struct TokenShuffle {
    static constexpr std::string_view name = "shuffle";

    double rate = .1;   ///< probability with which a token is picked; it may keep its position

    template <class Visit>
    void for_each_option(Visit&& visit) {
        visit("rate", rate, "probability with which a token takes part in the shuffle");
    }

    /// Throws InputError unless 0 <= rate <= 1.
    void corrupt(MaskedText& text, TokenTraits const& traits, Draw& draw) const {
        if (!(rate >= 0 && rate <= 1)) {
            throw InputError(Diagnostic{.file = {},
                                        .expected = "TokenShuffle::rate between 0 and 1",
                                        .found = std::to_string(rate),
                                        .hint = "Give the share of tokens to shuffle, for example 0.1 for 10 %."});
        }
        std::vector<std::size_t> places;
        std::vector<TokenId> tokens;
        for (std::size_t i = 0; i < text.input_ids.size(); ++i) {
            if (traits.is_special(text.original_ids[i]) || !draw.chance(rate)) { continue; }
            places.push_back(i);
            tokens.push_back(text.input_ids[i]);
        }
        draw.shuffle(std::span<TokenId>(tokens));
        for (std::size_t k = 0; k < places.size(); ++k) { text.input_ids[places[k]] = tokens[k]; }
    }
};

static_assert(Corruptor<TokenShuffle>);

}  // namespace bmae
