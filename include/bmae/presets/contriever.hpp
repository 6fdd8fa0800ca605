// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Contriever: two crops of one text, a momentum encoder and a long queue.
///
/// Izacard et al.: Unsupervised Dense Information Retrieval with Contrastive Learning, arXiv 2112.09118. Released code:
/// facebookresearch/contriever. Recipe: AdamW (.9, .98, 1e-6) 5e-5, 2,048 texts of 256 tokens, warm-up 20,000, 500,000 steps.
///
/// As released: lengths of crops are uniform in .05 to .5 of the text, each token is deleted with probability .1, vectors are means
/// and not normalized, the momentum encoder has dropout, is updated before it encodes, and its keys enter the queue after the
/// loss. A crop of no token, which released code can draw, has one here.
#pragma once

#include <cstdint>

#include <bmae/bottlenecks/mean.hpp>
#include <bmae/corruptors/deletion.hpp>
#include <bmae/encoders/bert.hpp>
#include <bmae/maskers/none.hpp>
#include <bmae/model/model.hpp>
#include <bmae/model/queue_contrast.hpp>
#include <bmae/sources/crop.hpp>

namespace bmae {

/// crop --> encoder --mean--> its key among the queue <--mean-- momentum encoder <-- another crop
using Contriever = Model<BertEncoder,
    Pass<View<RandomCrop, NoMasker, TokenDeletion>, MeanBottleneck>,
    MomentumPass<View<RandomCrop, NoMasker, TokenDeletion>, MeanBottleneck>,
    QueueContrast>;

/// The hyperparameters, by the names of the released code.
struct ContrieverHyperparameters {
    double ratio_min = .05;   ///< shortest crop
    double ratio_max = .5;    ///< longest crop
    double deletion = .1;     ///< probability with which a token is deleted
    double temperature = .05;
    double momentum = .9995;
    std::int64_t queue_size = 131072;

    template <class Visit>
    void for_each_option(Visit&& visit) {
        visit("ratio_min", ratio_min, "length of the shortest crop, as a share of the text");
        visit("ratio_max", ratio_max, "length of the longest crop, as a share of the text");
        visit("deletion", deletion, "probability with which a token is deleted");
        visit("temperature", temperature, "divides the scores");
        visit("momentum", momentum, "decay of the exponential moving average, per step");
        visit("queue_size", queue_size, "keys of earlier batches");
    }
};

template <>
struct PresetHyperparameters<Contriever> {
    using type = ContrieverHyperparameters;
    template <class M = Contriever>
    static typename M::Options options(type const& hyperparameters) {
        typename M::Options options{.terms = {{.temperature = hyperparameters.temperature, .queue = hyperparameters.queue_size}},
                                    .momentum = hyperparameters.momentum};
        auto set = [&](auto& pass) {
            pass.view.source = {.minimum_share = hyperparameters.ratio_min, .maximum_share = hyperparameters.ratio_max};
            pass.view.corruptor.rate = hyperparameters.deletion;
        };
        apply([&](auto&... pass) { (set(pass), ...); }, options.passes);
        return options;
    }
};

}  // namespace bmae
