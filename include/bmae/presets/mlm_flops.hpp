// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Masked language modeling with sparse lexical vectors: what a SPLADE model is started from.
///
/// Lassance, Clinchant: An Efficiency Study for SPLADE Models, SIGIR 2022, arXiv 2207.03834 (the middle training with FLOPS on the
/// logits of the language model). Lassance, Dejean, Clinchant: An Experimental Study on Pretraining Transformers from Scratch for IR,
/// ECIR 2023, arXiv 2301.10444 (the same from random weights). No code of the pre-training was released.
///
/// Own choices, since no released command names them: single tokens masked at BERT's .15; lambda of LexMAE's fine-tuning, .002,
/// with SPLADE's quadratic rise over a third of the run. Pooling is that of `splade`: every row counts, [CLS] and [SEP] too.
#pragma once

#include <bmae/bottlenecks/lexical.hpp>
#include <bmae/encoders/bert.hpp>
#include <bmae/maskers/token.hpp>
#include <bmae/model/flops_regularizer.hpp>
#include <bmae/model/masked_language_model.hpp>
#include <bmae/model/model.hpp>
#include <bmae/sources/passage.hpp>

namespace bmae {

/// text --mask .15--> encoder --> masked tokens; head --max--> log(1 + ReLU): V weights --> FLOPS
using MlmFlops = Model<BertEncoder,
    Pass<View<Passage, TokenMasker>, LexicalBottleneck,
        MaskedLanguageModel,
        FlopsRegularizer>>;

/// The hyperparameters of MLM with FLOPS.
struct MlmFlopsHyperparameters {
    double encoder_mask = .15;
    double lambda = .002;   ///< of the FLOPS term at the end of its rise

    template <class Visit>
    void for_each_option(Visit&& visit) {
        visit("encoder_mask", encoder_mask, "share of tokens masked for the encoder");
        visit("lambda", lambda, "factor of the FLOPS term at the end of its schedule");
    }
};

template <>
struct PresetHyperparameters<MlmFlops> {
    using type = MlmFlopsHyperparameters;
    template <class M = MlmFlops>
    static typename M::Options options(type const& hyperparameters) {
        typename M::Options options;
        auto& pass = std::get<0>(options.passes);
        pass.view.masker.rate = hyperparameters.encoder_mask;
        pass.bottleneck = {.saturated = true, .first_row_counts = true};
        std::get<1>(pass.terms).weight = {
            0, {.schedule = WeightSchedule::quadratic, .last = hyperparameters.lambda, .until = 1. / 3}};
        return options;
    }
};

}  // namespace bmae
