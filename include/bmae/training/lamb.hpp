// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// LAMB: AdamW whose step of each matrix is as long as a share of that matrix.
#pragma once

#include <cmath>

#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/ones_like.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros_like.h>

#include <bmae/detail/separate.hpp>
#include <bmae/training/slot_optimizer.hpp>

namespace bmae {

/// You et al.: Large Batch Optimization for Deep Learning, arXiv 1904.00962, algorithm 2, for batches of thousands.
///
///     u = mean' / (sqrt(square') + epsilon) + weight_decay w,    w -= rate (|w| / |u|) u
///
/// with bias-corrected moments and the norm over one parameter. The ratio is 1 where a norm is 0, and, as in the authors' code for
/// BERT, for parameters without weight decay: biases and layer normalization.
class Lamb final : public SlotOptimizer {
public:
    Lamb(FlatParameters& parameters, AdamWOptions const& options);
    /// `mean.NAME` and `square.NAME` of every trained parameter, then `count`.
    void for_each_state(StateVisitor const& visit) const override;

private:
    void update(Update const& now) override;

    at::Tensor mean_, square_;   // [trained()]
};

}  // namespace bmae

#if BMAE_TORCH_DEFINITIONS

namespace bmae {

BMAE_INLINE Lamb::Lamb(FlatParameters& parameters, AdamWOptions const& options)
    : SlotOptimizer(parameters, options),
      mean_(at::zeros_like(parameters.gradient())),
      square_(at::zeros_like(parameters.gradient())) {}

BMAE_INLINE void Lamb::for_each_state(StateVisitor const& visit) const {
    for (char const* const kind : {"mean.", "square."}) {
        at::Tensor const& flat = kind[0] == 'm' ? mean_ : square_;
        for (std::size_t i = 0; i < parameters_.slots().size(); ++i) {
            ParameterSlot const& slot = parameters_.slots()[i];
            if (!slot.frozen) { visit(kind + slot.name, parameters_.view(flat, i)); }
        }
    }
    visit_counts(visit);
}

BMAE_INLINE void Lamb::update(Update const& now) {
    at::Tensor const mean = parameters_.view(mean_, now.slot);
    at::Tensor const square = parameters_.view(square_, now.slot);
    mean.mul_(options_.beta1).add_(now.gradient, 1 - options_.beta1);
    square.mul_(options_.beta2).addcmul_(now.gradient, now.gradient, 1 - options_.beta2);
    at::Tensor step = square.div(1 - std::pow(options_.beta2, now.count)).sqrt_().add_(options_.epsilon);
    step = mean.div(1 - std::pow(options_.beta1, now.count)).div_(step);
    if (parameters_.slots()[now.slot].decay) {
        step.add_(now.weight, options_.weight_decay);
        at::Tensor const weight_norm = at::linalg_vector_norm(now.weight, 2);
        at::Tensor const step_norm = at::linalg_vector_norm(step, 2);
        at::Tensor const both = weight_norm.gt(0).logical_and_(step_norm.gt(0));
        step.mul_(at::where(both, weight_norm / step_norm, at::ones_like(step_norm)));   // stays on the device
    }
    now.weight.sub_(step, now.learning_rate);
}

}  // namespace bmae

#endif   // BMAE_TORCH_DEFINITIONS
