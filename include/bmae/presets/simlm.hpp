// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// SimLM: a generator replaces masked tokens, encoder and decoder predict every token.
///
/// Wang et al.: SimLM: Pre-training with Representation Bottleneck for Dense Passage Retrieval, arXiv 2207.02578. Released code:
/// microsoft/unilm, simlm/. Recipe: AdamW 3e-4, warm-up 4,000 steps, no weight decay, batch 2,048, 144 tokens, 80,000 steps.
///
/// As released: the decoder's flags contain the encoder's; the generator reads [MASK] at masked tokens (ELECTRA-base), which is
/// frozen, so its own loss (.2) is no term; the two views get independent samples; token types are all 0 (released: title
/// and body differ). The generator must be given: `--generator DIR`.
#pragma once

#include <cstdint>

#include <bmae/bottlenecks/cls.hpp>
#include <bmae/corruptors/generator_replacement.hpp>
#include <bmae/decoders/basic.hpp>
#include <bmae/encoders/bert.hpp>
#include <bmae/losses/all_tokens.hpp>
#include <bmae/maskers/superset.hpp>
#include <bmae/maskers/whole_word.hpp>
#include <bmae/model/branch.hpp>
#include <bmae/model/masked_language_model.hpp>
#include <bmae/model/model.hpp>
#include <bmae/sources/passage.hpp>

namespace bmae {

/// text --replace .30--> encoder --[CLS]--> two-layer decoder <--replace .50, the encoder's among them-- text
using SimLm = Model<BertEncoder,
    Pass<View<Passage, WholeWordMasker, GeneratorReplacement>, ClsBottleneck,
        EncoderPrediction<AllTokens>,
        Branch<View<Passage, SupersetMasker, GeneratorReplacement>, BasicDecoder, AllTokens>>>;

/// The hyperparameters, by the names of the paper.
struct SimLmHyperparameters {
    double encoder_mask = .30;         ///< share of tokens replaced for the encoder
    double decoder_mask = .50;         ///< share replaced for the decoder, on average
    std::int64_t decoder_layers = 2;   ///< copies of the encoder's last layers

    template <class Visit>
    void for_each_option(Visit&& visit) {
        visit("encoder_mask", encoder_mask, "share of tokens replaced for the encoder");
        visit("decoder_mask", decoder_mask, "share of tokens replaced for the decoder");
        visit("decoder_layers", decoder_layers, "layers of the decoder, copied from the encoder's last ones");
    }
};

template <>
struct PresetHyperparameters<SimLm> {
    using type = SimLmHyperparameters;
    template <class M = SimLm>
    static typename M::Options options(type const& hyperparameters) {
        typename M::Options options;
        auto& pass = std::get<0>(options.passes);
        auto& branch = std::get<1>(pass.terms);
        pass.view.masker.rate = hyperparameters.encoder_mask;
        branch.view.masker.rate = hyperparameters.decoder_mask;
        branch.view.masker.encoder_rate = hyperparameters.encoder_mask;
        branch.decoder = {.layers = hyperparameters.decoder_layers, .initialization = Initialization::last_layers};
        return options;
    }
};

}  // namespace bmae
