// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// The term of scored pairs: how similar two texts are.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <ATen/core/Tensor.h>
#include <ATen/ops/zeros.h>

#include <bmae/batch/contrast_pairs.hpp>
#include <bmae/batch/to_tensors.hpp>
#include <bmae/losses/pair_similarity.hpp>
#include <bmae/model/contrast.hpp>
#include <bmae/model/matryoshka.hpp>
#include <bmae/model/term.hpp>
#include <bmae/values/error.hpp>

namespace bmae {

/// Options of a `PairSimilarity`.
struct PairSimilarityOptions {
    TermWeight weight = 1;   ///< in the total
    PairLoss loss = PairLoss::cosent;
    Similarity similarity = Similarity::cosine;   ///< how two vectors are compared; angle: as it says
    double scale = 20;            ///< multiplies similarities (cosent, angle): 20 as Sentence Transformers, a temperature of .05
    double label_scale = 1;       ///< divides labels (cosine): 5 for STS's 0 to 5
    Matryoshka matryoshka = {};   ///< beginnings of the vectors that are trained, too

    template <class Visit>
    void for_each_option(Visit&& visit) {
        visit.inside("weight", weight);
        visit("loss", loss, "cosent, angle: similarities are in the order of the labels; cosine: they are the labels");
        visit("similarity", similarity, "how two vectors are compared, but for angle: dot, cosine or euclidean");
        visit("scale", scale, "multiplies the similarities of cosent and angle");
        visit("label_scale", label_scale, "divides the labels of cosine");
        visit.inside("matryoshka", matryoshka);
    }
};

/// The loss between the vectors of pass 0 and those of pass 1, pair by pair, and the labels of the pairs, which the store holds as the
/// scores of the second texts. The mean over pairs for `cosine`, one number of the batch for the others.
///
/// Absent texts, and pairs without a label, have none in the log; and with `cosent` and `angle`, so have all pairs of a batch whose labels
/// are equal: it has no order.
class PairSimilarity {
public:
    using Options = PairSimilarityOptions;
    static constexpr std::string_view kind = "pair_similarity";
    static constexpr std::size_t passes = 2;
    static constexpr bool needs_similarities = true;   ///< of a store of scored pairs

    /// Throws InputError for a scale that is not above 0, for angles of what is no cosine, and for distances that shall equal labels.
    template <Encoder E>
    PairSimilarity(Options options, E const&, std::uint64_t, std::string const&) : options_(std::move(options)) {
        for (auto const& [name, value] : {std::pair{"scale", options_.scale}, {"label_scale", options_.label_scale}}) {
            if (value > 0 && std::isfinite(value)) { continue; }
            throw InputError(
                Diagnostic{.file = {}, .expected = std::string("a finite ") + name + " above 0", .found = std::to_string(value)});
        }
        if (options_.loss == PairLoss::angle && options_.similarity != Similarity::cosine) {
            throw InputError(Diagnostic{.file = {},
                                        .expected = "similarity=cosine with the loss angle",
                                        .found = std::string(to_string(options_.similarity))});
        }
        if (options_.loss == PairLoss::cosine && options_.similarity == Similarity::euclidean) {
            throw InputError(Diagnostic{.file = {},
                                        .expected = "similarity=cosine or dot with the loss cosine, which labels can equal",
                                        .found = "euclidean, which is never above 0",
                                        .hint = "The loss cosent asks for the order of the labels alone."});
        }
    }

    [[nodiscard]] double weight(double progress) const { return options_.weight.at(progress); }

