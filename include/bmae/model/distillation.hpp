// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Distillation of a retriever: its scores follow a teacher's, which the batch holds beside the texts.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/zeros.h>

#include <bmae/losses/distillation.hpp>
#include <bmae/model/contrast.hpp>
#include <bmae/model/group_scores.hpp>
#include <bmae/model/matryoshka.hpp>
#include <bmae/model/term.hpp>

namespace bmae {

/// KL( softmax(t / T) || softmax(s / tau) ) over each query's own group: SimLM, MASTER. See `kl_distillation`.
struct KlDivergence {
    static constexpr std::string_view name = "kl_divergence";
    static constexpr bool has_reduction = true;

    static at::Tensor loss(at::Tensor const& student, at::Tensor const& teacher, double temperature, double teacher_temperature,
                           DivergenceReduction reduction) {
        return kl_distillation(student.div(temperature), teacher, teacher_temperature, reduction);
    }
};

/// Squared error of the margins between the positive and each negative: see `margin_mse`. It uses no temperature.
struct MarginMse {
    static constexpr std::string_view name = "margin_mse";
    static constexpr bool has_reduction = false;   ///< the mean over negatives and queries is the mean over all margins

    static at::Tensor loss(at::Tensor const& student, at::Tensor const& teacher, double, double, DivergenceReduction) {
        return margin_mse(student, teacher);
    }
};

/// Options of a `Distillation`.
struct DistillationOptions {
    TermWeight weight = 1;                     ///< in the total
    double temperature = 1;                    ///< divides the student's scores; with cosine SimLM's .02
    double teacher_temperature = 1;            ///< divides the teacher's scores; SimLM: 1, raw logits of its reranker
    Similarity similarity = Similarity::dot;   ///< SimLM: cosine
    DivergenceReduction reduction = DivergenceReduction::batchmean;   ///< of KL divergences; RetroMAE's released code: mean
    Matryoshka matryoshka = {};                                       ///< beginnings of the vectors that are distilled, too

    template <class Visit>
    void for_each_option(Visit&& visit) {
        visit.inside("weight", weight);
        visit("temperature", temperature, "divides the scores of the student");
        visit("teacher_temperature", teacher_temperature, "divides the scores of the teacher");
        visit("similarity", similarity, "how two vectors are compared: dot, cosine or euclidean");
        visit("reduction", reduction, "divergences are divided by the queries (batchmean) or by all their scores (mean)");
        visit.inside("matryoshka", matryoshka);
    }
};

/// `Loss` between the scores of pass 0 (queries) against their groups in pass 1 and a teacher's scores of the same texts
/// (Wang et al.: SimLM, arXiv 2207.02578, equation 5; Zhou et al.: MASTER, arXiv 2212.07841, section 4.1).
///
/// A query with a text that the teacher did not score has no label, and the log counts it as absent.
template <class Loss>
class Distillation {
public:
    using Options = DistillationOptions;
    static constexpr std::string_view kind = "distillation";
    static constexpr std::size_t passes = 2;
    static constexpr bool compares_batch = false;   ///< each query is scored with its own group alone
    static constexpr bool needs_groups = true;
    static constexpr bool needs_teacher_scores = true;

    /// Throws InputError for a temperature that is not above 0, and for a reduction of a loss that has none.
    template <Encoder E>
    Distillation(Options options, E const&, std::uint64_t, std::string const&) : options_(std::move(options)) {
        require_temperature(options_.temperature);
        require_temperature(options_.teacher_temperature, "a teacher's temperature");
        if (Loss::has_reduction || options_.reduction == DivergenceReduction::batchmean) { return; }
        throw InputError(
            Diagnostic{.file = {},
                       .expected = "reduction=batchmean with " + std::string(Loss::name) + ", which is no divergence",
                       .found = std::string(to_string(options_.reduction))});
    }

    [[nodiscard]] double weight(double progress) const { return options_.weight.at(progress); }

    /// Texts of its group that a query is told apart from.
    [[nodiscard]] std::size_t negatives(std::size_t examples, std::size_t candidates) const {
        return examples == 0 ? 0 : candidates / examples - 1;
    }

    /// Query and positive of every group that the teacher scored completely.
    [[nodiscard]] PairList pairs(std::span<PackedView const* const> views) const {
        PackedView const& candidates = *views[1];
        auto const texts = static_cast<std::int64_t>(views[0]->texts());
        PairList list;
        for (std::size_t e = 0; e < candidates.examples(); ++e) {
            if (is_scored(candidates, e)) {
                list.rows.insert(list.rows.end(), {static_cast<std::int64_t>(e), texts + candidates.first_text(e)});
            }
        }
        return list;
    }

    [[nodiscard]] TermSum sum(CrossState const& state) const {
        PackedView const& candidates = *state.views[1];
        at::Tensor const anchors = detail::compared(state.sentences[0], options_.similarity);
        if (state.pairs.empty()) { return {.sum = at::zeros({}, anchors.options().requires_grad(false))}; }
        at::Tensor const texts = detail::compared(state.sentences[1], options_.similarity);
        std::int64_t const group = detail::group_size_of(candidates);
        at::Tensor const rows = detail::int64_tensor(state.pairs.side(0), anchors.device());
        at::Tensor const teacher = detail::teacher_scores(candidates, group, anchors.device()).index_select(0, rows);
        TermSum result;
        for (auto const& [width, weight] : options_.matryoshka.widths(anchors.size(1))) {
            bool const whole = width == anchors.size(1);
            auto const part = [&, width = width](at::Tensor const& vectors) {
                return whole ? vectors : detail::compared(vectors.narrow(1, 0, width), options_.similarity);
            };
            at::Tensor const student =
                detail::own_group_scores(part(anchors), part(texts), group, detail::row_score_of(options_.similarity))
                    .index_select(0, rows);
            at::Tensor const loss =
                Loss::loss(student, teacher, options_.temperature, options_.teacher_temperature, options_.reduction);
            if (whole) { result.correct = student.detach().argmax(1).eq(teacher.argmax(1)).sum().to(at::kFloat); }
            result.sum = whole ? (weight == 1 ? loss : loss * weight) : result.sum + loss * weight;   // the whole comes first
        }
        return result;
    }

    [[nodiscard]] TermDescription describe(std::string name) const {
        return {.name = std::move(name),
                .kind = std::string(kind),
                .similarity = std::string(to_string(options_.similarity)),
                .contrast = std::string(Loss::name),
                .candidates = "own_group",
                .temperature = options_.temperature,
                .weight = options_.weight.at(0)};
    }

    template <class Visit>
    void for_each_parameter(std::string const&, Visit&&) {}

private:
    static bool is_scored(PackedView const& view, std::size_t example) {
        for (std::int64_t t = view.first_text(example); t < view.first_text(example) + view.texts_of(example); ++t) {
            if (!std::isfinite(view.scores[static_cast<std::size_t>(t)])) { return false; }
        }
        return true;
    }

    Options options_;
};

}  // namespace bmae
