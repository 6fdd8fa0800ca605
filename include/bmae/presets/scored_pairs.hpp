// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Encoders of pairs with a score that says how similar both texts are.
///
/// Reimers, Gurevych: Sentence-BERT, arXiv 1908.10084, section 3 (regression: the cosine is the score); Su: CoSENT,
/// kexue.fm/archives/8847 (the order of cosines is that of the scores); Li, Li: AnglE, arXiv 2309.12871 (the same of angles). Recipe of
/// Sentence-BERT on STS-B: AdamW 2e-5, batch 16, 4 epochs, 10 % warm-up, mean pooling.
///
/// Deviation: AnglE's paper adds a cosine and an in-batch term to the one of angles; here, as in Sentence Transformers, it is alone.
#pragma once

#include <cstddef>

#include <bmae/bottlenecks/cls.hpp>
#include <bmae/encoders/bert.hpp>
#include <bmae/model/model.hpp>
#include <bmae/model/pair_similarity.hpp>
#include <bmae/sources/candidates.hpp>
#include <bmae/sources/query.hpp>

namespace bmae {

/// first text --> encoder --[CLS]--> how similar: as the labels of the pairs say <--[CLS]-- encoder <-- second text
using ScoredPairs = Model<BertEncoder,
    Pass<View<Query>, ClsBottleneck>,
    Pass<View<Candidates>, ClsBottleneck>,
    PairSimilarity>;

/// The hyperparameters of `ScoredPairs`.
struct ScoredPairsHyperparameters {
    std::size_t query_length = 128;     ///< tokens of a first text
    std::size_t passage_length = 128;   ///< tokens of a second text
    PairLoss loss = PairLoss::cosent;
    double scale = 20;
    double label_scale = 1;
    std::size_t matryoshka = 0;

    template <class Visit>
    void for_each_option(Visit&& visit) {
        visit("query_length", query_length, "tokens of a first text, [CLS] and [SEP] included");
        visit("passage_length", passage_length, "tokens of a second text, [CLS] and [SEP] included");
        visit("loss", loss, "cosent, angle: similarities are in the order of the labels; cosine: they are the labels");
        visit("scale", scale, "multiplies the similarities of cosent and angle");
        visit("label_scale", label_scale, "divides the labels of cosine");
        visit("matryoshka", matryoshka, "beginnings of the vectors that are trained, too: the halves, quarters, ...");
    }
};

template <>
struct PresetHyperparameters<ScoredPairs> {
    using type = ScoredPairsHyperparameters;
    template <class M = ScoredPairs>
    static typename M::Options options(type const& hyperparameters) {
        typename M::Options options;
        std::get<0>(options.passes).view.source.max_length = hyperparameters.query_length;
        std::get<1>(options.passes).view.source = {.group = {.passages = 1}, .max_length = hyperparameters.passage_length};
        std::get<0>(options.terms) = {.loss = hyperparameters.loss,
                                      .scale = hyperparameters.scale,
                                      .label_scale = hyperparameters.label_scale,
                                      .matryoshka = Matryoshka::halves(hyperparameters.matryoshka)};
        return options;
    }
};

}  // namespace bmae
