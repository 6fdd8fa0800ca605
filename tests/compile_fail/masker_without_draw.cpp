// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// A type without draw() is told the signature.
// expect: Masker: a member `MaskFlags draw\(TokenSpan text, Draw& draw\) const` is missing
#include <bmae/concepts/masker.hpp>

struct Nothing {
#ifdef PASSING
    bmae::MaskFlags draw(bmae::TokenSpan text, bmae::Draw&) const { return bmae::MaskFlags(text.size(), 0); }
#endif
};

static_assert(bmae::explain_masker<Nothing>());
