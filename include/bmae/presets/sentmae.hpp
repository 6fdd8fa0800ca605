// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// SentMAE: RetroMAE in two stages, the second with pairs.
///
/// Liu, Yang: Masked Autoencoders As The Unified Learners For Pre-Trained Sentence Representation, arXiv 2208.00231. Stage 1 is RetroMAE
/// on general text (dagger), stage 2 on in-domain text (double dagger): the preset names sentmae-stage1 and sentmae-marco
/// are RetroMae itself. Here is stage 2 with contrast: two sentences of one article, and sentence pairs of natural-language
/// inference.
///
/// The paper leaves similarity, temperature, the negatives of equation 8 (as printed it has no positive in the denominator) and
/// the masking of the compared vectors open: here the vectors are those of the masked pass, dot product at temperature 1, the
/// positive in the denominator; `literal_equation_8` takes the printed form. For inference pairs supervised SimCSE's cosine at
/// .05 and projection. All passes share one decoder.
#pragma once

#include <tuple>
#include <type_traits>

#include <bmae/decoders/shared.hpp>
#include <bmae/model/contrast.hpp>
#include <bmae/presets/retromae.hpp>
#include <bmae/sources/pair.hpp>
#include <bmae/sources/sentence_pair.hpp>

namespace bmae {

/// sentence A --> RetroMAE --[CLS]--> positive pair in the batch <--[CLS]-- RetroMAE <-- sentence B of its article
/// (equation 9, option 2), one decoder.
using SentMaeMarcoContrastive = Model<BertEncoder,
    Pass<View<FirstSentence, WholeWordMasker>, ClsBottleneck,
        MaskedLanguageModel,
        Branch<View<FirstSentence, RowVisibility>, Shared<"enhanced", EnhancedDecoder>>>,
    Pass<View<OtherSentence, WholeWordMasker>, ClsBottleneck,
        MaskedLanguageModel,
        Branch<View<OtherSentence, RowVisibility>, Shared<"enhanced", EnhancedDecoder>>>,
    Contrast>;

/// premise --> RetroMAE --[CLS]--> its entailment among the batch's, contradictions beside <--[CLS]-- RetroMAE <-- entailment
using SentMaeNli = Model<BertEncoder,
    Pass<View<Passage, WholeWordMasker>, ClsBottleneck,
        MaskedLanguageModel,
        Branch<View<Passage, RowVisibility>, Shared<"enhanced", EnhancedDecoder>>>,
    Pass<View<PairedText, WholeWordMasker>, ClsBottleneck,
        MaskedLanguageModel,
        Branch<View<PairedText, RowVisibility>, Shared<"enhanced", EnhancedDecoder>>>,
    Pass<View<OpposedText, WholeWordMasker>, ClsBottleneck>,
    ProjectedContrast>;

/// The hyperparameters of both.
struct SentMaeHyperparameters {
    double encoder_mask = .30;
    double decoder_mask = .50;
    double reconstruction_weight = 1;   ///< of both RetroMAE losses; 0: contrast only
    double contrast_weight = 1;         ///< equation 9, option 2: 1
    double temperature = 1;             ///< with inference pairs .05
    bool literal_equation_8 = false;    ///< no positive in the denominator

    template <class Visit>
    void for_each_option(Visit&& visit) {
        visit("encoder_mask", encoder_mask, "share of tokens masked for the encoder");
        visit("decoder_mask", decoder_mask, "share of tokens masked for each decoder row");
        visit("reconstruction_weight", reconstruction_weight, "factor of both RetroMAE losses; 0: contrast only");
        visit("contrast_weight", contrast_weight, "factor of the contrast");
        visit("temperature", temperature, "divides the scores");
        visit("literal_equation_8", literal_equation_8, "1: equation 8 as printed, without the positive in the denominator");
    }
};

namespace detail {

template <class M>
typename M::Options sentmae_options(SentMaeHyperparameters const& hyperparameters, Similarity similarity) {
    typename M::Options options;
    auto set = [&](auto& pass) {
        pass.view.masker.rate = hyperparameters.encoder_mask;
        if constexpr (std::tuple_size_v<std::remove_cvref_t<decltype(pass.terms)>> > 1) {
            std::get<1>(pass.terms).view.masker.rate = hyperparameters.decoder_mask;
            std::get<0>(pass.terms).weight = std::get<1>(pass.terms).weight = hyperparameters.reconstruction_weight;
        }
    };
    apply([&](auto&... pass) { (set(pass), ...); }, options.passes);
    std::get<0>(options.terms) = {.weight = hyperparameters.contrast_weight,
                                  .temperature = hyperparameters.temperature,
                                  .similarity = similarity,
                                  .form = {.positive_in_denominator = !hyperparameters.literal_equation_8}};
    return options;
}

}  // namespace detail

template <>
struct PresetHyperparameters<SentMaeMarcoContrastive> {
    using type = SentMaeHyperparameters;
    template <class M = SentMaeMarcoContrastive>
    static typename M::Options options(type const& hyperparameters) {
        return detail::sentmae_options<M>(hyperparameters, Similarity::dot);
    }
};
template <>
struct PresetHyperparameters<SentMaeNli> {
    using type = SentMaeHyperparameters;
    template <class M = SentMaeNli>
    static typename M::Options options(type const& hyperparameters) {
        return detail::sentmae_options<M>(hyperparameters, Similarity::cosine);
    }
};

}  // namespace bmae
