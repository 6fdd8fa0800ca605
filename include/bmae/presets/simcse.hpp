// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// SimCSE and DiffCSE: a sentence is its own positive.
///
/// Gao, Yao, Chen: SimCSE: Simple Contrastive Learning of Sentence Embeddings, EMNLP 2021, arXiv 2104.08821; code
/// princeton-nlp/SimCSE. Chuang et al.: DiffCSE: Difference-based Contrastive Learning for Sentence Embeddings, NAACL 2022, arXiv
/// 2204.10298; code voidism/DiffCSE.
///
/// Recipes: unsupervised AdamW 3e-5, batch 64, 32 tokens, 1 epoch; supervised 5e-5, batch 512, 3 epochs; DiffCSE 7e-6, batch 64, 2
/// epochs. Supervised SimCSE keeps its projection at inference, an exported encoder here does not. DiffCSE as released
/// classifies padding too and keeps dropout in its generator; neither is done here. The generator: `--generator DIR`.
#pragma once

#include <cstdint>

#include <bmae/bottlenecks/cls.hpp>
#include <bmae/bottlenecks/projected.hpp>
#include <bmae/corruptors/generator_replacement.hpp>
#include <bmae/corruptors/none.hpp>
#include <bmae/decoders/full_depth.hpp>
#include <bmae/encoders/bert.hpp>
#include <bmae/maskers/none.hpp>
#include <bmae/maskers/token.hpp>
#include <bmae/model/contrast.hpp>
#include <bmae/model/model.hpp>
#include <bmae/model/replaced_token_detection.hpp>
#include <bmae/sources/pair.hpp>
#include <bmae/sources/passage.hpp>

namespace bmae {

/// sentence --dropout 1--> encoder --[CLS]--> dropout pair in the batch <--[CLS]-- encoder <--dropout 2-- the same sentence
using SimCseUnsupervised = Model<BertEncoder,
    Pass<View<Passage, NoMasker, NoCorruption>, ClsBottleneck>,
    Pass<View<Passage, NoMasker, NoCorruption>, ClsBottleneck>,
    ProjectedContrast>;

/// premise --> encoder --[CLS]--> its entailment, with all contradictions as negatives <--[CLS]-- encoder <-- hypotheses
using SimCseSupervised = Model<BertEncoder,
    Pass<View<Passage, NoMasker, NoCorruption>, ClsBottleneck>,
    Pass<View<PairedText, NoMasker, NoCorruption>, ClsBottleneck>,
    Pass<View<OpposedText, NoMasker, NoCorruption>, ClsBottleneck>,
    ProjectedContrast>;

/// Unsupervised SimCSE, and   sentence --replace .30--> a second network <--[CLS] at row 0--> which tokens were replaced
using DiffCse = Model<BertEncoder,
    Pass<View<Passage, NoMasker, NoCorruption>, Projected<ClsBottleneck, BatchNormProjection>,
        ReplacedTokenDetection<View<Passage, TokenMasker, GeneratorReplacement>, FullDepthDecoder>>,
    Pass<View<Passage, NoMasker, NoCorruption>, Projected<ClsBottleneck, BatchNormProjection>>,
    Contrast>;

/// The hyperparameters of SimCSE.
struct SimCseHyperparameters {
    double temperature = .05;
    double hard_negative_weight = 0;   ///< added to the score of the premise's own contradiction; supervised only

    template <class Visit>
    void for_each_option(Visit&& visit) {
        visit("temperature", temperature, "divides the cosines");
        visit("hard_negative_weight", hard_negative_weight, "added to the score of a premise's own contradiction");
    }
};

/// The hyperparameters of DiffCSE.
struct DiffCseHyperparameters {
    double temperature = .05;
    double generator_mask = .30;   ///< share of tokens masked for the generator
    double rtd_weight = .005;      ///< lambda of equation 3

    template <class Visit>
    void for_each_option(Visit&& visit) {
        visit("temperature", temperature, "divides the cosines");
        visit("generator_mask", generator_mask, "share of tokens masked for the generator");
        visit("rtd_weight", rtd_weight, "factor of replaced-token detection");
    }
};

template <>
struct PresetHyperparameters<SimCseUnsupervised> {
    using type = SimCseHyperparameters;
    template <class M = SimCseUnsupervised>
    static typename M::Options options(type const& hyperparameters) {
        return {.terms = {{.temperature = hyperparameters.temperature, .similarity = Similarity::cosine}}};
    }
};
template <>
struct PresetHyperparameters<SimCseSupervised> {
    using type = SimCseHyperparameters;
    template <class M = SimCseSupervised>
    static typename M::Options options(type const& hyperparameters) {
        return {.terms = {{.temperature = hyperparameters.temperature,
                           .similarity = Similarity::cosine,
                           .hard_negative_weight = hyperparameters.hard_negative_weight}}};
    }
};
template <>
struct PresetHyperparameters<DiffCse> {
    using type = DiffCseHyperparameters;
    template <class M = DiffCse>
    static typename M::Options options(type const& hyperparameters) {
        typename M::Options options{.terms = {{.temperature = hyperparameters.temperature, .similarity = Similarity::cosine}}};
        auto& detection = std::get<0>(std::get<0>(options.passes).terms);
        detection.weight = hyperparameters.rtd_weight;
        detection.view.masker = {.rate = hyperparameters.generator_mask, .exact = false};
        detection.view.corruptor = {.sample = false, .everywhere = true, .bert_masking = true};
        return options;
    }
};

}  // namespace bmae
