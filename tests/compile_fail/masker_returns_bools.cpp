// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// A masker that returns std::vector<bool> is told what to return.
// expect: Masker: draw\(TokenSpan, Draw&\) must be const and return MaskFlags
#include <vector>

#include <bmae/concepts/masker.hpp>

struct EveryThird {
#ifdef PASSING
    using Flags = bmae::MaskFlags;
#else
    using Flags = std::vector<bool>;
#endif
    Flags draw(bmae::TokenSpan text, bmae::Draw&) const {
        Flags flags(text.size(), 0);
        for (std::size_t i = 0; i < flags.size(); i += 3) { flags[i] = 1; }
        return flags;
    }
};

static_assert(bmae::explain_masker<EveryThird>());
