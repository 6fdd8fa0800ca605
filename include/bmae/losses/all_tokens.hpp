// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Labels on every token, masked or not.
#pragma once

#include <cstddef>

#include <bmae/concepts/token_loss.hpp>

namespace bmae {

/// Every token that is not special is predicted, replaced or not: "replaced language modeling" (Wang et al.: SimLM,
/// arXiv 2207.02578).
struct AllTokens {
    void label(MaskedText& text, TokenTraits const& traits) const {
        std::size_t const length = text.original_ids.size();
        text.labels.assign(length, ignored_label);
        for (std::size_t i = 0; i < length; ++i) {
            if (!traits.is_special(text.original_ids[i])) { text.labels[i] = text.original_ids[i]; }
        }
    }
};

static_assert(TokenLoss<AllTokens>);

}  // namespace bmae
