// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// A corruptor that forgot the vocabulary's traits is told the signature.
// expect: Corruptor: a member `void corrupt\(MaskedText&, TokenTraits const&, Draw&\) const` is missing
#include <bmae/concepts/corruptor.hpp>

struct Untouched {
#ifdef PASSING
    void corrupt(bmae::MaskedText&, bmae::TokenTraits const&, bmae::Draw&) const {}
#else
    void corrupt(bmae::MaskedText&, bmae::Draw&) const {}
#endif
};

static_assert(bmae::explain_corruptor<Untouched>());
