// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Labels of causal decoders.
#pragma once

#include <cstddef>

#include <bmae/concepts/token_loss.hpp>

namespace bmae {

/// The label of each row is the next token, the final [SEP] included; a text of [CLS] and [SEP] alone has none.
struct NextToken {
    void label(MaskedText& text, TokenTraits const&) const {
        std::size_t const length = text.original_ids.size();
        text.labels.assign(length, ignored_label);
        if (length <= 2) { return; }
        for (std::size_t i = 0; i + 1 < length; ++i) { text.labels[i] = text.original_ids[i + 1]; }
    }
};

static_assert(TokenLoss<NextToken>);

}  // namespace bmae
