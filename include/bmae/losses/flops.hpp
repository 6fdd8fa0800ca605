// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// The FLOPS regularizer, which keeps lexical vectors sparse.
#pragma once

#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/zeros.h>

namespace bmae {

/// sum_v ( 1/B sum_b |w_bv| )^2: the expected cost of a product with a random text of the batch, which favors few entries per
/// text and different ones in different texts (Paria et al., arXiv 2004.05665; Formal et al.: SPLADE, arXiv 2107.05720).
///
/// It is no sum over texts: the value of a step is not the mean of its micro-batches. LexMAE's fine-tuning weights it by .002,
/// then .008.
/// \param activations  [B, V]
/// \returns            [] fp32; 0 for no text
inline at::Tensor flops(at::Tensor const& activations) {
    if (activations.size(0) == 0) { return at::zeros({}, activations.options().dtype(at::kFloat)); }
    return activations.to(at::kFloat).abs().mean(0).square().sum();
}

}  // namespace bmae
