// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Adafactor: the second moment of a matrix as the means of its rows and of its columns.
#pragma once

#include <cmath>
#include <vector>

#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/zeros.h>

#include <bmae/detail/separate.hpp>
#include <bmae/training/slot_optimizer.hpp>

namespace bmae {

/// Shazeer, Stern: Adafactor, arXiv 1804.04235, algorithms 4 and 5, with the learning rate of the run in place of the relative one,
/// and decoupled weight decay as AdamW's. There is no first moment, so of `AdamWOptions` only the weight decay is read.
///
///     b = 1 - count^-0.8,    row = b row + (1 - b) mean over columns of (g^2 + 1e-30),    column likewise
///     v = row column^T / mean(row),    u = g / sqrt(v),    w -= rate u / max(1, rms(u))
///
/// A vector has its second moment element by element; a parameter of more dimensions is a matrix of its first one and all others.
class Adafactor final : public SlotOptimizer {
public:
    Adafactor(FlatParameters& parameters, AdamWOptions const& options);
    /// `row.NAME` and `column.NAME` of every trained matrix, `square.NAME` of every vector, then `count`.
    void for_each_state(StateVisitor const& visit) const override;

private:
    struct Moments {
        at::Tensor row = {};      ///< [rows] of a matrix
        at::Tensor column = {};   ///< [columns] of a matrix
        at::Tensor square = {};   ///< of a vector
    };

    void update(Update const& now) override;
    [[nodiscard]] static at::Tensor scaled(at::Tensor const& gradient, double decay, Moments const& moments);

    std::vector<Moments> moments_;   // [slots]
};

}  // namespace bmae

#if BMAE_TORCH_DEFINITIONS

namespace bmae {

BMAE_INLINE Adafactor::Adafactor(FlatParameters& parameters, AdamWOptions const& options)
    : SlotOptimizer(parameters, options), moments_(parameters.slots().size()) {
    at::TensorOptions const numbers = parameters.master().options();
    for (std::size_t i = 0; i < moments_.size(); ++i) {
        ParameterSlot const& slot = parameters.slots()[i];
        if (slot.frozen) { continue; }
        if (slot.shape.size() < 2 || slot.size == 0) {
            moments_[i].square = at::zeros(slot.shape, numbers);
        } else {
            moments_[i].row = at::zeros({slot.shape.front()}, numbers);
            moments_[i].column = at::zeros({slot.size / slot.shape.front()}, numbers);
        }
    }
}

BMAE_INLINE void Adafactor::for_each_state(StateVisitor const& visit) const {
    for (std::size_t i = 0; i < moments_.size(); ++i) {
        std::string const& name = parameters_.slots()[i].name;
        if (moments_[i].row.defined()) { visit("row." + name, moments_[i].row); }
        if (moments_[i].column.defined()) { visit("column." + name, moments_[i].column); }
        if (moments_[i].square.defined()) { visit("square." + name, moments_[i].square); }
    }
    visit_counts(visit);
}

BMAE_INLINE at::Tensor Adafactor::scaled(at::Tensor const& gradient, double decay, Moments const& moments) {
    constexpr double least = 1e-30;
    at::Tensor const square = gradient.square().add_(least);
    if (moments.square.defined()) {
        moments.square.mul_(decay).add_(square, 1 - decay);
        return gradient.div(moments.square.sqrt());
    }
    moments.row.mul_(decay).add_(square.mean(1), 1 - decay);
    moments.column.mul_(decay).add_(square.mean(0), 1 - decay);
    at::Tensor const rows = (moments.row / moments.row.mean()).rsqrt_().unsqueeze(1);
    return gradient.mul(rows).mul_(moments.column.rsqrt());
}

BMAE_INLINE void Adafactor::update(Update const& now) {
    ParameterSlot const& slot = parameters_.slots()[now.slot];
    Moments const& moments = moments_[now.slot];
    bool const matrix = moments.row.defined();
    at::Tensor const gradient = matrix ? now.gradient.reshape({slot.shape.front(), -1}) : now.gradient;
    at::Tensor step = scaled(gradient, 1 - std::pow(now.count, -.8), moments);
    step.div_(step.square().mean().sqrt_().clamp_min_(1));
    if (slot.decay && options_.weight_decay != 0) { now.weight.mul_(1 - now.learning_rate * options_.weight_decay); }
    now.weight.sub_(step.view(slot.shape), now.learning_rate);
}

}  // namespace bmae

#endif   // BMAE_TORCH_DEFINITIONS
