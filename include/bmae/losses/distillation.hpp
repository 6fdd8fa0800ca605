// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Distillation losses: the scores of a student match those of a teacher, by distribution or by margins.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/log_softmax.h>

#include <bmae/losses/info_nce.hpp>
#include <bmae/values/error.hpp>

namespace bmae {

namespace detail {

inline void require_same_groups(at::Tensor const& student, at::Tensor const& teacher) {
    auto const shape = [](at::Tensor const& scores) {
        std::string text;
        for (std::int64_t const size : scores.sizes()) { text += (text.empty() ? "" : " x ") + std::to_string(size); }
        return text;
    };
    if (student.dim() == 2 && student.sizes() == teacher.sizes() && student.size(1) >= 2) { return; }
    throw InputError(Diagnostic{.file = {},
                                .expected = "scores of student and teacher for the same passages, at least two per query",
                                .found = shape(student) + " and " + shape(teacher),
                                .hint = "Distill over groups of equal size: a positive and its hard negatives."});
}

/// sum over rows and columns of p (log p - log q); a column of p = 0 adds nothing for any q.          [B, G], [B, G] -> []
inline at::Tensor divergence(at::Tensor const& log_p, at::Tensor const& log_q) {
    return (log_p.exp() * (log_p - log_q).masked_fill(log_p.detach().isneginf(), 0)).sum();
}

}  // namespace detail

/// What the divergences of B queries with G passages each are divided by; the names are those of torch's kl_div.
enum class DivergenceReduction {
    batchmean,   ///< B, the queries (SimLM, MASTER, Tevatron)
    mean,        ///< B G, all scores (RetroMAE's released fine-tuning): the same at a weight of 1 / G
};

/// Names in command lines and checkpoints.
constexpr std::array<std::string_view, 2> names_of(DivergenceReduction) noexcept { return {"batchmean", "mean"}; }
[[nodiscard]] constexpr std::string_view to_string(DivergenceReduction reduction) noexcept {
    return names_of(reduction)[static_cast<std::size_t>(reduction)];
}

/// Sum over queries of KL( softmax(t / T) || softmax(s) ) over the passages of each one's own group: the forward divergence of
/// SimLM's and MASTER's last stage. Divide by the number of queries for their mean; no factor T^2.
/// \param student    [B, G] scores s, already divided by the student's temperature
/// \param teacher    [B, G] raw scores t, no gradient; -inf where the teacher gives a passage probability 0
/// \param reduction  `mean` divides by G, so that the mean over queries is that over all scores
/// \returns          [] fp32; 0 where s = t / T up to a constant per query. NaN where a score is NaN, infinite where the student
///                   alone gives a passage -inf
/// Throws InputError unless both have one shape with G >= 2, and for a temperature that is not above 0.
inline at::Tensor kl_distillation(at::Tensor const& student, at::Tensor const& teacher, double teacher_temperature = 1,
                                  DivergenceReduction reduction = DivergenceReduction::batchmean) {
    detail::require_same_groups(student, teacher);
    require_temperature(teacher_temperature, "a teacher's temperature");
    at::Tensor const log_teacher = at::log_softmax(teacher.detach().to(at::kFloat).div(teacher_temperature), 1);
    at::Tensor const sum = detail::divergence(log_teacher, at::log_softmax(student.to(at::kFloat), 1));
    return reduction == DivergenceReduction::mean ? sum / static_cast<double>(student.size(1)) : sum;
}

/// Sum over queries of the mean over their negatives of ( (s_0 - s_j) - (t_0 - t_j) )^2: margin-MSE (Hofstaetter et al.,
/// arXiv 2010.02666).
/// \param student  [B, G] raw scores, the positive's in column 0
/// \param teacher  [B, G] raw scores, no gradient
/// Throws InputError unless both have one shape with G >= 2.
inline at::Tensor margin_mse(at::Tensor const& student, at::Tensor const& teacher) {
    detail::require_same_groups(student, teacher);
    auto const margins = [](at::Tensor const& scores) {
        return scores.narrow(1, 0, 1) - scores.narrow(1, 1, scores.size(1) - 1);
    };
    at::Tensor const error = margins(student.to(at::kFloat)) - margins(teacher.detach().to(at::kFloat));   // [B, G - 1]
    return error.square().mean(1).sum();
}

}  // namespace bmae
