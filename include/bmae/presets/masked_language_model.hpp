// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Plain masked language modeling: the baseline without a bottleneck.
///
/// Devlin et al.: BERT, arXiv 1810.04805, section 3.1, with whole-word masks at RetroMAE's rate: only the bottleneck differs.
#pragma once

#include <bmae/bottlenecks/cls.hpp>
#include <bmae/detail/bind_model.hpp>
#include <bmae/encoders/bert.hpp>
#include <bmae/maskers/whole_word.hpp>
#include <bmae/model/masked_language_model.hpp>
#include <bmae/model/model.hpp>
#include <bmae/sources/passage.hpp>

namespace bmae {

/// text --mask .30--> encoder --> masked tokens
using PlainMaskedLanguageModel = Model<BertEncoder,
    Pass<View<Passage, WholeWordMasker>, ClsBottleneck,
        MaskedLanguageModel>>;

/// The hyperparameter of the baseline.
struct MaskedLanguageModelHyperparameters {
    double encoder_mask = .30;   ///< share of tokens masked (BERT: .15; here RetroMAE's, for comparison at equal rates)

    template <class Visit>
    void for_each_option(Visit&& visit) {
        visit("encoder_mask", encoder_mask, "share of tokens masked for the encoder");
    }
};

template <>
struct PresetHyperparameters<PlainMaskedLanguageModel> {
    using type = MaskedLanguageModelHyperparameters;
    template <class M = PlainMaskedLanguageModel>
    static typename M::Options options(type const& hyperparameters) {
        typename M::Options options;
        std::get<0>(options.passes).view.masker.rate = hyperparameters.encoder_mask;
        return options;
    }
};

#if defined(BMAE_SEPARATE_COMPILATION)   // in the library `bmae::compiled`
extern BMAE_BIND_MODEL(PlainMaskedLanguageModel, TokenStore);
#endif

}  // namespace bmae
