// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Losses for pairs of texts with a score that says how similar they are.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>

#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/abs.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/logsumexp.h>
#include <ATen/ops/zeros.h>

#include <bmae/bottlenecks/normalize.hpp>
#include <bmae/losses/row_scores.hpp>
#include <bmae/values/error.hpp>

namespace bmae {

/// What a loss over scored pairs asks for.
enum class PairLoss {
    cosent,   ///< cosines are in the order of the scores
    cosine,   ///< cosines are the scores: squared error
    angle,    ///< differences of angle in complex space are in the order of the scores
};

/// Names in command lines and checkpoints.
constexpr std::array<std::string_view, 3> names_of(PairLoss) noexcept { return {"cosent", "cosine", "angle"}; }
[[nodiscard]] constexpr std::string_view to_string(PairLoss loss) noexcept {
    return names_of(loss)[static_cast<std::size_t>(loss)];
}

namespace detail {

inline void require_pairs_of_rows(at::Tensor const& first, at::Tensor const& second) {
    if (first.dim() == 2 && first.sizes() == second.sizes()) { return; }
    throw InputError(Diagnostic{.file = {},
                                .expected = "as many first as second vectors, of one width",
                                .found = std::to_string(first.numel()) + " and " + std::to_string(second.numel()) + " numbers"});
}

}  // namespace detail

/// Dot product of each pair of rows.                                                              [P, D], [P, D] -> [P] fp32
inline at::Tensor pair_dots(at::Tensor const& first, at::Tensor const& second) {
    detail::require_pairs_of_rows(first, second);
    return paired_scores(first, second, RowScore::product);
}

/// Negative Euclidean distance of each pair of rows; equal rows have no gradient.                 [P, D], [P, D] -> [P] fp32
inline at::Tensor pair_distances(at::Tensor const& first, at::Tensor const& second) {
    detail::require_pairs_of_rows(first, second);
    return paired_scores(first, second, RowScore::distance);
}

/// Cosine of each pair of rows.                                                                   [P, D], [P, D] -> [P] fp32
inline at::Tensor pair_cosines(at::Tensor const& first, at::Tensor const& second) {
    return pair_dots(normalize_rows(first.to(at::kFloat)), normalize_rows(second.to(at::kFloat)));
}

/// |sum of real and imaginary parts of z / w| for each pair of rows z and w, scaled to length 1, where the first half of a row is its real
/// part and the second half its imaginary one (Li, Li: AnglE, arXiv 2309.12871, equations 4 to 7; as Sentence Transformers'
/// pairwise_angle_sim).                                                                            [P, D], [P, D] -> [P] fp32
/// Throws InputError for an odd width.
inline at::Tensor pair_angles(at::Tensor const& first, at::Tensor const& second) {
    detail::require_pairs_of_rows(first, second);
    std::int64_t const half = first.size(1) / 2;
    if (half * 2 != first.size(1)) {
        throw InputError(Diagnostic{.file = {},
                                    .expected = "vectors of an even width, whose halves are real and imaginary parts",
                                    .found = std::to_string(first.size(1)),
                                    .hint = "Use the loss cosent, which takes any width."});
    }
    at::Tensor const z = normalize_rows(first.to(at::kFloat));
    at::Tensor const w = normalize_rows(second.to(at::kFloat));
    at::Tensor const a = z.narrow(1, 0, half);
    at::Tensor const b = z.narrow(1, half, half);
    at::Tensor const c = w.narrow(1, 0, half);
    at::Tensor const d = w.narrow(1, half, half);
    return at::abs((a * c + b * d + b * c - a * d).sum(1));   // z / w = (a c + b d) + i (b c - a d) where |z| = |w| = 1
}

/// Sum over pairs of (s - label)^2: with cosines Sentence Transformers' CosineSimilarityLoss is its mean.
/// \param similarities,labels  [P]
/// \returns                    [] fp32
inline at::Tensor similarity_error(at::Tensor const& similarities, at::Tensor const& labels) {
    return (similarities - labels.to(at::kFloat)).square().sum();
}

/// log( 1 + sum over pairs i, j with label_i < label_j of exp(scale (s_i - s_j)) ): CoSENT (Su, kexue.fm/archives/8847), with the
/// similarities of AnglE that paper's L_angle. One number for all pairs, not a sum over them. 0 where all labels are equal.
/// \param similarities  [P] s
/// \param labels        [P] in any unit
/// \returns             [] fp32
inline at::Tensor ranking_loss(at::Tensor const& similarities, at::Tensor const& labels, double scale) {
    at::Tensor const scaled = similarities.to(at::kFloat) * scale;
    at::Tensor const gaps = scaled.unsqueeze(1) - scaled.unsqueeze(0);   // [P, P] s_i - s_j
    at::Tensor const unordered = labels.unsqueeze(1).ge(labels.unsqueeze(0));
    at::Tensor const wrong = gaps.masked_fill(unordered, -std::numeric_limits<double>::infinity()).flatten();
    return at::logsumexp(at::cat({at::zeros({1}, gaps.options().requires_grad(false)), wrong}), {0});
}

/// The loss of that name over the pairs: for `cosine` a sum over pairs, for the others one number times their count, so that both are
/// divided by the number of pairs.
/// \param similarities  [P] as the loss compares: `pair_angles` for angle, else `pair_cosines`, `pair_dots` or `pair_distances`
/// \param labels        [P]
/// \returns             [] fp32
inline at::Tensor pair_similarity_loss(PairLoss loss, at::Tensor const& similarities, at::Tensor const& labels, double scale) {
    if (loss == PairLoss::cosine) { return similarity_error(similarities, labels); }
    return ranking_loss(similarities, labels, scale) * static_cast<double>(labels.size(0));
}

}  // namespace bmae
