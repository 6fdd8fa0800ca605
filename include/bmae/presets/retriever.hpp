// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// The bi-encoders of the papers' fine-tuning: one vector per query and passage, a contrast, optionally a teacher.
///
/// Karpukhin et al.: Dense Passage Retrieval, arXiv 2004.04906 (in-batch negatives); RetroMAE, arXiv 2205.12035, section 4.1 (dot
/// products of [CLS], temperature 1, queries of 32 tokens, passages of 140); Wang et al.: SimLM, arXiv 2207.02578, sections 3.3 and
/// 4.1 (distillation: KL + .2 contrast over 24 passages, cosine / .02, four blocks); Zhou et al.: MASTER, arXiv 2212.07841, section
/// 4.2. Recipes: AdamW 2e-5, warm-up 1,000 steps, linear decay; 3 epochs, 6 with a teacher.
///
/// Hofstaetter et al.: Improving Efficient Neural Ranking Models with Cross-Architecture Knowledge Distillation, arXiv 2010.02666
/// (margin-MSE). What other papers set differently: presets/retriever_recipes.hpp. `TwoEncoders<Retriever>` and the like have an encoder
/// of queries and one of passages.
///
/// Deviations: SimLM takes a slice of the negatives per epoch; here negatives are drawn in each epoch unless `sampling` says modulo. A
/// text that is known to be relevant to a query is never its negative (`mask_false_negatives`), in released code it may be.
#pragma once

#include <cstddef>

#include <bmae/bottlenecks/cls.hpp>
#include <bmae/detail/bind_model.hpp>
#include <bmae/encoders/bert.hpp>
#include <bmae/model/contrast.hpp>
#include <bmae/model/distillation.hpp>
#include <bmae/model/model.hpp>
#include <bmae/model/two_encoders.hpp>
#include <bmae/sources/candidates.hpp>
#include <bmae/sources/query.hpp>

namespace bmae {

/// query --> encoder --[CLS]--> dot product, softmax over the texts of the batch <--[CLS]-- encoder <-- positive, negatives
using Retriever = Model<BertEncoder,
    Pass<View<Query>, ClsBottleneck>,
    Pass<View<Candidates>, ClsBottleneck>,
    Contrast>;

/// The same with distillation: KL divergence from the softmax of a cross-encoder's scores over a query's own texts.
using RetrieverDistilled = Model<BertEncoder,
    Pass<View<Query>, ClsBottleneck>,
    Pass<View<Candidates>, ClsBottleneck>,
    Contrast,
    Distillation<KlDivergence>>;

/// The same by margins alone: those between the positive and each of a query's own negatives are the teacher's.
using RetrieverMarginMse = Model<BertEncoder,
    Pass<View<Query>, ClsBottleneck>,
    Pass<View<Candidates>, ClsBottleneck>,
    Distillation<MarginMse>>;

/// The hyperparameters of the first two.
struct RetrieverHyperparameters {
    std::size_t passages = 8;           ///< train_group_size: one positive and its negatives
    std::size_t query_length = 32;      ///< q_max_len
    std::size_t passage_length = 140;   ///< p_max_len
    double temperature = 1;
    Similarity similarity = Similarity::dot;
    RetrievalContrast contrast = RetrievalContrast::info_nce;
    CandidateScope candidates = CandidateScope::other_passes;
    std::size_t depth = 0;   ///< negatives are chosen from the first of the list; 0: from all
    NegativeChoice sampling = NegativeChoice::random;
    std::size_t matryoshka = 0;

    template <class Visit>
    void for_each_option(Visit&& visit) {
        visit("passages", passages, "passages per query: one positive and negatives");
        visit("query_length", query_length, "tokens of a query, [CLS] and [SEP] included");
        visit("passage_length", passage_length, "tokens of a passage, [CLS] and [SEP] included");
        visit("temperature", temperature, "divides the scores");
        visit("similarity", similarity, "how two vectors are compared: dot, cosine or euclidean");
        visit("contrast", contrast, "plain InfoNCE, both directions, SimLM's four blocks, or a margin between pairs");
        visit("candidates", candidates, "what a query is compared with");
        visit("depth", depth, "negatives are chosen from the first N of the list; 0: from all");
        visit("sampling", sampling, "which negatives an epoch reads");
        visit("matryoshka", matryoshka, "beginnings of the vectors that are trained, too: the halves, quarters, ...");
    }
};

/// Those of margin-MSE: triples of a query and two passages, and no temperature.
struct RetrieverMarginMseHyperparameters {
    std::size_t passages = 2;
    std::size_t query_length = 30;
    std::size_t passage_length = 200;
    Similarity similarity = Similarity::dot;
    std::size_t depth = 0;
    NegativeChoice sampling = NegativeChoice::random;
    std::size_t matryoshka = 0;

