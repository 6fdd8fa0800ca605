// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// The cross-encoders of the papers' pipelines: query and passage in one text, one number, a softmax over each group.
///
/// Nogueira, Cho: Passage Re-ranking with BERT, arXiv 1901.04085; Wang et al.: SimLM, arXiv 2207.02578, section 3.3 (ELECTRA, 64
/// candidates of which 16 are kept, R-Drop); Zhou et al.: MASTER, arXiv 2212.07841 (63 negatives). Recipe: AdamW 3e-5, warm-up 1,000
/// steps, 3 epochs, 192 tokens of query and passage, of which the query has 32.
///
/// Deviations: SimLM scores 64 candidates without a gradient and trains on the 16 highest; here it trains on all of a group.
/// The pooled vector has no dropout of its own.
#pragma once

#include <cstddef>

#include <bmae/bottlenecks/scored.hpp>
#include <bmae/encoders/bert.hpp>
#include <bmae/model/group_softmax.hpp>
#include <bmae/model/model.hpp>
#include <bmae/sources/candidates.hpp>

namespace bmae {

/// [CLS] query [SEP] passage [SEP] --> encoder --[CLS]--> score; softmax over the passages of a query
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
    std::size_t passages = 16;       ///< rerank_forward_factor's rest in SimLM: one positive and 15 negatives
    std::size_t query_length = 32;   ///< tokens of the query alone
    std::size_t max_length = 192;    ///< rerank_max_length
    std::size_t separators = 1;      ///< between query and passage: 1 of BERT, 2 of RoBERTa
    bool token_types = true;         ///< as BERT and ELECTRA have them

    template <class Visit>
    void for_each_option(Visit&& visit) {
        visit("passages", passages, "passages per query: one positive and negatives");
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
                            .query_length = hyperparameters.query_length,
                            .max_length = hyperparameters.max_length,
                            .form = {.separators = hyperparameters.separators, .token_types = hyperparameters.token_types}};
    };
    apply([&](auto&... pass) { (set(pass), ...); }, options.passes);
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
