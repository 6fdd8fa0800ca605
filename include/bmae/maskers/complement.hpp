// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Masks exactly the tokens that the encoder's view left unmasked.
#pragma once

#include <cstddef>
#include <limits>
#include <string_view>

#include <bmae/concepts/masker.hpp>
#include <bmae/maskers/candidate_words.hpp>
#include <bmae/maskers/exclusive.hpp>

namespace bmae {

/// Flags every token that is not special and that the encoder's view of the same pass did not mask (MASTER, CMP).
///
/// The labels of the two views are complementary. Their inputs are so only under MaskOnly: 80/10/10 leaves a tenth of each
/// side unchanged in both. With the encoder at .30 the decoder masks about .70 of the content (MASTER's paper, literally), at
/// .50 as much as the encoder (MASTER as released); `cap` keeps the encoder's rate and masks random words of the complement.
struct ComplementMasker {
    static constexpr std::string_view name = "complement";

    double cap = 1;                             ///< share of `cap_basis` masked, by whole words; 1: the whole complement
    MaskBasis cap_basis = MaskBasis::content;   ///< what the cap is a share of

    template <class Visit>
    void for_each_option(Visit&& visit) {
        visit("cap", cap, "share of tokens masked at most; 1: the whole complement");
        visit("cap_basis", cap_basis, "what the cap is a share of");
    }

    /// \param encoder  flags of the encoder's view; throws InputError where it is a view of another text, and for a cap
    ///                 outside [0, 1]                                                                            [L]
    [[nodiscard]] MaskFlags draw(TokenSpan text, Draw& draw, MaskFlags const& encoder) const {
        detail::require_rate(cap, "ComplementMasker::cap");
        detail::require_same_text(text, encoder, "ComplementMasker");
        if (cap < 1) {
            constexpr std::size_t no_limit = std::numeric_limits<std::size_t>::max();
            return ExclusiveMasker{.rate = cap, .basis = cap_basis, .minimum = 0, .maximum = no_limit}.draw(text, draw, encoder);
        }
        MaskFlags flags(text.size(), 0);
        for (std::size_t i = 0; i < text.size(); ++i) { flags[i] = encoder[i] == 0 && !text.is_special(i) ? 1 : 0; }
        return flags;
    }
};

static_assert(RelatedMasker<ComplementMasker>);

}  // namespace bmae
