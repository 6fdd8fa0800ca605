// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// A decoder rebuilds one view from the sentence vector.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include <bmae/concepts/decoder.hpp>
#include <bmae/concepts/token_loss.hpp>
#include <bmae/encoders/bert.hpp>
#include <bmae/losses/token_cross_entropy.hpp>
#include <bmae/pretraining/term.hpp>

namespace bmae {

/// L_dec: cross-entropy of `Decoder`, fed with the pass's sentence vector, on the labels that `Loss` sets in `ViewT`.
/// The decoder's rows go through the encoder's own language-model head, tied to its word embeddings.
template <class ViewT, class Decoder, TokenLoss Loss = TokenCrossEntropy>
class Branch {
    static_assert(!ViewT::has_row_masks || Decoder::reads_visibility,
                  "Branch: this view hides context by row masks, which the decoder does not read. Use EnhancedDecoder, or a masker that hides tokens.");
    static_assert(ViewT::has_row_masks || !Decoder::reads_visibility,
                  "Branch: this decoder reads the clean text under row masks, but the view has none, so every token would see itself. "
                  "Use the masker RowVisibility, or BasicDecoder.");

public:
    /// Numbers of the branch, in the shape of its slots.
    struct Options {
        ViewT view = {};
        typename Decoder::Options decoder = {};
        Loss loss = {};
        double weight = 1;   ///< in the total; RetroMAE: 1
    };
    static constexpr std::string_view kind = "branch";
    static constexpr bool has_view = true;
    static constexpr bool keeps_layers = false;

    template <Encoder E>
    Branch(Options options, E const& encoder, std::uint64_t seed, std::string const& name)
        : options_(std::move(options)), decoder_(options_.decoder, encoder, seed, name + ".decoder") {}

    [[nodiscard]] double weight() const noexcept { return options_.weight; }

    [[nodiscard]] MaskedText assemble(Example const& example, TokenTraits const& traits, ViewSettings const& settings, Draw draw,
                                      MaskedText const& encoder_text) const {
        MaskedText text = options_.view.assemble(example, traits, settings, draw, &encoder_text);
        options_.loss.label(text, traits);
        return text;
    }

    template <class E>
    [[nodiscard]] TokenRows rows(PassState<E>& pass, PackedInput const& view) const {
        at::Tensor const hidden = decoder_.decode(pass.sentence, view, pass.encoder, pass.encoded, pass.context);   // [T, H]
        return {.rows = hidden.index_select(0, view.label_rows), .labels = view.labels};
    }

    [[nodiscard]] TermDescription describe(std::string name) const {
        TermDescription description{.name = std::move(name), .kind = std::string(kind), .decoder = std::string(Decoder::kind),
                                    .weight = options_.weight, .has_view = true};
        if constexpr (requires { options_.decoder.layers; }) {
            description.decoder_layers = static_cast<std::int64_t>(options_.decoder.layers);
        }
        if constexpr (requires { Decoder::query; }) { description.query = std::string(Decoder::query); }
        return description;
    }

    [[nodiscard]] ViewDescription describe_view(std::string path) const { return options_.view.describe(std::move(path)); }

    template <class Visit>
    void for_each_parameter(std::string const& prefix, Visit&& visit) {
        decoder_.for_each_parameter(prefix + ".decoder", visit);
    }

    [[nodiscard]] Decoder& decoder() noexcept { return decoder_; }

private:
    Options options_;
    Decoder decoder_;
};

}  // namespace bmae
