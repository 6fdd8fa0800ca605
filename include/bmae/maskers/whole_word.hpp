// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Masks whole words until an exact share of the tokens is masked.
#pragma once

#include <cstddef>
#include <string_view>

#include <bmae/concepts/masker.hpp>
#include <bmae/maskers/candidate_words.hpp>

namespace bmae {

/// Whole-word masking with an exact count, as RetroMAE, SimLM and Hugging Face's collator draw it.
///
/// budget = min(maximum, max(minimum, round(tokens * rate))), halves to even; words are taken in uniformly random order, and one
/// that would overshoot is skipped, so the count is at most the budget and nearly always equal to it. [UNK] is a candidate: a
/// corruptor may still exclude it from the targets.
struct WholeWordMasker {
    static constexpr std::string_view name = "whole_word";

    double rate = .30;                  ///< share of `basis`; RetroMAE: .30 encoder, .50 decoder
    MaskBasis basis = MaskBasis::all;   ///< what the rate is a share of
    std::size_t minimum = 1;            ///< minimum number of masked tokens
    std::size_t maximum = 512;          ///< maximum number of masked tokens
    bool skip_specials = false;         ///< true: [UNK], [MASK] and [PAD] are not candidates either (MASTER, Condenser)

    template <class Visit>
    void for_each_option(Visit&& visit) {
        visit("rate", rate, "share of tokens masked");
        visit("basis", basis, "what the rate is a share of");
        visit("minimum", minimum, "minimum number of masked tokens");
        visit("maximum", maximum, "maximum number of masked tokens");
        visit("skip_specials", skip_specials, "[UNK], [MASK] and [PAD] are not candidates");
    }

    /// Throws InputError unless 0 <= rate <= 1.                                                                     [L]
    [[nodiscard]] MaskFlags draw(TokenSpan text, Draw& draw) const {
        detail::require_rate(rate, "WholeWordMasker::rate");
        MaskFlags flags(text.size(), 0);
        detail::SmallDraw small(draw);
        detail::CandidateWords(text, skip_specials)
            .sample(detail::mask_budget(detail::mask_basis(text, basis), rate, minimum, maximum), small,
                    [&](std::size_t i) { flags[i] = 1; });
        return flags;
    }
};

static_assert(Masker<WholeWordMasker>);

}  // namespace bmae
