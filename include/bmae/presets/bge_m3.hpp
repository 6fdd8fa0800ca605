// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// M3-Embedding: one encoder whose dense, lexical and multi-vector scores are trained together and teach each other.
///
/// Chen et al.: M3-Embedding: Multi-Linguality, Multi-Functionality, Multi-Granularity Text Embeddings Through Self-Knowledge
/// Distillation, arXiv 2402.03216, sections 3.2 and 3.3. Released code: FlagEmbedding. Recipe of its example: AdamW 1e-5, groups of 8, 512
/// tokens, temperature .02.
///
/// Deviations: a text that is known to be relevant to a query is never its negative (`mask_false_negatives`); texts are not padded, so a
/// token of a query is never matched with padding, whose products are 0 in the code; negatives of other devices and scores of another
/// teacher are not read.
#pragma once

#include <cstddef>

#include <bmae/bottlenecks/hybrid_vectors.hpp>
#include <bmae/encoders/bert.hpp>
#include <bmae/model/hybrid_contrast.hpp>
#include <bmae/model/model.hpp>
#include <bmae/sources/candidates.hpp>
#include <bmae/sources/query.hpp>

namespace bmae {

/// query --> encoder --> [CLS], a weight and a vector a token --> three scores and their sum, which is the teacher <-- encoder <-- texts
using BgeM3 = Model<BertEncoder,
    Pass<View<Query>, HybridVectors>,
    Pass<View<Candidates>, HybridVectors>,
    HybridContrast,
    SelfDistillation>;

/// The hyperparameters.
struct BgeM3Hyperparameters {
    std::size_t passages = 8;           ///< train_group_size: one positive and its negatives
    std::size_t query_length = 512;     ///< query_max_len
    std::size_t passage_length = 512;   ///< passage_max_len
    double temperature = .02;
    HybridWeights scores = HybridOptions{}.scores;
    HybridWeights losses = HybridOptions{}.losses;
    bool self_distillation = true;   ///< use_self_distill: L and L' have half of the weight each; false: L alone

    template <class Visit>
    void for_each_option(Visit&& visit) {
        visit("passages", passages, "passages per query: one positive and negatives");
        visit("query_length", query_length, "tokens of a query, [CLS] and [SEP] included");
        visit("passage_length", passage_length, "tokens of a passage, [CLS] and [SEP] included");
        visit("temperature", temperature, "divides the scores");
        visit.inside("scores", scores);
        visit.inside("losses", losses);
        visit("self_distillation", self_distillation, "the sum of the scores teaches each of them; false: contrasts alone");
    }
};

template <>
struct PresetHyperparameters<BgeM3> {
    using type = BgeM3Hyperparameters;
    template <class M = BgeM3>
    static typename M::Options options(type const& hyperparameters) {
        typename M::Options options;
        std::get<0>(options.passes).view.source.max_length = hyperparameters.query_length;
        std::get<1>(options.passes).view.source = {.group = {.passages = hyperparameters.passages},
                                                   .max_length = hyperparameters.passage_length};
        HybridOptions const both{.weight = hyperparameters.self_distillation ? .5 : 1.,
                                 .temperature = hyperparameters.temperature,
                                 .scores = hyperparameters.scores,
                                 .losses = hyperparameters.losses};
        std::get<0>(options.terms) = both;
        std::get<1>(options.terms) = both;
        if (!hyperparameters.self_distillation) { std::get<1>(options.terms).weight = 0; }
        return options;
    }
};

}  // namespace bmae
