// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Output projection and cross-entropy in one: never holds all logits at once.
#pragma once

#include <algorithm>
#include <cstdint>
#include <utility>

#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/addmm.h>
#include <ATen/ops/argmax.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/logsumexp.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/zeros.h>
#include <torch/csrc/autograd/custom_function.h>

namespace bmae {

/// What the loss says about each labelled row, besides its weighted sum.
struct RowLosses {
    at::Tensor total = {};     ///< [] sum over rows of weight x cross-entropy; differentiable
    at::Tensor losses = {};    ///< [M] fp32 cross-entropy of each row, detached
    at::Tensor correct = {};   ///< [M] fp32 1 where the label scores highest
};

namespace detail {

/// Rows of logits held at once: 512 rows of 30,522 fp32 logits are 62 MB.
inline constexpr std::int64_t cross_entropy_chunk = 512;

/// The gradients are computed with the loss, chunk by chunk, because each chunk's logits are gone afterwards.
struct LinearCrossEntropy : torch::autograd::Function<LinearCrossEntropy> {
    static torch::autograd::variable_list forward(torch::autograd::AutogradContext* context, at::Tensor const& rows,
                                                  at::Tensor const& weight, at::Tensor const& bias, at::Tensor const& labels,
                                                  at::Tensor const& row_weights, bool differentiate) {
        std::int64_t const count = rows.size(0);
        at::TensorOptions const single = rows.options().dtype(at::kFloat);
        at::Tensor losses = at::empty({count}, single);
        at::Tensor correct = at::empty({count}, single);
        at::Tensor rows_gradient = differentiate ? at::empty_like(rows) : at::Tensor();
        at::Tensor weight_gradient = differentiate ? at::zeros(weight.sizes(), weight.options()) : at::Tensor();
        at::Tensor bias_gradient = differentiate ? at::zeros(bias.sizes(), single) : at::Tensor();
        at::Tensor const plain_bias = bias.to(rows.scalar_type());
        for (std::int64_t begin = 0; begin < count; begin += cross_entropy_chunk) {
            std::int64_t const size = std::min(cross_entropy_chunk, count - begin);
            at::Tensor const chunk = rows.narrow(0, begin, size);                             // [c, H]
            at::Tensor const target = labels.narrow(0, begin, size).unsqueeze(1);             // [c, 1]
            at::Tensor logits = at::addmm(plain_bias, chunk, weight.t()).to(at::kFloat);      // [c, V]
            at::Tensor const normaliser = at::logsumexp(logits, {1}, true);                   // [c, 1]
            losses.narrow(0, begin, size).copy_((normaliser - logits.gather(1, target)).squeeze(1));
            correct.narrow(0, begin, size).copy_(logits.argmax(1).eq(target.squeeze(1)));
            if (differentiate) {
                at::Tensor const scale = row_weights.narrow(0, begin, size).unsqueeze(1);
                logits.sub_(normaliser).exp_().mul_(scale);                                   // d total / d logits
                logits.scatter_add_(1, target, scale.neg());
                bias_gradient.add_(logits.sum(0));
                at::Tensor const slope = logits.to(rows.scalar_type());
                rows_gradient.narrow(0, begin, size).copy_(at::mm(slope, weight));
                weight_gradient.addmm_(slope.t(), chunk);
            }
        }
        if (differentiate) { context->save_for_backward({rows_gradient, weight_gradient, bias_gradient.to(bias.scalar_type())}); }
        context->mark_non_differentiable({losses, correct});
        return {losses.mul(row_weights).sum(), losses, correct};
    }

    static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context, torch::autograd::variable_list gradients) {
        auto const saved = context->get_saved_variables();
        at::Tensor const& scale = gradients[0];
        auto scaled = [&scale](at::Tensor const& gradient) { return gradient.mul(scale.to(gradient.scalar_type())); };
        return {scaled(saved[0]), scaled(saved[1]), scaled(saved[2]), at::Tensor(), at::Tensor(), at::Tensor()};
    }
};

}  // namespace detail

/// Cross-entropy of rows W^T + b against labels, weighted and summed.
/// \param rows         [M, H]
/// \param weight,bias  [V, H], [V]
/// \param labels       [M] int64 in [0, V)
/// \param row_weights  [M] fp32 factor of each row in the total
inline RowLosses linear_cross_entropy(at::Tensor const& rows, at::Tensor const& weight, at::Tensor const& bias, at::Tensor const& labels,
                                      at::Tensor const& row_weights) {
    bool const differentiate = at::GradMode::is_enabled() && (rows.requires_grad() || weight.requires_grad() || bias.requires_grad());
    auto outputs = detail::LinearCrossEntropy::apply(rows, weight, bias, labels, row_weights, differentiate);
    return {.total = outputs[0], .losses = outputs[1], .correct = outputs[2]};
}

}  // namespace bmae
