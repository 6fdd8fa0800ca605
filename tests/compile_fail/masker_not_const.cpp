// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// A masker that changes itself while drawing would make the mask depend on the order of the threads.
// expect: must be const
#include <bmae/concepts/masker.hpp>

struct Counting {
#ifdef PASSING
    bmae::MaskFlags draw(bmae::TokenSpan text, bmae::Draw&) const { return bmae::MaskFlags(text.size(), 0); }
#else
    bmae::MaskFlags draw(bmae::TokenSpan text, bmae::Draw&) {
        return bmae::MaskFlags(text.size(), static_cast<unsigned char>(calls++ % 2));
    }
    int calls = 0;
#endif
};

static_assert(bmae::explain_masker<Counting>());
