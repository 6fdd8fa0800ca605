// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// RetroMAE and its two variants.
///
/// Liu, Shao: RetroMAE: Pre-Training Retrieval-oriented Language Models Via Masked Auto-Encoder, arXiv 2205.12035, figure 1.
/// Restated as equations 1-7 of Liu, Yang: arXiv 2208.00231. Released code: staoxiao/RetroMAE, FlagOpen/FlagEmbedding.
///
/// Recipe of the paper: AdamW 1e-4, weight decay .01, warm-up 10 %, linear to 0, clip 1; Wikipedia and BookCorpus, batch 256, 512
/// tokens, 8 epochs; then MS MARCO, batch 1024, 150 tokens, 20 epochs.
///
/// Where released code and paper differ, the presets follow the code: whole words are masked, an exact number of tokens (paper:
/// tokens); BERT's 80/10/10 on the encoder's side (paper: [MASK]); rows share a pool of 256 masks (paper: one draw per row);
/// both losses are means over their labels (paper: sums). Each is one option of the slot concerned.
#pragma once

#include <cstddef>
#include <cstdint>

#include <bmae/bottlenecks/cls.hpp>
#include <bmae/corruptors/mask_only.hpp>
#include <bmae/decoders/basic.hpp>
#include <bmae/decoders/enhanced.hpp>
#include <bmae/detail/bind_model.hpp>
#include <bmae/encoders/bert.hpp>
#include <bmae/maskers/row_visibility.hpp>
#include <bmae/maskers/whole_word.hpp>
#include <bmae/model/branch.hpp>
#include <bmae/model/masked_language_model.hpp>
#include <bmae/model/model.hpp>
#include <bmae/sources/passage.hpp>

namespace bmae {

/// RetroMAE, figure 1.   text --mask .30--> encoder --[CLS]--> one-layer decoder <--visible rows .50-- text
using RetroMae = Model<BertEncoder,
    Pass<View<Passage, WholeWordMasker>, ClsBottleneck,
        MaskedLanguageModel,
        Branch<View<Passage, RowVisibility>, EnhancedDecoder>>>;

/// The query stream goes through the embedding module's LayerNorm (DupMAE's code; FlagEmbedding since March 2024).
using RetroMaeLayerNormQuery = Model<BertEncoder,
    Pass<View<Passage, WholeWordMasker>, ClsBottleneck,
        MaskedLanguageModel,
        Branch<View<Passage, RowVisibility>, EnhancedDecoderLayerNormQuery>>>;

/// Basic decoding (section 3.2): the decoder reads a text masked a second time and predicts the masked tokens alone. The paper
/// leaves the unit open; whole words, all [MASK], is this library's choice.
using RetroMaeBasic = Model<BertEncoder,
    Pass<View<Passage, WholeWordMasker>, ClsBottleneck,
        MaskedLanguageModel,
        Branch<View<Passage, WholeWordMasker, MaskOnly>, BasicDecoder>>>;

/// The hyperparameters of all three, by the names of the paper.
struct RetroMaeHyperparameters {
    double encoder_mask = .30;         ///< share of tokens masked for the encoder (section 4.1: .15-.30)
    double decoder_mask = .50;         ///< share masked for each decoder row, or for the basic decoder (.50-.70)
    std::int64_t decoder_layers = 1;   ///< with more, keys and values remain the clean text under row masks
    std::uint64_t row_pool = 256;      ///< row masks drawn per text (FlagEmbedding: 128); enhanced decoding only

    template <class Visit>
    void for_each_option(Visit&& visit) {
        visit("encoder_mask", encoder_mask, "share of tokens masked for the encoder");
        visit("decoder_mask", decoder_mask, "share of tokens masked for the decoder");
        visit("decoder_layers", decoder_layers, "layers of the decoder");
        visit("row_pool", row_pool, "row masks drawn per text (enhanced decoding)");
    }
};

namespace detail {

template <class M>
typename M::Options retromae_options(RetroMaeHyperparameters const& hyperparameters) {
    typename M::Options options;
    auto& pass = std::get<0>(options.passes);
    auto& branch = std::get<1>(pass.terms);
    pass.view.masker.rate = hyperparameters.encoder_mask;
    branch.view.masker.rate = hyperparameters.decoder_mask;
    branch.decoder.layers = hyperparameters.decoder_layers;
    if constexpr (requires { branch.view.masker.pool_cap; }) {
        branch.view.masker.pool_cap = static_cast<std::size_t>(hyperparameters.row_pool);
    }
    return options;
}

}  // namespace detail

template <>
struct PresetHyperparameters<RetroMae> {
    using type = RetroMaeHyperparameters;
    template <class M = RetroMae>
    static typename M::Options options(type const& hyperparameters) {
        return detail::retromae_options<M>(hyperparameters);
    }
};
template <>
struct PresetHyperparameters<RetroMaeLayerNormQuery> {
    using type = RetroMaeHyperparameters;
    template <class M = RetroMaeLayerNormQuery>
    static typename M::Options options(type const& hyperparameters) {
        return detail::retromae_options<M>(hyperparameters);
    }
};
template <>
struct PresetHyperparameters<RetroMaeBasic> {
    using type = RetroMaeHyperparameters;
    template <class M = RetroMaeBasic>
    static typename M::Options options(type const& hyperparameters) {
        return detail::retromae_options<M>(hyperparameters);
    }
};

#if defined(BMAE_SEPARATE_COMPILATION)   // in the library `bmae::compiled`
extern BMAE_BIND_MODEL(RetroMae, TokenStore);
extern BMAE_BIND_MODEL(RetroMaeBasic, TokenStore);
#endif

}  // namespace bmae
