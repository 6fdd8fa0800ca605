// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// SPLADE: a text is a sparse vector of token weights, kept sparse by the FLOPS regularizer.
///
/// Formal, Piwowarski, Clinchant: SPLADE, SIGIR 2021, arXiv 2107.05720; Formal et al.: SPLADE v2, arXiv 2109.10086 (max pooling, which
/// is used here). Released code: naver/splade. Recipe: AdamW 2e-5, 150,000 steps of 124 triples, 256 tokens; lambda_q 3e-4, lambda_d 1e-4
/// after a quadratic rise over the first 50,000 steps.
///
/// All rows of a text are pooled, [CLS] and [SEP] too, as in the released code and in SentenceTransformers' SpladePooling.
///
/// Deviation: negatives are those of the batch and of a query's own list, as in later releases; the first paper has both likewise.
#pragma once

#include <cstddef>

#include <bmae/bottlenecks/lexical.hpp>
#include <bmae/encoders/bert.hpp>
#include <bmae/model/contrast.hpp>
#include <bmae/model/flops_regularizer.hpp>
#include <bmae/model/model.hpp>
#include <bmae/sources/candidates.hpp>
#include <bmae/sources/query.hpp>

namespace bmae {

/// query --> encoder --> head --max--> log(1 + ReLU): V weights; dot product with those of passages; FLOPS regularizers
using Splade = Model<BertEncoder,
    Pass<View<Query>, LexicalBottleneck,
        FlopsRegularizer>,
    Pass<View<Candidates>, LexicalBottleneck,
        FlopsRegularizer>,
    Contrast>;

/// The hyperparameters, by the names of the paper.
struct SpladeHyperparameters {
    std::size_t passages = 2;   ///< one positive and one negative
    std::size_t query_length = 256;
    std::size_t passage_length = 256;
    double lambda_q = 3e-4;   ///< of the FLOPS term of queries, at the end of its schedule
    double lambda_d = 1e-4;   ///< of the FLOPS term of passages

    template <class Visit>
    void for_each_option(Visit&& visit) {
        visit("passages", passages, "passages per query: one positive and negatives");
        visit("query_length", query_length, "tokens of a query, [CLS] and [SEP] included");
        visit("passage_length", passage_length, "tokens of a passage, [CLS] and [SEP] included");
        visit("lambda_q", lambda_q, "factor of the FLOPS term of queries at the end of its schedule");
        visit("lambda_d", lambda_d, "factor of the FLOPS term of passages at the end of its schedule");
    }
};

template <>
struct PresetHyperparameters<Splade> {
    using type = SpladeHyperparameters;
    template <class M = Splade>
    static typename M::Options options(type const& hyperparameters) {
        typename M::Options options;
        auto set = [](auto& pass, double lambda) {
            pass.bottleneck = {.saturated = true, .first_row_counts = true};
            std::get<0>(pass.terms).weight = {0, {.schedule = WeightSchedule::quadratic, .last = lambda, .until = 1. / 3}};
        };
        auto& query = std::get<0>(options.passes);
        auto& text = std::get<1>(options.passes);
        query.view.source.max_length = hyperparameters.query_length;
        text.view.source = {.group = {.passages = hyperparameters.passages}, .max_length = hyperparameters.passage_length};
        set(query, hyperparameters.lambda_q);
        set(text, hyperparameters.lambda_d);
        return options;
    }
};

}  // namespace bmae
