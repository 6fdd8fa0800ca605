// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// R-Drop: agreement of two passes that differ by dropout alone.
#pragma once

#include <cstdint>
#include <span>

#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/log_softmax.h>

#include <bmae/losses/distillation.hpp>
#include <bmae/losses/info_nce.hpp>

namespace bmae {

/// ( KL(p || q) + KL(q || p) ) / 2 summed over rows, p and q the softmax of the two passes; both get gradients (Wu et al.:
/// R-Drop, arXiv 2106.14448).                                                                          [B, G], [B, G] -> [] fp32
/// Throws InputError unless both have one shape with G >= 2.
inline at::Tensor symmetric_divergence(at::Tensor const& first, at::Tensor const& second) {
    detail::require_same_groups(first, second);
    at::Tensor const p = at::log_softmax(first.to(at::kFloat), 1);
    at::Tensor const q = at::log_softmax(second.to(at::kFloat), 1);
    return (detail::divergence(p, q) + detail::divergence(q, p)) / 2;
}

/// Mean of the two passes' cross-entropies plus `weight` times their symmetric divergence, summed over rows: how SimLM trains its
/// reranker. Without dropout it is plain cross-entropy.
/// \param first,second  [B, G] scores of the same texts by two passes
/// \param targets       [B] column of the positive
/// \returns             `correct` is that of the first pass
inline ContrastiveLoss r_drop(at::Tensor const& first, at::Tensor const& second, std::span<std::int64_t const> targets,
                              double weight = 1) {
    ContrastiveLoss loss = softmax_contrast(first.to(at::kFloat), targets);
    at::Tensor const other = softmax_contrast(second.to(at::kFloat), targets).sum;
    loss.sum = (loss.sum + other) / 2 + symmetric_divergence(first, second) * weight;
    return loss;
}

}  // namespace bmae
