// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// ICT and LaPraDoR: a sentence retrieves the passage that it was taken from.
///
/// Lee, Chang, Toutanova: Latent Retrieval for Weakly Supervised Open Domain Question Answering, ACL 2019, P19-1612. Xu et al.:
/// LaPraDoR: Unsupervised Pretrained Dense Retriever for Zero-Shot Text Retrieval, Findings of ACL 2022, arXiv 2203.06169; code
/// JetRunner/LaPraDoR (inference alone).
///
/// ICT: recipe of the paper 1e-4, batch 4,096, 100,000 steps; here one encoder reads both sides, its [CLS] is not projected.
/// LaPraDoR follows the paper, its training is not public: two encoders, mean pooling, inverse cloze pairs, vectors
/// compared by cosine. Its iterative contrastive learning, by `alternate`: one tower is trained, the other frozen; its vectors
/// are kept as negatives; after `alternate` steps they swap, and the cache is emptied, so that its vectors are of one space.
/// It is off by default. The paper's dropout pairs are not part of it: two passes of one view make such pairs (presets/simcse.hpp).
/// Temperature 1 over cosines, which lie between -1 and 1, separates poorly: use a lower one in real runs (SimCSE: .05).
/// That the sentence's encoder is trained first, that a frozen tower has no dropout, and both defaults are our choices.
#pragma once

#include <cstdint>
#include <string>

#include <bmae/bottlenecks/cls.hpp>
#include <bmae/bottlenecks/mean.hpp>
#include <bmae/corruptors/none.hpp>
#include <bmae/encoders/bert.hpp>
#include <bmae/maskers/none.hpp>
#include <bmae/model/cached_contrast.hpp>
#include <bmae/model/contrast.hpp>
#include <bmae/model/model.hpp>
#include <bmae/sources/cloze.hpp>
#include <bmae/values/error.hpp>

namespace bmae {

/// sentence --> encoder --[CLS]--> its context among those of the batch <--[CLS]-- encoder <-- the text without it
using InverseCloze = Model<BertEncoder,
    Pass<View<ClozeSentence, NoMasker, NoCorruption>, ClsBottleneck>,
    Pass<View<ClozeContext, NoMasker, NoCorruption>, ClsBottleneck>,
    Contrast>;

/// The same with two encoders, which may be trained in alternation.
using LaPraDoR = Model<BertEncoder,
    Pass<View<ClozeSentence, NoMasker, NoCorruption>, MeanBottleneck>,
    SecondPass<View<ClozeContext, NoMasker, NoCorruption>, MeanBottleneck>,
    CachedContrast>;

/// The hyperparameters of ICT.
struct InverseClozeHyperparameters {
    double kept = .1;   ///< share of contexts that keep the sentence
    double temperature = 1;

    template <class Visit>
    void for_each_option(Visit&& visit) {
        visit("kept", kept, "share of contexts that keep the sentence");
        visit("temperature", temperature, "divides the scores");
    }
};

/// The hyperparameters of LaPraDoR.
struct LaPraDoRHyperparameters {
    double kept = .1;   ///< share of contexts that keep the sentence
    double temperature = 1;
    std::int64_t alternate = 0;   ///< optimizer steps after which the other of the encoders is trained; 0: both at once
    std::int64_t cache = 16384;   ///< vectors of the frozen encoder that are kept as negatives

    template <class Visit>
    void for_each_option(Visit&& visit) {
        visit("kept", kept, "share of contexts that keep the sentence");
        visit("temperature", temperature, "divides the scores");
        visit("alternate", alternate, "steps after which the other of the encoders is trained; 0: both at once");
        visit("cache", cache, "vectors of the frozen encoder that are kept as negatives; none where both are trained");
    }
};

template <>
struct PresetHyperparameters<InverseCloze> {
    using type = InverseClozeHyperparameters;
    template <class M = InverseCloze>
    static typename M::Options options(type const& hyperparameters) {
        typename M::Options options{.terms = {{.temperature = hyperparameters.temperature}}};
        std::get<1>(options.passes).view.source.kept = hyperparameters.kept;
        return options;
    }
};
template <>
struct PresetHyperparameters<LaPraDoR> {
    using type = LaPraDoRHyperparameters;
    /// Throws InputError for `alternate` below 0.
    template <class M = LaPraDoR>
    static typename M::Options options(type const& hyperparameters) {
        if (hyperparameters.alternate < 0) {
            throw InputError(Diagnostic{
                .file = {}, .expected = "alternate of at least 0 steps", .found = std::to_string(hyperparameters.alternate)});
        }
        typename M::Options options{.terms = {{.temperature = hyperparameters.temperature,
                                               .similarity = Similarity::cosine,
                                               .cache = hyperparameters.alternate == 0 ? 0 : hyperparameters.cache}},
                                    .alternate = static_cast<std::uint64_t>(hyperparameters.alternate)};
        std::get<1>(options.passes).view.source.kept = hyperparameters.kept;
        return options;
    }
};

}  // namespace bmae
