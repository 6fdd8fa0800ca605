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
/// Where released code and paper differ, the presets follow the code: whole words are hidden, an exact number of them (paper:
/// tokens); BERT's 80/10/10 on the encoder's side (paper: [MASK]); rows share a pool of 256 masks (paper: one draw per row);
/// both losses are means over their labels (paper: sums). Each is one option of the slot concerned.
#pragma once

#include <cstddef>
#include <cstdint>

#include <bmae/bottlenecks/cls.hpp>
#include <bmae/corruptors/mask_only.hpp>
#include <bmae/decoders/basic.hpp>
#include <bmae/decoders/enhanced.hpp>
#include <bmae/encoders/bert.hpp>
#include <bmae/maskers/row_visibility.hpp>
#include <bmae/maskers/whole_word.hpp>
#include <bmae/pretraining/branch.hpp>
#include <bmae/pretraining/masked_language_model.hpp>
#include <bmae/pretraining/pretraining.hpp>
#include <bmae/sources/passage.hpp>

namespace bmae {

/// RetroMAE, figure 1.   text --mask .30--> encoder --[CLS]--> one-layer decoder <--visible rows .50-- text
using RetroMae = Pretraining<BertEncoder,
    Pass<View<Passage, WholeWordMasker>, ClsBottleneck,
        MaskedLanguageModel,
        Branch<View<Passage, RowVisibility>, EnhancedDecoder>>>;

/// The query stream goes through the embedding module's LayerNorm (DupMAE's code; FlagEmbedding since March 2024).
using RetroMaeLayerNormQuery = Pretraining<BertEncoder,
    Pass<View<Passage, WholeWordMasker>, ClsBottleneck,
        MaskedLanguageModel,
        Branch<View<Passage, RowVisibility>, EnhancedDecoderLayerNormQuery>>>;

/// Basic decoding (section 3.2): the decoder reads a text masked once more and recovers the hidden tokens alone. The paper
/// leaves the unit open; whole words, all [MASK], is this library's choice.
using RetroMaeBasic = Pretraining<BertEncoder,
    Pass<View<Passage, WholeWordMasker>, ClsBottleneck,
        MaskedLanguageModel,
        Branch<View<Passage, WholeWordMasker, MaskOnly>, BasicDecoder>>>;

/// The numbers of all three, by the names of the paper.
struct RetroMaeNumbers {
    double encoder_mask = .30;   ///< share of tokens hidden from the encoder (section 4.1: .15-.30)
    double decoder_mask = .50;   ///< share hidden from each decoder row, resp. from the basic decoder (.50-.70)
    std::int64_t decoder_layers =
        1;                         ///< more than one keeps the bottleneck: keys and values stay the clean text under row masks
    std::int64_t row_pool = 256;   ///< row masks drawn per text (FlagEmbedding: 128); enhanced decoding only

    template <class Visit>
    void for_each_number(Visit&& visit) {
        visit("encoder_mask", encoder_mask, "share of tokens hidden from the encoder");
        visit("decoder_mask", decoder_mask, "share of tokens hidden from the decoder");
        visit("decoder_layers", decoder_layers, "layers of the decoder");
        visit("row_pool", row_pool, "row masks drawn per text (enhanced decoding)");
    }
};

namespace detail {

template <class Model>
typename Model::Options retromae_options(RetroMaeNumbers const& numbers) {
    typename Model::Options options;
    auto& pass = std::get<0>(options.passes);
    auto& branch = std::get<1>(pass.terms);
    pass.view.masker.rate = numbers.encoder_mask;
    branch.view.masker.rate = numbers.decoder_mask;
    branch.decoder.layers = numbers.decoder_layers;
    if constexpr (requires { branch.view.masker.pool_cap; }) {
        branch.view.masker.pool_cap = static_cast<std::size_t>(numbers.row_pool);
    }
    return options;
}

}  // namespace detail

template <>
struct PresetNumbers<RetroMae> {
    using type = RetroMaeNumbers;
    template <class Model = RetroMae>
    static typename Model::Options options(type const& numbers) {
        return detail::retromae_options<Model>(numbers);
    }
};
template <>
struct PresetNumbers<RetroMaeLayerNormQuery> {
    using type = RetroMaeNumbers;
    template <class Model = RetroMaeLayerNormQuery>
    static typename Model::Options options(type const& numbers) {
        return detail::retromae_options<Model>(numbers);
    }
};
template <>
struct PresetNumbers<RetroMaeBasic> {
    using type = RetroMaeNumbers;
    template <class Model = RetroMaeBasic>
    static typename Model::Options options(type const& numbers) {
        return detail::retromae_options<Model>(numbers);
    }
};

}  // namespace bmae
