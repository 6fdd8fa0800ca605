// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// ICT and LaPraDoR: a sentence finds the text that it was taken from.
///
/// Lee, Chang, Toutanova: Latent Retrieval for Weakly Supervised Open Domain Question Answering, ACL 2019, P19-1612. Xu et al.:
/// LaPraDoR: Unsupervised Pretrained Dense Retriever for Zero-Shot Text Retrieval, Findings of ACL 2022, arXiv 2203.06169; code
/// JetRunner/LaPraDoR (inference alone).
///
/// ICT: recipe of the paper 1e-4, batch 4,096, 100,000 steps; here one encoder reads both sides, its [CLS] is not projected.
/// LaPraDoR is a reading of the paper, for its training is not public: two encoders, mean pooling, inverse cloze pairs, vectors
/// compared by cosine. Its alternation (one tower at rest, its vectors kept as further negatives) is not part of the preset.
#pragma once

#include <cstdint>

#include <bmae/bottlenecks/cls.hpp>
#include <bmae/bottlenecks/mean.hpp>
#include <bmae/corruptors/none.hpp>
#include <bmae/encoders/bert.hpp>
#include <bmae/maskers/none.hpp>
#include <bmae/pretraining/contrast.hpp>
#include <bmae/pretraining/pretraining.hpp>
#include <bmae/sources/cloze.hpp>

namespace bmae {

/// sentence --> encoder --[CLS]--> its context among the batch's <--[CLS]-- encoder <-- the text without it
using InverseCloze = Pretraining<BertEncoder,
    Pass<View<ClozeSentence, NoMasker, NoCorruption>, ClsBottleneck>,
    Pass<View<ClozeContext, NoMasker, NoCorruption>, ClsBottleneck>,
    Contrast>;

/// The same with an encoder for either side.
using LaPraDoR = Pretraining<BertEncoder,
    Pass<View<ClozeSentence, NoMasker, NoCorruption>, MeanBottleneck>,
    SecondPass<View<ClozeContext, NoMasker, NoCorruption>, MeanBottleneck>,
    Contrast>;

/// The numbers of both.
struct InverseClozeNumbers {
    double kept = .1;                   ///< share of contexts that keep the sentence
    double temperature = 1;

    template <class Visit>
    void for_each_number(Visit&& visit) {
        visit("kept", kept, "share of contexts that keep the sentence");
        visit("temperature", temperature, "divides the scores");
    }
};

template <>
struct PresetNumbers<InverseCloze> {
    using type = InverseClozeNumbers;
    template <class Model = InverseCloze>
    static typename Model::Options options(type const& numbers) {
        typename Model::Options options{.terms = {{.temperature = numbers.temperature}}};
        std::get<1>(options.passes).view.source.kept = numbers.kept;
        return options;
    }
};
template <>
struct PresetNumbers<LaPraDoR> {
    using type = InverseClozeNumbers;
    template <class Model = LaPraDoR>
    static typename Model::Options options(type const& numbers) {
        typename Model::Options options{.terms = {{.temperature = numbers.temperature, .similarity = Similarity::cosine}}};
        std::get<1>(options.passes).view.source.kept = numbers.kept;
        return options;
    }
};

}  // namespace bmae
