// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Masks nothing.
#pragma once

#include <string_view>

#include <bmae/concepts/masker.hpp>

namespace bmae {

/// No token is masked: contrastive views, bag-of-words targets, encoders that read the whole text.
struct NoMasker {
    static constexpr std::string_view name = "none";
    static constexpr double rate = 0;   ///< for maskers with an option for the rate of the encoder's

    [[nodiscard]] MaskFlags draw(TokenSpan text, Draw& draw) const {
        static_cast<void>(draw);
        return MaskFlags(text.size(), 0);
    }
};

static_assert(Masker<NoMasker>);

}  // namespace bmae
