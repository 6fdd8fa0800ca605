// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// A small model with something that training changes without a gradient: a memory of the examples that it has seen.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/full.h>
#include <ATen/ops/zeros.h>

#include "toy_objective.hpp"

namespace bmae::test {

/// Its loss depends on the memory, so that a wrong one changes what is learned.
class ToyMemory : public ToyObjective {
public:
    explicit ToyMemory(ToyOptions options = {}) : ToyObjective(std::move(options)) {}

    StepOutput forward(HostBatch const& batch, ForwardContext& context, std::span<std::int64_t const> step_labels) override {
        if (context.opens_step) { pending_.clear(); }
        double seen = 0;
        for (std::uint64_t const example : batch.examples) { seen += static_cast<double>(example) / 37; }
        pending_.push_back(seen);
        read.push_back(memory.sum().item<double>());
        StepOutput output = ToyObjective::forward(batch, context, step_labels);
        output.total = output.total * (1 + .1 * read.back());
        return output;
    }
    void after_step(MasterOf const& master) override {
        for (double const seen : pending_) { memory.mul_(.5).add_(at::full({2}, seen)); }
        pending_.clear();
        moves.add_(1);
        masters = {master("embedding"), master("head.bias"), master("none")};
    }
    void for_each_state(StateVisitor const& visit) override {
        visit("memory", memory);
        visit("moves", moves);
    }

    at::Tensor memory = at::zeros({2});            ///< fp32
    at::Tensor moves = at::zeros({}, at::kLong);   ///< calls of the hook
    std::vector<double> read = {};                 ///< the memory as each micro-batch found it
    std::vector<at::Tensor> masters = {};          ///< that the last call was given

private:
    std::vector<double> pending_;
};

}  // namespace bmae::test
