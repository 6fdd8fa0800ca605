// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Masked tokens become other tokens.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include <bmae/concepts/corruptor.hpp>
#include <bmae/corruptors/bert.hpp>
#include <bmae/values/error.hpp>

namespace bmae {

/// Each flagged token becomes a uniformly random one that is not special; it may be the same one by chance. Flags at specials are
/// cleared. With `TokenMasker{.rate = p, .exact = false}` each token is replaced with probability p.
struct TokenReplacement {
    static constexpr std::string_view name = "replacement";

    /// Throws InputError where the vocabulary has nothing but special tokens.
    void corrupt(MaskedText& text, TokenTraits const& traits, Draw& draw) const {
        detail::clear_special_flags(text, traits);
        for (std::size_t i = 0; i < text.flags.size(); ++i) {
            if (text.flags[i] != 0) { text.input_ids[i] = any_word(traits, draw); }
        }
    }

private:
    /// Rejection sampling: special tokens are few in any valid vocabulary.
    static TokenId any_word(TokenTraits const& traits, Draw& draw) {
        for (int tries = 0; tries < 10000; ++tries) {
            auto const id = static_cast<TokenId>(draw.below(traits.size()));
            if (traits.size() != 0 && !traits.is_special(id)) { return id; }
        }
        throw InputError(Diagnostic{.file = {},
                                    .expected = "a vocabulary with tokens that are not special",
                                    .found = std::to_string(traits.size()) + " tokens, all of them special",
                                    .hint = "Use the vocabulary of the model."});
    }
};

static_assert(Corruptor<TokenReplacement>);

}  // namespace bmae
