// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Root mean square normalization.
#pragma once

#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/mean.h>
#include <ATen/ops/rsqrt.h>

namespace bmae {

/// Scales each row to a mean square of 1, then by the weight; neither centered nor shifted (Zhang, Sennrich: Root Mean Square Layer
/// Normalization, arXiv 1910.07467, equation 4). T5 normalizes so before each block.
struct RmsNorm {
    at::Tensor weight = {};   ///< [H]
    double epsilon = 1e-6;

    at::Tensor operator()(at::Tensor const& x) const {   // [.., H] -> [.., H]
        return x * at::rsqrt((x * x).mean(-1, true) + epsilon) * weight;
    }
};

}  // namespace bmae
