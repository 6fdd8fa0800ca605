// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// DupMAE's fine-tuning: a dense vector and lexical weights of one encoder, whose products are summed.
///
/// Xiao, Liu: DupMAE, arXiv 2211.08769: [CLS] is reduced to 384 dimensions, beside it stand the highest word weights mu of a document;
/// score(q, d) = <c_q, c_d> + sum over the kept words of d of mu_q mu_d. Three stages: in-batch negatives, mined negatives, distillation.
///
/// From the paper alone: none of its fine-tuning code was released. How many words are kept is a choice made here: with 384 a text has
/// as many numbers as a hidden state of BERT-base.
#pragma once

#include <cstddef>
#include <cstdint>
#include <tuple>

#include <bmae/bottlenecks/dual.hpp>
#include <bmae/encoders/bert.hpp>
#include <bmae/model/contrast.hpp>
#include <bmae/model/model.hpp>
#include <bmae/sources/candidates.hpp>
#include <bmae/sources/query.hpp>

namespace bmae {

/// [reduced [CLS] ; word weights] of the query; dot product with those of passages, of which the highest word weights are kept
using DupMaeRetriever = Model<BertEncoder,
    Pass<View<Query>, DualBottleneck>,
    Pass<View<Candidates>, DualBottleneck>,
    Contrast>;

/// The hyperparameters.
struct DupMaeRetrieverHyperparameters {
    std::size_t passages = 8;
    std::size_t query_length = 32;
    std::size_t passage_length = 140;
    std::size_t width = 384;   ///< dimensions of the reduced [CLS]
    std::size_t terms = 384;   ///< word weights of a passage that are kept; of queries all are
    double temperature = 1;
    NegativeChoice sampling = NegativeChoice::random;

    template <class Visit>
    void for_each_option(Visit&& visit) {
        visit("passages", passages, "passages per query: one positive and negatives");
        visit("query_length", query_length, "tokens of a query, [CLS] and [SEP] included");
        visit("passage_length", passage_length, "tokens of a passage, [CLS] and [SEP] included");
        visit("width", width, "dimensions of the reduced [CLS]");
        visit("terms", terms, "the N highest word weights of a passage are kept");
        visit("temperature", temperature, "divides the scores");
        visit("sampling", sampling, "which negatives an epoch reads");
    }
};

template <>
struct PresetHyperparameters<DupMaeRetriever> {
    using type = DupMaeRetrieverHyperparameters;
    template <class M = DupMaeRetriever>
    static typename M::Options options(type const& hyperparameters) {
        typename M::Options options;
        auto& query = std::get<0>(options.passes);
        auto& text = std::get<1>(options.passes);
        query.view.source.max_length = hyperparameters.query_length;
        text.view.source = {.group = {.passages = hyperparameters.passages, .sampling = hyperparameters.sampling},
                            .max_length = hyperparameters.passage_length};
        for (auto* const pass : {&query.bottleneck, &text.bottleneck}) {
            std::get<0>(pass->parts).width = static_cast<std::int64_t>(hyperparameters.width);
        }
        std::get<1>(text.bottleneck.parts).terms = hyperparameters.terms;
        std::get<0>(options.terms).temperature = hyperparameters.temperature;
        return options;
    }
};

}  // namespace bmae
