// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// The cross-encoders of the papers' pipelines: query and passage in one text, one number, a loss over each group.
///
/// Nogueira, Cho: Passage Re-ranking with BERT, arXiv 1901.04085 (loss=pointwise); Wang et al.: SimLM, arXiv 2207.02578, section 3.3
/// (ELECTRA, R-Drop, forward=64 and passages=16: 64 candidates are scored without a gradient, the positive and the 15 highest
/// negatives are trained on); Zhou et al.: MASTER, arXiv 2212.07841 (63 negatives). Recipe: AdamW 3e-5, warm-up 1,000 steps, 3 epochs,
/// 192 tokens of query and passage, of which the query has 32.
///
/// Deviations: by default all candidates are trained on (forward=0). The pooled vector has no dropout of its own.
#pragma once

#include <cstddef>

#include <bmae/bottlenecks/scored.hpp>
#include <bmae/encoders/bert.hpp>
#include <bmae/model/group_softmax.hpp>
#include <bmae/model/model.hpp>
#include <bmae/sources/candidates.hpp>

namespace bmae {

/// [CLS] query [SEP] passage [SEP] --> encoder --[CLS]--> score; softmax over the passages of a query, or another loss
using Reranker = Model<BertEncoder,
    Pass<View<QueryWithCandidate>, Scored<ClsBottleneck>>,
    GroupSoftmax>;

/// The same encoded twice under different dropout, with an agreement term (R-Drop).
using RerankerRDrop = Model<BertEncoder,
    Pass<View<QueryWithCandidate>, Scored<ClsBottleneck>>,
    Pass<View<QueryWithCandidate>, Scored<ClsBottleneck>>,
    GroupSoftmax,
    RDrop>;

/// The hyperparameters of both.
struct RerankerHyperparameters {
    std::size_t passages = 16;   ///< that are trained on: one positive and 15 negatives (SimLM: 64 / rerank_forward_factor 4)
    std::size_t forward = 0;     ///< train_n_passages of SimLM, 64: scored without a gradient; 0: none but those trained on
    GroupLoss loss = GroupLoss::softmax;
    double margin = 1;               ///< of the loss `margin`, which R-Drop does not take
    std::size_t query_length = 32;   ///< tokens of the query alone
    std::size_t max_length = 192;    ///< rerank_max_length
    std::size_t separators = 1;      ///< between query and passage: 1 of BERT, 2 of RoBERTa
    bool token_types = true;         ///< as BERT and ELECTRA have them

    template <class Visit>
    void for_each_option(Visit&& visit) {
        visit("passages", passages, "passages per query that are trained on: one positive and negatives");
        visit("forward", forward, "passages that are scored without a gradient; the highest are trained on; 0: all are");
        visit("loss", loss, "softmax over the group, pointwise: each pair is relevant or not, or a margin to each negative");
        visit("margin", margin, "of the loss margin: by how much a positive is to score higher");
        visit("query_length", query_length, "tokens of a query, specials not counted");
        visit("max_length", max_length, "tokens of query and passage, [CLS] and both [SEP] included");
        visit("separators", separators, "separators between query and passage: 1 of BERT, 2 of RoBERTa");
        visit("token_types", token_types, "query and passage have the token types 0 and 1");
    }
};

namespace detail {

template <class M>
typename M::Options reranker_options(RerankerHyperparameters const& hyperparameters) {
    typename M::Options options;
    auto set = [&](auto& pass) {
        pass.view.source = {.group = {.passages = hyperparameters.passages},
                            .forward = hyperparameters.forward,
                            .query_length = hyperparameters.query_length,
                            .max_length = hyperparameters.max_length,
                            .form = {.separators = hyperparameters.separators, .token_types = hyperparameters.token_types}};
    };
    apply([&](auto&... pass) { (set(pass), ...); }, options.passes);
    auto set_loss = [&](auto& term) {
        term.loss = hyperparameters.loss;
        if constexpr (requires { term.margin; }) { term.margin = hyperparameters.margin; }
    };
    apply([&](auto&... term) { (set_loss(term), ...); }, options.terms);
    return options;
}

}  // namespace detail

template <>
struct PresetHyperparameters<Reranker> {
    using type = RerankerHyperparameters;
    template <class M = Reranker>
    static typename M::Options options(type const& hyperparameters) {
        return detail::reranker_options<M>(hyperparameters);
    }
};
template <>
struct PresetHyperparameters<RerankerRDrop> {
    using type = RerankerHyperparameters;
    template <class M = RerankerRDrop>
    static typename M::Options options(type const& hyperparameters) {
        return detail::reranker_options<M>(hyperparameters);
    }
};

}  // namespace bmae
