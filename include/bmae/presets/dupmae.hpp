// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// DupMAE: RetroMAE with a bag-of-words term.
///
/// Xiao, Liu: RetroMAE v2: Duplex Masked Auto-Encoder For Pre-Training Retrieval-Oriented Language Models, arXiv 2211.08769
/// (ACL 2023 as RetroMAE-2). Released code: staoxiao/RetroMAE. Recipe: RetroMAE's.
///
/// Where released code and paper differ, the preset follows the code: each distinct token weighs 1/n, n tokens of content with
/// repeats (paper: 1, `BagWeights::one`); the bag term has factor .1 (paper: 1); logits are those of the whole language-model
/// head (paper: one projection). The query stream of the decoder goes through the embedding LayerNorm.
#pragma once

#include <bmae/detail/bind_model.hpp>
#include <bmae/model/bag_of_words.hpp>
#include <bmae/presets/retromae.hpp>

namespace bmae {

/// text --mask .30--> encoder --[CLS]--> decoder <--visible rows .50-- text, and --all tokens, max--> words of the text
using DupMae = Model<BertEncoder,
    Pass<View<Passage, WholeWordMasker>, ClsBottleneck,
        MaskedLanguageModel,
        Branch<View<Passage, RowVisibility>, EnhancedDecoderLayerNormQuery>,
        BagOfWords<MaxPooledLogits>>>;

/// The hyperparameters, by the names of the paper and its code.
struct DupMaeHyperparameters {
    double encoder_mask = .30;   ///< share of tokens masked for the encoder
    double decoder_mask = .50;   ///< share masked for each decoder row
    std::int64_t decoder_layers = 1;
    double bow_loss_weight = .1;   ///< factor of the bag of words (paper: 1)

    template <class Visit>
    void for_each_option(Visit&& visit) {
        visit("encoder_mask", encoder_mask, "share of tokens masked for the encoder");
        visit("decoder_mask", decoder_mask, "share of tokens masked for each decoder row");
        visit("decoder_layers", decoder_layers, "layers of the decoder");
        visit("bow_loss_weight", bow_loss_weight, "factor of the bag of words in the total");
    }
};

template <>
struct PresetHyperparameters<DupMae> {
    using type = DupMaeHyperparameters;
    template <class M = DupMae>
    static typename M::Options options(type const& hyperparameters) {
        typename M::Options options = detail::retromae_options<M>({.encoder_mask = hyperparameters.encoder_mask,
                                                                   .decoder_mask = hyperparameters.decoder_mask,
                                                                   .decoder_layers = hyperparameters.decoder_layers});
        std::get<2>(std::get<0>(options.passes).terms).weight = hyperparameters.bow_loss_weight;
        return options;
    }
};

#if defined(BMAE_SEPARATE_COMPILATION)   // in the library `bmae::compiled`
extern BMAE_BIND_MODEL(DupMae, TokenStore);
#endif

}  // namespace bmae
