// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// The labels of the reconstruction losses.
#pragma once

#include <cstddef>

#include <bmae/concepts/token_loss.hpp>

namespace bmae {

/// Masked tokens only; under row masks every token but the first and the last, since each has its own context
/// (SentMAE paper, equations 3 and 6; RetroMAE as released labels all but [CLS] and the final [SEP]).
struct TokenCrossEntropy {
    void label(MaskedText& text, TokenTraits const&) const {
        std::size_t const length = text.original_ids.size();
        text.labels.assign(length, ignored_label);
        bool const row_masks = text.visibility.length != 0;
        for (std::size_t i = 0; i < length; ++i) {
            bool const wanted = row_masks ? i > 0 && i + 1 < length : text.flags[i] != 0;
            if (wanted) { text.labels[i] = text.original_ids[i]; }
        }
    }
};

static_assert(TokenLoss<TokenCrossEntropy>);

}  // namespace bmae
