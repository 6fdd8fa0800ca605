// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Masked tokens stay as they are.
#pragma once

#include <string_view>

#include <bmae/concepts/corruptor.hpp>

namespace bmae {

/// Leaves ids and flags alone: for views without a mask, or whose network corrupts them itself.
struct NoCorruption {
    static constexpr std::string_view name = "none";

    void corrupt(MaskedText& text, TokenTraits const& traits, Draw& draw) const {
        static_cast<void>(text);
        static_cast<void>(traits);
        static_cast<void>(draw);
    }
};

static_assert(Corruptor<NoCorruption>);

}  // namespace bmae
