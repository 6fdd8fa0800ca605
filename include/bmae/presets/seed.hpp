// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// SEED-Encoder: a decoder with so short a window that it depends on the sentence vector.
///
/// Lu et al.: Less is More: Pretrain a Strong Siamese Encoder for Dense Text Retrieval Using a Weak Decoder, EMNLP 2021, arXiv
/// 2102.09206. Released code: microsoft/SEED-Encoder (the model alone: masks, rates and the recipe of pre-training are not public;
/// here token masks at BERT's .15 and 80/10/10). Its vocabulary of 32,769 byte-level pieces is replaced by the encoder's own.
#pragma once

#include <cstdint>

#include <bmae/bottlenecks/cls.hpp>
#include <bmae/corruptors/none.hpp>
#include <bmae/decoders/cross_attention.hpp>
#include <bmae/encoders/bert.hpp>
#include <bmae/losses/next_token.hpp>
#include <bmae/maskers/none.hpp>
#include <bmae/maskers/token.hpp>
#include <bmae/model/branch.hpp>
#include <bmae/model/masked_language_model.hpp>
#include <bmae/model/model.hpp>
#include <bmae/sources/passage.hpp>

namespace bmae {

/// text --mask .15--> encoder --[CLS]--> decoder with a window of two tokens predicts the text
using Seed = Model<BertEncoder,
    Pass<View<Passage, TokenMasker>, ClsBottleneck,
        MaskedLanguageModel,
        Branch<View<Passage, NoMasker, NoCorruption>, CrossAttentionDecoder, NextToken>>>;

/// The hyperparameters: released are 3 layers with window 2, and 1 layer with window 8.
struct SeedHyperparameters {
    double encoder_mask = .15;
    std::int64_t decoder_layers = 3;
    std::int64_t window = 2;   ///< tokens that a row attends to, its own included
    double ratio = .5;         ///< weight of each term ("ratio .5:.5")

    template <class Visit>
    void for_each_option(Visit&& visit) {
        visit("encoder_mask", encoder_mask, "share of tokens masked for the encoder");
        visit("decoder_layers", decoder_layers, "layers of the decoder");
        visit("window", window, "tokens that a row of the decoder attends to, its own included");
        visit("ratio", ratio, "weight of the encoder's term; the decoder's is 1 minus it");
    }
};

template <>
struct PresetHyperparameters<Seed> {
    using type = SeedHyperparameters;
    template <class M = Seed>
    static typename M::Options options(type const& hyperparameters) {
        typename M::Options options;
        auto& pass = std::get<0>(options.passes);
        auto& branch = std::get<1>(pass.terms);
        pass.view.masker.rate = hyperparameters.encoder_mask;
        std::get<0>(pass.terms).weight = hyperparameters.ratio;
        branch.weight = 1 - hyperparameters.ratio;
        branch.decoder = {.layers = hyperparameters.decoder_layers, .window = hyperparameters.window};
        return options;
    }
};

}  // namespace bmae