    /// Throws InputError for a label outside -1 ... 1 where cosines shall equal the labels, and for groups of several texts.
    [[nodiscard]] PairList pairs(std::span<PackedView const* const> views) const {
        PairList list;
        PairList const present = present_pairs(views);
        double least = std::numeric_limits<double>::infinity();
        double most = -least;
        if (views[1]->texts() != views[0]->texts()) {
            throw InputError(
                Diagnostic{.file = {},
                           .expected = "one text for each first text of scored pairs: passages=1",
                           .found = std::to_string(views[1]->texts()) + " for " + std::to_string(views[0]->texts())});
        }
        for (std::size_t i = 0; i < present.rows.size(); i += 2) {
            double const label = label_of(views, present.rows[i + 1]);
            if (!std::isfinite(label)) { continue; }
            require_cosine(label);
            list.rows.insert(list.rows.end(), {present.rows[i], present.rows[i + 1]});
            least = std::min(least, label);
            most = std::max(most, label);
        }
        if (options_.loss != PairLoss::cosine && !(least < most)) { return {}; }
        return list;
    }

    [[nodiscard]] TermSum sum(CrossState const& state) const {
        at::Tensor const& firsts = state.sentences[0];
        if (state.pairs.empty()) { return {.sum = at::zeros({}, firsts.options().dtype(at::kFloat).requires_grad(false))}; }
        std::vector<float> labels;
        for (std::size_t i = 1; i < state.pairs.rows.size(); i += 2) {
            labels.push_back(static_cast<float>(label_of(state.views, state.pairs.rows[i])));
        }
        auto const texts = static_cast<std::int64_t>(state.views[0]->texts());
        at::Tensor const first = firsts.index_select(0, detail::int64_tensor(state.pairs.side(0), firsts.device()));
        at::Tensor const second =
            state.sentences[1].index_select(0, detail::int64_tensor(state.pairs.side(1, texts), firsts.device()));
        at::Tensor const wanted = detail::sent<float>(labels, firsts.device());
        TermSum result;
        for (auto const& [width, weight] : options_.matryoshka.widths(first.size(1))) {
            at::Tensor const loss = pair_similarity_loss(
                options_.loss, similarities(first.narrow(1, 0, width), second.narrow(1, 0, width)), wanted, options_.scale);
            result.sum = result.sum.defined() ? result.sum + loss * weight : loss * weight;
        }
        return result;
    }

    [[nodiscard]] TermDescription describe(std::string name) const {
        return {.name = std::move(name),
                .kind = std::string(kind),
                .similarity = options_.loss == PairLoss::angle ? "angle" : std::string(to_string(options_.similarity)),
                .contrast = std::string(to_string(options_.loss)),
                .weight = options_.weight.at(0)};
    }

    template <class Visit>
    void for_each_parameter(std::string const&, Visit&&) {}

private:
    /// \param row  of a text of pass 1, counted over both passes
    [[nodiscard]] double label_of(std::span<PackedView const* const> views, std::int64_t row) const {
        auto const text = static_cast<std::size_t>(row) - views[0]->texts();
        if (text >= views[1]->scores.size()) { return std::numeric_limits<double>::quiet_NaN(); }
        double const label = static_cast<double>(views[1]->scores[text]);
        return options_.loss == PairLoss::cosine ? label / options_.label_scale : label;
    }

    [[nodiscard]] at::Tensor similarities(at::Tensor const& first, at::Tensor const& second) const {   // [P]
        if (options_.loss == PairLoss::angle) { return pair_angles(first, second); }
        if (options_.similarity == Similarity::euclidean) { return pair_distances(first, second); }
        return options_.similarity == Similarity::cosine ? pair_cosines(first, second) : pair_dots(first, second);
    }

    void require_cosine(double label) const {
        bool const bounded = options_.loss == PairLoss::cosine && options_.similarity == Similarity::cosine;
        if (!bounded || std::abs(label) <= 1) { return; }
        throw InputError(Diagnostic{.file = {},
                                    .expected = "labels from -1 to 1 behind the division by label_scale, which cosines can equal",
                                    .found = std::to_string(label),
                                    .hint = "STS scores run from 0 to 5: --set label_scale=5."});
    }

    Options options_;
};

}  // namespace bmae