    template <class Visit>
    void for_each_option(Visit&& visit) {
        visit("passages", passages, "passages per query: one positive and negatives");
        visit("query_length", query_length, "tokens of a query, [CLS] and [SEP] included");
        visit("passage_length", passage_length, "tokens of a passage, [CLS] and [SEP] included");
        visit("similarity", similarity, "how two vectors are compared: dot, cosine or euclidean");
        visit("depth", depth, "negatives are chosen from the first N of the list; 0: from all");
        visit("sampling", sampling, "which negatives an epoch reads");
        visit("matryoshka", matryoshka, "beginnings of the vectors that are trained, too: the halves, quarters, ...");
    }
};

/// Those of SimLM's last stage.
struct RetrieverDistilledHyperparameters : RetrieverHyperparameters {
    double contrast_weight = .2;   ///< kd_cont_loss_weight
    double kl_weight = 1;
    DivergenceReduction kl_reduction = DivergenceReduction::batchmean;   ///< RetroMAE's released code: mean

    RetrieverDistilledHyperparameters()
        : RetrieverHyperparameters{.passages = 24,
                                   .passage_length = 144,
                                   .temperature = .02,
                                   .similarity = Similarity::cosine,
                                   .contrast = RetrievalContrast::four_block} {}

    template <class Visit>
    void for_each_option(Visit&& visit) {
        RetrieverHyperparameters::for_each_option(visit);
        visit("contrast_weight", contrast_weight, "factor of the contrast beside the distillation");
        visit("kl_weight", kl_weight, "factor of the distillation");
        visit("kl_reduction", kl_reduction, "divergences are divided by the queries (batchmean) or by all their scores (mean)");
    }
};

namespace detail {

template <class M>
typename M::Options retriever_options(RetrieverHyperparameters const& hyperparameters, double contrast_weight) {
    typename M::Options options;
    std::get<0>(options.passes).view.source.max_length = hyperparameters.query_length;
    std::get<1>(options.passes).view.source = {
        .group = {.passages = hyperparameters.passages, .depth = hyperparameters.depth, .sampling = hyperparameters.sampling},
        .max_length = hyperparameters.passage_length};
    auto& contrast = std::get<0>(options.terms);
    contrast.weight = contrast_weight;
    contrast.temperature = hyperparameters.temperature;
    contrast.similarity = hyperparameters.similarity;
    contrast.contrast = hyperparameters.contrast;
    contrast.candidates = hyperparameters.candidates;
    contrast.matryoshka = Matryoshka::halves(hyperparameters.matryoshka);
    return options;
}

}  // namespace detail

template <>
struct PresetHyperparameters<Retriever> {
    using type = RetrieverHyperparameters;
    template <class M = Retriever>
    static typename M::Options options(type const& hyperparameters) {
        return detail::retriever_options<M>(hyperparameters, 1);
    }
};
template <>
struct PresetHyperparameters<RetrieverDistilled> {
    using type = RetrieverDistilledHyperparameters;
    template <class M = RetrieverDistilled>
    static typename M::Options options(type const& hyperparameters) {
        typename M::Options options = detail::retriever_options<M>(hyperparameters, hyperparameters.contrast_weight);
        std::get<1>(options.terms) = {.weight = hyperparameters.kl_weight,
                                      .temperature = hyperparameters.temperature,
                                      .similarity = hyperparameters.similarity,
                                      .reduction = hyperparameters.kl_reduction,
                                      .matryoshka = Matryoshka::halves(hyperparameters.matryoshka)};
        return options;
    }
};
template <>
struct PresetHyperparameters<RetrieverMarginMse> {
    using type = RetrieverMarginMseHyperparameters;
    template <class M = RetrieverMarginMse>
    static typename M::Options options(type const& hyperparameters) {
        typename M::Options options;
        std::get<0>(options.passes).view.source.max_length = hyperparameters.query_length;
        std::get<1>(options.passes).view.source = {
            .group = {.passages = hyperparameters.passages, .depth = hyperparameters.depth, .sampling = hyperparameters.sampling},
            .max_length = hyperparameters.passage_length};
        std::get<0>(options.terms) = {.similarity = hyperparameters.similarity,
                                      .matryoshka = Matryoshka::halves(hyperparameters.matryoshka)};
        return options;
    }
};

template <>
struct PresetHyperparameters<TwoEncoders<Retriever>> : TwoEncoderHyperparameters<Retriever> {};
template <>
struct PresetHyperparameters<TwoEncoders<RetrieverDistilled>> : TwoEncoderHyperparameters<RetrieverDistilled> {};
template <>
struct PresetHyperparameters<TwoEncoders<RetrieverMarginMse>> : TwoEncoderHyperparameters<RetrieverMarginMse> {};

#if defined(BMAE_SEPARATE_COMPILATION)   // in the library `bmae::compiled`
extern BMAE_BIND_MODEL(Retriever, PairStore);
#endif

}  // namespace bmae
