// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Masks all tokens that the encoder's view masked, and more.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include <bmae/concepts/masker.hpp>
#include <bmae/maskers/candidate_words.hpp>
#include <bmae/maskers/token.hpp>
#include <bmae/maskers/whole_word.hpp>
#include <bmae/values/error.hpp>

namespace bmae {

/// Union of the encoder's flags and an independent draw: of whole words (SimLM), or of single tokens (LexMAE, "inclusive":
/// `{.unit = MaskUnit::bernoulli}`).
///
/// The second draw may hit tokens that are masked already, so it runs at (rate - encoder_rate) / (1 - encoder_rate): the union
/// then reaches `rate` on average, and not exactly.
struct SupersetMasker {
    static constexpr std::string_view name = "superset";

    double rate = .50;                      ///< share of `basis` that the union masks on average; SimLM: .50
    double encoder_rate = .30;              ///< the rate of the encoder's masker; SimLM: .30
    MaskBasis basis = MaskBasis::all;       ///< what the rates are shares of
    std::size_t minimum = 1;                ///< tokens of the second draw, at least; not for `bernoulli`
    std::size_t maximum = 512;              ///< tokens of the second draw, at most; not for `bernoulli`
    bool skip_specials = false;             ///< true: [UNK], [MASK] and [PAD] are not candidates; single tokens never are
    MaskUnit unit = MaskUnit::whole_word;   ///< of the second draw; SimLM: whole words, LexMAE: bernoulli

    template <class Visit>
    void for_each_option(Visit&& visit) {
        visit("rate", rate, "share of tokens masked, the encoder's among them");
        visit("encoder_rate", encoder_rate, "share that the encoder's view masks");
        visit("basis", basis, "what the rates are shares of");
        visit("minimum", minimum, "minimum number of masked tokens");
        visit("maximum", maximum, "maximum number of masked tokens");
        visit("skip_specials", skip_specials, "[UNK], [MASK] and [PAD] are not candidates");
        visit("unit", unit, "unit of the second draw");
    }

    /// Throws InputError where the encoder's masker has another rate than `encoder_rate`, or takes it of another basis: the union
    /// would miss `rate`.
    /// \param path,encoder_path  of the two maskers, for the message
    template <class EncoderMasker>
    void require_fits(EncoderMasker const& encoder, std::string const& path, std::string const& encoder_path) const {
        if constexpr (requires { static_cast<double>(encoder.rate); }) {
            if (static_cast<double>(encoder.rate) != encoder_rate) {
                throw differs(path + ".encoder_rate", std::to_string(encoder_rate), encoder_path + ".rate",
                              std::to_string(encoder.rate));
            }
        }
        if constexpr (requires { MaskBasis{encoder.basis}; }) {
            if (encoder.basis != basis) {
                throw differs(path + ".basis", std::string(to_string(basis)), encoder_path + ".basis",
                              std::string(to_string(encoder.basis)));
            }
        }
    }

    /// \param encoder  flags of the encoder's view; throws InputError where it is a view of another text, for rates that are no
    ///                 in [0, 1] and where rate < encoder_rate                                                     [L]
    [[nodiscard]] MaskFlags draw(TokenSpan text, Draw& draw, MaskFlags const& encoder) const {
        detail::require_rate(rate, "SupersetMasker::rate");
        detail::require_rate(encoder_rate, "SupersetMasker::encoder_rate");
        if (rate < encoder_rate) {
            throw InputError(Diagnostic{.file = {},
                                        .expected = "SupersetMasker::rate of at least encoder_rate",
                                        .found = std::to_string(rate) + " below " + std::to_string(encoder_rate),
                                        .hint = "The decoder must mask all that the encoder masks: raise its rate."});
        }
        detail::require_same_text(text, encoder, "SupersetMasker");
        double const more = encoder_rate < 1 ? (rate - encoder_rate) / (1 - encoder_rate) : 0;
        MaskFlags flags = second_draw(text, more, draw);
        for (std::size_t i = 0; i < flags.size(); ++i) { flags[i] |= encoder[i]; }
        return flags;
    }

private:
    static InputError differs(std::string const& option, std::string const& value, std::string const& of_encoder,
                              std::string const& encoder_value) {
        return InputError(Diagnostic{.file = {},
                                     .expected = option + " and " + of_encoder + " to be the same",
                                     .found = value + " and " + encoder_value,
                                     .hint = "Set both: the union reaches its rate only where they are equal."});
    }

    [[nodiscard]] MaskFlags second_draw(TokenSpan text, double share, Draw& draw) const {
        if (unit == MaskUnit::whole_word) {
            WholeWordMasker const words{
                .rate = share, .basis = basis, .minimum = minimum, .maximum = maximum, .skip_specials = skip_specials};
            return words.draw(text, draw);
        }
        TokenMasker const tokens{
            .rate = share, .exact = unit == MaskUnit::token, .basis = basis, .minimum = minimum, .maximum = maximum};
        return tokens.draw(text, draw);
    }
};

static_assert(RelatedMasker<SupersetMasker>);

}  // namespace bmae
