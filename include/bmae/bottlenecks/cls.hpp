// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// The vector of the first token.
#pragma once

#include <string_view>

#include <bmae/concepts/bottleneck.hpp>

namespace bmae {

/// h = last hidden state of [CLS], after the last LayerNorm; no pooler, no projection (RetroMAE, section 3.1).
struct ClsBottleneck {
    static constexpr std::string_view name = "cls";
    static constexpr bool reads_first_rows = true;

    [[nodiscard]] at::Tensor pool(Encoded const& encoded, PackedInput const& input) const {   // [B, H]
        return encoded.hidden.index_select(0, input.first_rows);
    }
};

static_assert(Bottleneck<ClsBottleneck>);

}  // namespace bmae
