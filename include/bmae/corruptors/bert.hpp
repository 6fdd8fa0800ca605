// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// BERT's 80/10/10: most masked tokens become [MASK], some a random token, some stay.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include <bmae/concepts/corruptor.hpp>
#include <bmae/values/error.hpp>

namespace bmae {

namespace detail {

/// Id of [MASK]; throws InputError where the vocabulary has none.
inline TokenId require_mask_id(TokenTraits const& traits) {
    TokenId const mask = traits.special().mask;
    if (mask < 0) {
        throw InputError(Diagnostic{.file = {},
                                    .expected = "a vocabulary with a mask token",
                                    .found = "none",
                                    .hint = "Use a tokenizer that defines [MASK], or the corruptor NoCorruption."});
    }
    return mask;
}

/// Removes special tokens from the targets: a masker may pick [UNK] as a word, but it is not a target.
inline void clear_special_flags(MaskedText& text, TokenTraits const& traits) noexcept {
    for (std::size_t i = 0; i < text.flags.size(); ++i) {
        if (traits.is_special(text.original_ids[i])) { text.flags[i] = 0; }
    }
}

}  // namespace detail

/// Each flagged token alone: [MASK] with `mask_share`, a uniform id of the whole vocabulary with `random_share` (specials and
/// the token itself included), else unchanged (Devlin et al. 2019, section 3.1). Flags at specials are cleared.
struct BertCorruptor {
    static constexpr std::string_view name = "bert";

    double mask_share = .8;     ///< share of the flagged tokens that become [MASK]
    double random_share = .1;   ///< share of the flagged tokens that become any token

    template <class Visit>
    void for_each_option(Visit&& visit) {
        visit("mask_share", mask_share, "share of the masked tokens that become [MASK]");
        visit("random_share", random_share, "share of the masked tokens that become any token");
    }

    /// Throws InputError for shares outside [0, 1] or with a sum above 1, and without a mask token.
    void corrupt(MaskedText& text, TokenTraits const& traits, Draw& draw) const {
        // A sum such as .9 + .1 may exceed 1 by one rounding error.
        if (!(mask_share >= 0 && random_share >= 0 && mask_share + random_share <= 1 + 1e-9)) {
            throw InputError(Diagnostic{.file = {},
                                        .expected = "mask_share and random_share from 0 to 1 with a sum of at most 1",
                                        .found = std::to_string(mask_share) + " and " + std::to_string(random_share),
                                        .hint = "BERT uses 0.8 and 0.1; what is left stays unchanged."});
        }
        TokenId const mask = detail::require_mask_id(traits);
        detail::clear_special_flags(text, traits);
        for (std::size_t i = 0; i < text.flags.size(); ++i) {
            if (text.flags[i] == 0) { continue; }
            double const fate = draw.uniform();
            if (fate < mask_share) {
                text.input_ids[i] = mask;
            } else if (fate < mask_share + random_share) {
                text.input_ids[i] = static_cast<TokenId>(draw.below(traits.size()));
            }
        }
    }
};

static_assert(Corruptor<BertCorruptor>);

}  // namespace bmae
