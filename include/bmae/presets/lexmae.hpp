// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// LexMAE: the bottleneck is a distribution over the vocabulary.
///
/// Shen et al.: LexMAE: Lexicon-Bottlenecked Pretraining for Large-Scale Retrieval, ICLR 2023, arXiv 2208.14754. Released code:
/// taoshen58/LexMAE. Recipe: AdamW 3e-4, warm-up 5 %, batch 2,048, 144 tokens, 20 epochs.
///
/// As released: single tokens, not words, are masked independently; the decoder's mask contains the encoder's; its head is its
/// own, with the word embeddings shared; the embeddings of the mixture get no gradient from it. Here the pooled logits
/// leave out [CLS] and [SEP].
#pragma once

#include <cstdint>

#include <bmae/bottlenecks/lexicon.hpp>
#include <bmae/decoders/basic.hpp>
#include <bmae/encoders/bert.hpp>
#include <bmae/maskers/superset.hpp>
#include <bmae/maskers/token.hpp>
#include <bmae/model/branch.hpp>
#include <bmae/model/masked_language_model.hpp>
#include <bmae/model/model.hpp>
#include <bmae/sources/passage.hpp>

namespace bmae {

/// text --mask .30--> encoder --words--> mixture of embeddings --> decoder <--mask .50-- text
using LexMae = Model<BertEncoder,
    Pass<View<Passage, TokenMasker>, LexiconBottleneck,
        MaskedLanguageModel,
        Branch<View<Passage, SupersetMasker>, BasicDecoder, TokenCrossEntropy, OwnHead>>>;

/// The hyperparameters, by the names of the paper.
struct LexMaeHyperparameters {
    double encoder_mask = .30;
    double decoder_mask = .50;
    std::int64_t decoder_layers = 2;

    template <class Visit>
    void for_each_option(Visit&& visit) {
        visit("encoder_mask", encoder_mask, "share of tokens masked for the encoder");
        visit("decoder_mask", decoder_mask, "share of tokens masked for the decoder, the encoder's among them");
        visit("decoder_layers", decoder_layers, "layers of the decoder");
    }
};

template <>
struct PresetHyperparameters<LexMae> {
    using type = LexMaeHyperparameters;
    template <class M = LexMae>
    static typename M::Options options(type const& hyperparameters) {
        typename M::Options options;
        auto& pass = std::get<0>(options.passes);
        auto& branch = std::get<1>(pass.terms);
        pass.view.masker = {.rate = hyperparameters.encoder_mask, .exact = false};
        branch.view.masker = {
            .rate = hyperparameters.decoder_mask, .encoder_rate = hyperparameters.encoder_mask, .unit = MaskUnit::bernoulli};
        branch.decoder.layers = hyperparameters.decoder_layers;
        return options;
    }
};

}  // namespace bmae
