// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Label smoothing of a cross-entropy over the vocabulary.
#pragma once

#include <string>

#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>

#include <bmae/values/error.hpp>

namespace bmae {

/// Refuses a value outside [0, 1).
inline void require_smoothing(double smoothing) {
    if (!(smoothing >= 0 && smoothing < 1)) {
        throw InputError(Diagnostic{.file = {},
                                    .expected = "label_smoothing of at least 0 and below 1",
                                    .found = std::to_string(smoothing),
                                    .hint = "0 is plain cross-entropy; 0.1 is usual."});
    }
}

/// z_y - mean_v z_v for each row, z the logits rows W^T + b: the cross-entropy with label smoothing e (Szegedy et al.,
/// arXiv 1512.00567, section 7) is the plain one plus e times this. Linear in the rows, so no logit is computed.
/// \param rows         [M, H]
/// \param weight,bias  [V, H], [V]
/// \param labels       [M] int64
/// \returns            [M] fp32, differentiable
inline at::Tensor smoothing_excess(at::Tensor const& rows, at::Tensor const& weight, at::Tensor const& bias,
                                   at::Tensor const& labels) {
    at::Tensor const own = weight.index_select(0, labels).to(at::kFloat) - weight.to(at::kFloat).mean(0);   // [M, H]
    at::Tensor const offset = bias.index_select(0, labels).to(at::kFloat) - bias.to(at::kFloat).mean();     // [M]
    return (rows.to(at::kFloat) * own).sum(1) + offset;
}

}  // namespace bmae
