// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Masks a share of the text, all of it among the tokens that the encoder's view left unmasked.
#pragma once

#include <cstddef>
#include <string_view>

#include <bmae/concepts/masker.hpp>
#include <bmae/maskers/candidate_words.hpp>

namespace bmae {

/// Flags tokens that the encoder's view of the same pass did not mask, up to a share of the text (LexMAE, "exclusive").
///
/// Where the encoder left fewer tokens than that, all of them are masked. The rest of a word that it masked in part is a word
/// here. [UNK], [MASK] and [PAD] are not candidates.
struct ExclusiveMasker {
    static constexpr std::string_view name = "exclusive";

    double rate = .50;                      ///< share of `basis`; LexMAE: .50
    MaskUnit unit = MaskUnit::whole_word;   ///< LexMAE: bernoulli, the count is then the share on average
    MaskBasis basis = MaskBasis::all;       ///< what the rate is a share of
    std::size_t minimum = 1;                ///< minimum number of masked tokens; not for `bernoulli`
    std::size_t maximum = 512;              ///< maximum number of masked tokens; not for `bernoulli`

    template <class Visit>
    void for_each_option(Visit&& visit) {
        visit("rate", rate, "share of tokens masked");
        visit("unit", unit, "unit of masking");
        visit("basis", basis, "what the rate is a share of");
        visit("minimum", minimum, "minimum number of masked tokens");
        visit("maximum", maximum, "maximum number of masked tokens");
    }

    /// \param encoder  flags of the encoder's view; throws InputError where it is a view of another text, and for a rate
    ///                 outside [0, 1]                                                                            [L]
    [[nodiscard]] MaskFlags draw(TokenSpan text, Draw& draw, MaskFlags const& encoder) const {
        detail::require_rate(rate, "ExclusiveMasker::rate");
        detail::require_same_text(text, encoder, "ExclusiveMasker");
        detail::CandidateWords words(text, true, &encoder, unit != MaskUnit::whole_word);
        std::size_t const tokens = detail::mask_basis(text, basis);
        MaskFlags flags(text.size(), 0);
        auto const hide = [&](std::size_t i) { flags[i] = 1; };
        if (unit == MaskUnit::bernoulli) {
            double const chance = words.size() == 0 ? 0 : rate * static_cast<double>(tokens) / static_cast<double>(words.size());
            words.for_each([&](auto const& word) {
                if (draw.chance(chance)) { hide(word.front()); }
            });
        } else {
            detail::SmallDraw small(draw);
            words.sample(detail::mask_budget(tokens, rate, minimum, maximum), small, hide);
        }
        return flags;
    }
};

static_assert(RelatedMasker<ExclusiveMasker>);

}  // namespace bmae
