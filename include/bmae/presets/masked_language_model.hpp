// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Plain masked language modelling: the baseline without a bottleneck.
///
/// Devlin et al.: BERT, arXiv 1810.04805, section 3.1, with whole words hidden and RetroMAE's rate, so that only the bottleneck differs.
#pragma once

#include <bmae/bottlenecks/cls.hpp>
#include <bmae/encoders/bert.hpp>
#include <bmae/maskers/whole_word.hpp>
#include <bmae/pretraining/masked_language_model.hpp>
#include <bmae/pretraining/pretraining.hpp>
#include <bmae/sources/passage.hpp>

namespace bmae {

/// text --mask .30--> encoder --> hidden tokens
using PlainMaskedLanguageModel = Pretraining<BertEncoder,
    Pass<View<Passage, WholeWordMasker>, ClsBottleneck,
        MaskedLanguageModel>>;

/// The number of the baseline.
struct MaskedLanguageModelNumbers {
    double encoder_mask = .30;   ///< share of tokens hidden (BERT: .15; here RetroMAE's, for comparison at equal rates)

    template <class Visit>
    void for_each_number(Visit&& visit) {
        visit("encoder_mask", encoder_mask, "share of tokens hidden from the encoder");
    }
};

template <>
struct PresetNumbers<PlainMaskedLanguageModel> {
    using type = MaskedLanguageModelNumbers;
    template <class Model = PlainMaskedLanguageModel>
    static typename Model::Options options(type const& numbers) {
        typename Model::Options options;
        std::get<0>(options.passes).view.masker.rate = numbers.encoder_mask;
        return options;
    }
};

}  // namespace bmae
