// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// BoW-DPR: no decoder; the sentence vector predicts the bag of words of its text.
///
/// Ma et al.: Drop your Decoder: Pre-training with Bag-of-Word Prediction for Dense Passage Retrieval, SIGIR 2024, arXiv 2401.11248.
/// Released code: ma787639046/bowdpr. Recipe: AdamW 3e-4, warm-up 4,000 steps, cosine to .1 (`--schedule-floor .1`), weight decay
/// .01, bf16; 512 tokens, 140,000 steps on Wikipedia and books, then 144 tokens, 80,000 steps on MS MARCO.
///
/// As released, ids up to 998 are excluded: in BERT's vocabulary they are [PAD], [unused], [UNK] and the like. For another
/// vocabulary set `lowest_id` to the first id of a word.
#pragma once

#include <cstdint>

#include <bmae/bottlenecks/cls.hpp>
#include <bmae/encoders/bert.hpp>
#include <bmae/maskers/whole_word.hpp>
#include <bmae/model/bag_of_words.hpp>
#include <bmae/model/masked_language_model.hpp>
#include <bmae/model/model.hpp>
#include <bmae/sources/passage.hpp>

namespace bmae {

/// text --mask .30--> encoder --[CLS]--> language-model head --> words of the text
using BowDpr = Model<BertEncoder,
    Pass<View<Passage, WholeWordMasker>, ClsBottleneck,
        MaskedLanguageModel,
        BagOfWords<ClsLogits>>>;

/// The hyperparameters, by the names of the paper and its code.
struct BowDprHyperparameters {
    double encoder_mask = .30;
    double bow_weight = 1;          ///< at the start
    double bow_final_weight = .1;   ///< at the end of a cosine schedule
    std::int64_t lowest_id = 999;   ///< smallest id in the bag

    template <class Visit>
    void for_each_option(Visit&& visit) {
        visit("encoder_mask", encoder_mask, "share of tokens masked for the encoder");
        visit("bow_weight", bow_weight, "factor of the bag of words at the start");
        visit("bow_final_weight", bow_final_weight, "factor of the bag of words at the end");
        visit("lowest_id", lowest_id, "smallest token id in the bag");
    }
};

template <>
struct PresetHyperparameters<BowDpr> {
    using type = BowDprHyperparameters;
    template <class M = BowDpr>
    static typename M::Options options(type const& hyperparameters) {
        typename M::Options options;
        auto& pass = std::get<0>(options.passes);
        pass.view.masker.rate = hyperparameters.encoder_mask;
        std::get<1>(pass.terms) = {.weight = {hyperparameters.bow_weight,
                                              {.schedule = WeightSchedule::cosine, .last = hyperparameters.bow_final_weight}},
                                   .words = BagWeights::one_over_words,
                                   .lowest_id = hyperparameters.lowest_id};
        return options;
    }
};

}  // namespace bmae
