// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// What optimizers share that update one parameter at a time, where AdamW updates ranges of the flat buffers.
#pragma once

#include <algorithm>
#include <cstddef>
#include <vector>

#include <ATen/core/Tensor.h>
#include <ATen/ops/zeros.h>
#include <c10/core/GradMode.h>

#include <bmae/training/adamw_options.hpp>
#include <bmae/training/flat_parameters.hpp>
#include <bmae/training/optimizer.hpp>

namespace bmae {

/// Counts updates by alternation and walks over the trained parameters.
class SlotOptimizer : public Optimizer {
public:
    SlotOptimizer(FlatParameters& parameters, AdamWOptions const& options) : parameters_(parameters), options_(options) {
        std::size_t alternations = 1;
        for (ParameterSlot const& slot : parameters.slots()) { alternations = std::max(alternations, slot.alternation + 1); }
        for (std::size_t t = 0; t < alternations; ++t) { counts_.push_back(at::zeros({}, at::kFloat)); }   // read by the host
    }

    void step(double learning_rate, double gradient_divisor = 1, std::size_t frozen = 0) final {
        c10::AutoGradMode const no_grad(false);
        auto const rests = [frozen](std::size_t alternation) { return alternation != 0 && alternation == frozen; };
        for (std::size_t t = 0; t < counts_.size(); ++t) {
            if (!rests(t)) { counts_[t].add_(1); }
        }
        for (std::size_t i = 0; i < parameters_.slots().size(); ++i) {
            ParameterSlot const& slot = parameters_.slots()[i];
            if (slot.frozen || rests(slot.alternation)) { continue; }
            at::Tensor gradient = parameters_.view(parameters_.gradient(), i);
            if (gradient_divisor != 1) { gradient = gradient.div(gradient_divisor); }
            update({.slot = i,
                    .weight = parameters_.view(parameters_.master(), i),
                    .gradient = gradient,
                    .learning_rate = learning_rate * slot.rate,
                    .count = counts_[slot.alternation].item<double>()});
        }
        parameters_.publish();
    }

protected:
    /// One parameter in one step.
    struct Update {
        std::size_t slot = 0;
        at::Tensor weight = {};     ///< fp32 master, to be changed
        at::Tensor gradient = {};   ///< of its shape, fp32, clipped
        double learning_rate = 0;
        double count = 0;   ///< updates of it, this one included
    };
    virtual void update(Update const& now) = 0;

    void visit_counts(StateVisitor const& visit) const {
        for (std::size_t t = 0; t < counts_.size(); ++t) { visit(detail::count_name(t), counts_[t]); }
    }

    FlatParameters& parameters_;
    AdamWOptions options_;

private:
    std::vector<at::Tensor> counts_;   // [alternations], on the CPU
};

}  // namespace bmae
