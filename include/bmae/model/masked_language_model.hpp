// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// The encoder predicts the masked tokens of its view.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include <bmae/concepts/token_loss.hpp>
#include <bmae/losses/label_smoothing.hpp>
#include <bmae/losses/token_cross_entropy.hpp>
#include <bmae/model/term.hpp>

namespace bmae {

/// Cross-entropy of the encoder on tokens of its own view; `Loss` chooses which.
template <class Loss>
class EncoderPrediction {
    static_assert(explain_token_loss<Loss>(), "EncoderPrediction: the slot holds a token loss: which tokens are predicted.");

public:
    /// Options of the term.
    struct Options {
        TermWeight weight = 1;        ///< in the total; RetroMAE: 1
        double label_smoothing = 0;   ///< share of a label spread evenly over all tokens, in [0, 1)
        Loss loss = {};               ///< which tokens; the same in other terms that read the encoder's own view

        template <class Visit>
        void for_each_option(Visit&& visit) {
            visit.inside("loss", loss);
            visit.inside("weight", weight);
            visit("label_smoothing", label_smoothing, "share of a label spread evenly over all tokens");
        }
    };
    using Labels = Loss;
    static constexpr std::string_view kind = "masked_language_model";
    static constexpr bool needs_token_head = true;
    static constexpr bool has_view = false;
    static constexpr bool reads_sentence = false;
    static constexpr bool keeps_layers = false;

    template <Encoder E>
    EncoderPrediction(Options options, E const&, std::uint64_t, std::string const&) : options_(options) {
        require_smoothing(options_.label_smoothing);
    }

    [[nodiscard]] double weight(double progress) const { return options_.weight.at(progress); }

    template <class E>
    [[nodiscard]] TokenRows rows(PassState<E>& pass, PackedInput const& view) const {
        return {.rows = pass.encoded.hidden.index_select(0, view.label_rows),
                .labels = view.labels,
                .label_smoothing = options_.label_smoothing};
    }

    [[nodiscard]] TermDescription describe(std::string name) const {
        return {.name = std::move(name), .kind = std::string(kind), .weight = options_.weight.at(0)};
    }

    /// Which tokens of the encoder's view are predicted.
    [[nodiscard]] Loss const& labels() const noexcept { return options_.loss; }

    template <class Visit>
    void for_each_parameter(std::string const&, Visit&&) {}

private:
    Options options_;
};

/// On its masked tokens (L_enc of RetroMAE; Devlin et al., arXiv 1810.04805).
using MaskedLanguageModel = EncoderPrediction<TokenCrossEntropy>;

}  // namespace bmae
