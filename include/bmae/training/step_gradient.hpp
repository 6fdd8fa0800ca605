// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Gradient accumulation over the micro-batches of an optimizer step: as a sum, or with one contrast over all of them.
///
/// Every function calls `collect()` after each backward pass and `context_of(m)` for the context of micro-batch m, the same one
/// each time: dropout is keyed by it, so a micro-batch that is run twice has the same dropout masks.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <c10/core/GradMode.h>

#include <bmae/detail/separate.hpp>
#include <bmae/nn/context.hpp>
#include <bmae/training/objective.hpp>
#include <bmae/values/error.hpp>

namespace bmae {

namespace detail {

/// Adds the gradients of `output` and, where defined, of `also`; frees the graph of both.
/// \returns whether there was a gradient
/// \throws RunError where the model returned another number of terms
BMAE_INLINE bool learn_from(StepOutput& output, at::Tensor const& also, std::size_t terms);

/// A step with labels but without a gradient would silently train nothing.
/// \throws RunError where a term with a weight other than 0 has labels
BMAE_INLINE void require_nothing_to_learn(std::span<StepOutput const> outputs);

}  // namespace detail

/// Each micro-batch by itself: a contrast compares the texts of one micro-batch.
/// \returns the output of each                                                                                         [micro]
BMAE_INLINE std::vector<StepOutput> accumulated_gradient(Objective& objective, std::span<HostBatch const> micro,
                                                         std::function<ForwardContext(std::size_t)> const& context_of,
                                                         std::span<std::int64_t const> step_labels,
                                                         std::function<void()> const& collect);

/// All micro-batches in one contrast, only one in memory at a time (Gao et al.: Scaling Deep Contrastive Learning Batch Size
/// under Memory Limited Setup, arXiv 2101.06983, section 3.2; code luyug/GradCache).
///
/// 1. Every micro-batch is represented without a graph. 2. The contrast is computed on all vectors as leaves, which gives
/// dL/dv. 3. Every micro-batch is run again with its graph, and the gradient of its own terms + <v, dL/dv> is added. Since the
/// second run has the dropout of the first, this is the gradient of the whole step in one graph; <v, dL/dv> is taken in fp32.
/// The price is one more forward run of the encoder.
/// \param whole  `model.join(micro)`
/// \returns the outputs of the micro-batches, then that of the contrast                                            [micro + 1]
BMAE_INLINE std::vector<StepOutput> cached_gradient(StepContrast& model, HostBatch const& whole, std::span<HostBatch const> micro,
                                                    std::function<ForwardContext(std::size_t)> const& context_of,
                                                    std::function<void()> const& collect);

}  // namespace bmae

#if BMAE_TORCH_DEFINITIONS

namespace bmae::detail {

BMAE_INLINE bool learn_from(StepOutput& output, at::Tensor const& also, std::size_t terms) {
    if (output.terms.size() != terms || !output.total.defined()) {
        throw RunError("the model returned " + std::to_string(output.terms.size()) + " terms, expected a total and " +
                       std::to_string(terms));
    }
    at::Tensor const whole = also.defined() ? output.total + also : output.total;
    bool const learns = whole.requires_grad();
    if (learns) { whole.backward(); }
    output.total = output.total.detach();
    return learns;
}

BMAE_INLINE void require_nothing_to_learn(std::span<StepOutput const> outputs) {
    for (StepOutput const& output : outputs) {
        for (TermOutput const& term : output.terms) {
            if (term.labels == 0 || term.weight == 0) { continue; }
            throw RunError(
                term.name + " (" + term.kind + ") has " + std::to_string(term.labels) +
                " labels, but the loss requires no gradient: no parameter would be trained. The model computes its loss from "
                "detached tensors, or under a guard that turns gradients off");
        }
    }
}

}  // namespace bmae::detail

namespace bmae {

BMAE_INLINE std::vector<StepOutput> accumulated_gradient(Objective& objective, std::span<HostBatch const> micro,
                                                         std::function<ForwardContext(std::size_t)> const& context_of,
                                                         std::span<std::int64_t const> step_labels,
                                                         std::function<void()> const& collect) {
    std::vector<StepOutput> outputs;
    bool learns = false;
    for (std::size_t m = 0; m < micro.size(); ++m) {
        ForwardContext context = context_of(m);
        outputs.push_back(objective.forward(micro[m], context, step_labels));
        learns = detail::learn_from(outputs.back(), {}, step_labels.size()) || learns;
        collect();
    }
    if (!learns) { detail::require_nothing_to_learn(outputs); }
    return outputs;
}

BMAE_INLINE std::vector<StepOutput> cached_gradient(StepContrast& model, HostBatch const& whole, std::span<HostBatch const> micro,
                                                    std::function<ForwardContext(std::size_t)> const& context_of,
                                                    std::function<void()> const& collect) {
    std::span<std::int64_t const> const step_labels = whole.term_labels;
    std::vector<at::Tensor> leaves;    // fp32
    std::vector<at::Tensor> vectors;   // in the network's compute type
    for (std::size_t m = 0; m < micro.size(); ++m) {
        at::Tensor given;
        {
            c10::AutoGradMode const no_graph(false);
            ForwardContext context = context_of(m);
            given = model.represent(micro[m], context);
        }
        leaves.push_back(given.detach().to(at::kFloat).requires_grad_(true));
        vectors.push_back(leaves.back().to(given.scalar_type()));
    }
    ForwardContext context = context_of(micro.size());
    StepOutput contrast = model.contrast(whole, micro, vectors, context);
    static_cast<void>(detail::learn_from(
        contrast, {}, step_labels.size()));   // into the leaves, and into a projection that only the contrast reads
    collect();
    vectors.clear();

    std::vector<StepOutput> outputs;
    bool learns = false;
    for (std::size_t m = 0; m < micro.size(); ++m) {
        ForwardContext replay = context_of(m);
        replay.opens_step = false;   // queues hold the vectors of the contrast
        StepPart part = model.forward_part(micro[m], replay, step_labels);
        at::Tensor const cached = leaves[m].grad();   // undefined where the step has no positive pair
        at::Tensor const surrogate = cached.defined() ? (part.vectors.to(at::kFloat) * cached).sum() : at::Tensor();
        learns = detail::learn_from(part.output, surrogate, step_labels.size()) || learns;
        leaves[m].reset();
        collect();
        outputs.push_back(std::move(part.output));
    }
    outputs.push_back(std::move(contrast));
    if (!learns) { detail::require_nothing_to_learn(outputs); }
    return outputs;
}

}  // namespace bmae

#endif   // BMAE_TORCH_DEFINITIONS
