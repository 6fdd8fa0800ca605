// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Masks single tokens, word pieces included.
#pragma once

#include <cstddef>
#include <string_view>
#include <utility>
#include <vector>

#include <bmae/concepts/masker.hpp>
#include <bmae/maskers/candidate_words.hpp>

namespace bmae {

/// Token masking as in BERT before whole words: an exact count of tokens that are not special, or independent draws.
struct TokenMasker {
    static constexpr std::string_view name = "token";

    double rate = .15;                  ///< share of `basis` (exact) or probability of each token; BERT: .15
    bool exact = true;                  ///< false: independent draws, the count varies (Hugging Face's MLM collator)
    MaskBasis basis = MaskBasis::all;   ///< what the rate is a share of; `exact` only
    std::size_t minimum = 1;            ///< minimum number of masked tokens; `exact` only
    std::size_t maximum = 512;          ///< maximum number of masked tokens; `exact` only

    template <class Visit>
    void for_each_option(Visit&& visit) {
        visit("rate", rate, "share of tokens masked");
        visit("exact", exact, "an exact count; 0: each token independently");
        visit("basis", basis, "what the rate is a share of");
        visit("minimum", minimum, "minimum number of masked tokens");
        visit("maximum", maximum, "maximum number of masked tokens");
    }

    /// Throws InputError unless 0 <= rate <= 1.                                                                     [L]
    [[nodiscard]] MaskFlags draw(TokenSpan text, Draw& draw) const {
        detail::require_rate(rate, "TokenMasker::rate");
        MaskFlags flags(text.size(), 0);
        std::vector<std::size_t> candidates;
        for (std::size_t i = 0; i < text.size(); ++i) {
            if (!text.is_special(i)) { candidates.push_back(i); }
        }
        if (!exact) {
            for (std::size_t const i : candidates) { flags[i] = draw.chance(rate) ? 1 : 0; }
            return flags;
        }
        std::size_t const budget = detail::mask_budget(detail::mask_basis(text, basis), rate, minimum, maximum);
        for (std::size_t left = candidates.size(); left != 0 && candidates.size() - left < budget; --left) {
            std::swap(candidates[draw.below(left)], candidates[left - 1]);
            flags[candidates[left - 1]] = 1;
        }
        return flags;
    }
};

static_assert(Masker<TokenMasker>);

}  // namespace bmae
