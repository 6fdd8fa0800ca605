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
/// Document-only (SPLADE-doc, section 3.3 of v2): a query is the set of its tokens, so that no encoder runs at search time.
///
/// Deviation: negatives are those of the batch and of a query's own list, as in later releases; the first paper has both likewise.
#pragma once

#include <cstddef>

#include <bmae/bottlenecks/lexical.hpp>
#include <bmae/bottlenecks/term_presence.hpp>
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

/// tokens of the query, each with the weight 1; dot product with the weights of passages
using SpladeDoc = Model<BertEncoder,
    Pass<View<Query>, TermPresence>,
    Pass<View<Candidates>, LexicalBottleneck,
        FlopsRegularizer>,
    Contrast>;

/// The hyperparameters of both, by the names of the paper.
struct SpladeHyperparameters {
    std::size_t passages = 2;   ///< one positive and one negative
    std::size_t query_length = 256;
    std::size_t passage_length = 256;
    double lambda_q = 3e-4;   ///< of the FLOPS term of queries, at the end of its schedule
    double lambda_d = 1e-4;   ///< of the FLOPS term of passages
    std::size_t terms = 0;    ///< the highest weights of a text that are kept (top-k masking, arXiv 2112.09628); 0: all

    template <class Visit>
    void for_each_option(Visit&& visit) {
        visit("passages", passages, "passages per query: one positive and negatives");
        visit("query_length", query_length, "tokens of a query, [CLS] and [SEP] included");
        visit("passage_length", passage_length, "tokens of a passage, [CLS] and [SEP] included");
        visit("lambda_q", lambda_q, "factor of the FLOPS term of queries at the end of its schedule");
        visit("lambda_d", lambda_d, "factor of the FLOPS term of passages at the end of its schedule");
        visit("terms", terms, "the N highest weights of a text are kept; 0: all");
    }
};

/// Those of `SpladeDoc`, whose queries have no weights to regularize.
struct SpladeDocHyperparameters {
    std::size_t passages = 2;   ///< one positive and one negative
    std::size_t query_length = 256;
    std::size_t passage_length = 256;
    double lambda_d = 1e-4;         ///< of the FLOPS term of passages, at the end of its schedule
    std::size_t terms = 0;          ///< the highest weights of a passage that are kept; 0: all
    bool learned_queries = false;   ///< the weight of a token in queries is a parameter

    template <class Visit>
    void for_each_option(Visit&& visit) {
        visit("passages", passages, "passages per query: one positive and negatives");
        visit("query_length", query_length, "tokens of a query, [CLS] and [SEP] included");
        visit("passage_length", passage_length, "tokens of a passage, [CLS] and [SEP] included");
        visit("lambda_d", lambda_d, "factor of the FLOPS term of passages at the end of its schedule");
        visit("terms", terms, "the N highest weights of a passage are kept; 0: all");
        visit("learned_queries", learned_queries, "the weight of a token in queries is a parameter, which starts at 1");
    }
};

namespace detail {

/// A pass of sparse vectors whose FLOPS term rises to `lambda`.
template <class PassOptions>
void set_splade_pass(PassOptions& pass, double lambda, std::size_t terms) {
    pass.bottleneck = {.saturated = true, .first_row_counts = true, .terms = terms};
    std::get<0>(pass.terms).weight = {0, {.schedule = WeightSchedule::quadratic, .last = lambda, .until = 1. / 3}};
}

}  // namespace detail

template <>
struct PresetHyperparameters<Splade> {
    using type = SpladeHyperparameters;
    template <class M = Splade>
    static typename M::Options options(type const& hyperparameters) {
        typename M::Options options;
        auto& query = std::get<0>(options.passes);
        auto& text = std::get<1>(options.passes);
        query.view.source.max_length = hyperparameters.query_length;
        text.view.source = {.group = {.passages = hyperparameters.passages}, .max_length = hyperparameters.passage_length};
        detail::set_splade_pass(query, hyperparameters.lambda_q, hyperparameters.terms);
        detail::set_splade_pass(text, hyperparameters.lambda_d, hyperparameters.terms);
        return options;
    }
};

template <>
struct PresetHyperparameters<SpladeDoc> {
    using type = SpladeDocHyperparameters;
    template <class M = SpladeDoc>
    static typename M::Options options(type const& hyperparameters) {
        typename M::Options options;
        auto& query = std::get<0>(options.passes);
        auto& text = std::get<1>(options.passes);
        query.view.source.max_length = hyperparameters.query_length;
        query.bottleneck.learned = hyperparameters.learned_queries;
        text.view.source = {.group = {.passages = hyperparameters.passages}, .max_length = hyperparameters.passage_length};
        detail::set_splade_pass(text, hyperparameters.lambda_d, hyperparameters.terms);
        return options;
    }
};

}  // namespace bmae
