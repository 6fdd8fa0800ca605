// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Normalization of rows to length 1.
#pragma once

#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/linalg_vector_norm.h>

namespace bmae {

/// Unit-length rows; a zero row stays zero.                                                              [B, D] -> [B, D]
inline at::Tensor normalize_rows(at::Tensor const& rows) {
    return rows / at::linalg_vector_norm(rows, 2, at::IntArrayRef{1}, true).clamp_min(1e-12);
}

}  // namespace bmae
