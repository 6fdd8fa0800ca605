// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Every masked token becomes [MASK].
#pragma once

#include <cstddef>
#include <string_view>

#include <bmae/concepts/corruptor.hpp>
#include <bmae/corruptors/bert.hpp>

namespace bmae {

/// Replaces each flagged token by [MASK], as in the RetroMAE paper for the basic decoder. Flags at specials are cleared.
struct MaskOnly {
    static constexpr std::string_view name = "mask_only";

    /// Throws InputError without a mask token.
    void corrupt(MaskedText& text, TokenTraits const& traits, Draw& draw) const {
        static_cast<void>(draw);
        TokenId const mask = detail::require_mask_id(traits);
        detail::clear_special_flags(text, traits);
        for (std::size_t i = 0; i < text.flags.size(); ++i) {
            if (text.flags[i] != 0) { text.input_ids[i] = mask; }
        }
    }
};

static_assert(Corruptor<MaskOnly>);

}  // namespace bmae
