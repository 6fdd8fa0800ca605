// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// The bottlenecks that a trained encoder may be saved with, by name at run time.
#pragma once

#include <string_view>

#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/linalg_vector_norm.h>

#include <bmae/bottlenecks/cls.hpp>
#include <bmae/bottlenecks/mean.hpp>

namespace bmae {

/// How hidden states become one vector at run time.
enum class Pooling { cls, mean };

[[nodiscard]] constexpr std::string_view to_string(Pooling pooling) noexcept {
    return pooling == Pooling::cls ? ClsBottleneck::name : MeanBottleneck::name;
}

/// One vector per text by the named pooling.                                                                       [B, H]
inline at::Tensor pool(Pooling pooling, Encoded const& encoded, PackedInput const& input) {
    return pooling == Pooling::cls ? ClsBottleneck{}.pool(encoded, input) : MeanBottleneck{}.pool(encoded, input);
}

/// Rows of length 1; a zero row stays zero.                                                              [B, D] -> [B, D]
inline at::Tensor normalize_rows(at::Tensor const& rows) {
    return rows / at::linalg_vector_norm(rows, 2, at::IntArrayRef{1}, true).clamp_min(1e-12);
}

}  // namespace bmae
