// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// ColBERT: every token has a low-dimensional vector; each query token is matched with its most similar token of a text.
///
/// Khattab, Zaharia: ColBERT, SIGIR 2020, arXiv 2004.12832; Santhanam et al.: ColBERTv2, arXiv 2112.01488 (in-batch negatives). Released
/// code: stanford-futuredata/ColBERT. Recipe: AdamW 3e-6 (v1), 1e-5 (v2), 32 triples (v1), queries of 32 tokens, documents of 180 (v1)
/// or 220 (v2).
///
/// Deviations: queries are not padded by [MASK], no marker token [Q] or [D] is added, and punctuation of documents is not left
/// out; all tokens of a text are scored, [CLS] and [SEP] too.
#pragma once

#include <cstddef>
#include <cstdint>

#include <bmae/bottlenecks/token_vectors.hpp>
#include <bmae/encoders/bert.hpp>
#include <bmae/model/max_sim_contrast.hpp>
#include <bmae/model/model.hpp>
#include <bmae/sources/candidates.hpp>
#include <bmae/sources/query.hpp>

namespace bmae {

/// query --> encoder --128 columns a token--> sum of maxima, softmax over the texts of the batch <-- encoder <-- texts
using ColBert = Model<BertEncoder,
    Pass<View<Query>, TokenVectors>,
    Pass<View<Candidates>, TokenVectors>,
    MaxSimContrast>;

/// The hyperparameters, by the names of the released code.
struct ColBertHyperparameters {
    std::size_t passages = 2;   ///< nway: one positive and one negative
    std::size_t query_maxlen = 32;
    std::size_t doc_maxlen = 180;
    std::int64_t dim = 128;   ///< columns of a token's vector
    double temperature = 1;

    template <class Visit>
    void for_each_option(Visit&& visit) {
        visit("passages", passages, "passages per query: one positive and negatives");
        visit("query_maxlen", query_maxlen, "tokens of a query, [CLS] and [SEP] included");
        visit("doc_maxlen", doc_maxlen, "tokens of a text, [CLS] and [SEP] included");
        visit("dim", dim, "columns of a token's vector");
        visit("temperature", temperature, "divides the scores");
    }
};

template <>
struct PresetHyperparameters<ColBert> {
    using type = ColBertHyperparameters;
    template <class M = ColBert>
    static typename M::Options options(type const& hyperparameters) {
        typename M::Options options;
        auto& query = std::get<0>(options.passes);
        auto& text = std::get<1>(options.passes);
        query.view.source.max_length = hyperparameters.query_maxlen;
        text.view.source = {.group = {.passages = hyperparameters.passages}, .max_length = hyperparameters.doc_maxlen};
        query.bottleneck.width = text.bottleneck.width = hyperparameters.dim;
        std::get<0>(options.terms).temperature = hyperparameters.temperature;
        return options;
    }
};

}  // namespace bmae
