// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Masks half of the text by whole words: the encoder's side of a complementary pair.
#pragma once

#include <cstddef>
#include <string_view>

#include <bmae/concepts/masker.hpp>
#include <bmae/maskers/whole_word.hpp>

namespace bmae {

/// Whole words at a fixed rate of one half, which MASTER's complementary pair (CMP) uses for the encoder, whose rate
/// differs elsewhere. `ComplementMasker` then masks the other half for the decoder.
struct HalfMasker {
    static constexpr std::string_view name = "half";

    double rate = .50;                    ///< share of `basis`; MASTER: .50
    MaskBasis basis = MaskBasis::inner;   ///< MASTER masks before it adds the outer [CLS] and [SEP]
    std::size_t minimum = 1;              ///< minimum number of masked tokens
    std::size_t maximum = 512;            ///< maximum number of masked tokens
    bool skip_specials = true;            ///< [UNK], [MASK] and [PAD] are not candidates

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
        WholeWordMasker const words{
            .rate = rate, .basis = basis, .minimum = minimum, .maximum = maximum, .skip_specials = skip_specials};
        return words.draw(text, draw);
    }
};

static_assert(Masker<HalfMasker>);

}  // namespace bmae
