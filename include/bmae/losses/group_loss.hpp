// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Losses over the scores of a query's own group, for cross-encoders: listwise, pair by pair, or by margins.
#pragma once

#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/sigmoid.h>
#include <ATen/ops/softplus.h>

#include <bmae/losses/info_nce.hpp>
#include <bmae/losses/r_drop.hpp>
#include <bmae/losses/retrieval_contrast.hpp>
#include <bmae/values/error.hpp>

namespace bmae {

/// What a loss over groups asks for.
enum class GroupLoss {
    softmax,     ///< the positive is chosen among its group (listwise: SimLM, MASTER)
    pointwise,   ///< each pair is relevant or not (monoBERT)
    margin,      ///< the positive scores higher than each negative by a margin
};

/// Names in command lines and checkpoints.
constexpr std::array<std::string_view, 3> names_of(GroupLoss) noexcept { return {"softmax", "pointwise", "margin"}; }
[[nodiscard]] constexpr std::string_view to_string(GroupLoss loss) noexcept {
    return names_of(loss)[static_cast<std::size_t>(loss)];
}

/// Refuses a margin that is not a finite number above 0.
inline void require_margin(double margin) {
    if (margin > 0 && std::isfinite(margin)) { return; }
    throw InputError(Diagnostic{.file = {},
                                .expected = "a finite margin above 0",
                                .found = std::to_string(margin),
                                .hint = "The usual one is 1. Without a margin equal scores would cost nothing."});
}

/// Sum over queries of the mean over the texts of their group of the binary cross-entropy
///
///     -log sigmoid(s) of the positive,  -log(1 - sigmoid(s)) of a negative
///
/// (Nogueira, Cho: Passage Re-ranking with BERT, arXiv 1901.04085, equation 1). As softplus, finite for any finite score.
/// \param scores  [B, G] the positive's in column 0
/// \returns       [] fp32
inline at::Tensor pointwise_cross_entropy(at::Tensor const& scores) {
    at::Tensor const single = scores.to(at::kFloat);
    std::int64_t const group = single.size(1);
    at::Tensor const positives = at::softplus(single.narrow(1, 0, 1).neg()).sum();
    return (positives + at::softplus(single.narrow(1, 1, group - 1)).sum()) / static_cast<double>(group);
}

/// Sum over queries of the mean over the texts of their group of ( KL(p || q) + KL(q || p) ) / 2, p = sigmoid(a) and q = sigmoid(b) the
/// probabilities that two passes give a pair: R-Drop's term (arXiv 2106.14448) beside `pointwise_cross_entropy`. It is
/// (p - q) (a - b) / 2, finite for any finite score.
/// \param first,second  [B, G] scores a and b; both get gradients
/// \returns             [] fp32
/// Throws InputError unless both have one shape with G >= 2.
inline at::Tensor symmetric_pointwise_divergence(at::Tensor const& first, at::Tensor const& second) {
    detail::require_same_groups(first, second);
    at::Tensor const a = first.to(at::kFloat);
    at::Tensor const b = second.to(at::kFloat);
    return ((at::sigmoid(a) - at::sigmoid(b)) * (a - b)).sum() / static_cast<double>(2 * a.size(1));
}

/// The loss of that name, summed over queries: `softmax_contrast`, `pointwise_cross_entropy` or `pairwise_margin` of each group.
/// \param scores  [B, G] the positive's in column 0
/// \param margin  of `margin` alone
/// \returns       `correct`: queries whose positive scores highest, whatever the loss
/// Throws InputError for groups of one text.
inline ContrastiveLoss group_loss(GroupLoss loss, at::Tensor const& scores, double margin = 1) {
    at::Tensor const single = scores.to(at::kFloat);
    std::vector<std::int64_t> const targets(static_cast<std::size_t>(single.size(0)), 0);
    if (loss == GroupLoss::margin) { return pairwise_margin(single, targets, margin); }
    ContrastiveLoss result = softmax_contrast(single, targets);
    if (loss == GroupLoss::pointwise) { result.sum = pointwise_cross_entropy(single); }
    return result;
}

/// Refuses the loss `margin` for R-Drop.
inline void require_distribution(GroupLoss loss) {
    if (loss != GroupLoss::margin) { return; }
    throw InputError(Diagnostic{.file = {},
                                .expected = "the loss softmax or pointwise with R-Drop, whose term compares distributions",
                                .found = std::string(to_string(loss)),
                                .hint = "Scores trained by a margin are no distribution: use the preset reranker."});
}

/// ( KL(p || q) + KL(q || p) ) / 2 of what two passes say under the loss of that name, summed over queries: the distribution over the
/// group for `softmax`, that of each pair for `pointwise`.
/// Throws InputError for `margin`.
inline at::Tensor group_divergence(GroupLoss loss, at::Tensor const& first, at::Tensor const& second) {
    require_distribution(loss);
    return loss == GroupLoss::softmax ? symmetric_divergence(first, second) : symmetric_pointwise_divergence(first, second);
}

}  // namespace bmae
