// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Describes the cause of a non-finite step.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>
#include <ATen/ops/isfinite.h>
#include <c10/core/GradMode.h>

#include <bmae/batch/packed_batch.hpp>
#include <bmae/detail/separate.hpp>
#include <bmae/training/flat_parameters.hpp>
#include <bmae/training/objective.hpp>

namespace bmae::detail {

/// "3, 17, 4"; the first 64 of them.
BMAE_INLINE std::string examples_text(std::vector<HostBatch> const& micro_batches);

/// "step 12: the loss of passes.0.terms.1 (branch) is not finite; first bad tensor: gradient of encoder...; examples 3, 17"
///
/// Names the first bad term with the examples of its micro-batch, or all examples of the step where every loss is finite or where
/// the bad one is a contrast over all of them.
/// \param outputs  of the micro-batches, then that of a contrast over all, if there is one
BMAE_INLINE std::string describe_non_finite(std::uint64_t step, std::vector<HostBatch> const& micro_batches,
                                            std::vector<StepOutput> const& outputs, FlatParameters const& parameters);

}  // namespace bmae::detail

#if BMAE_TORCH_DEFINITIONS

namespace bmae::detail {

BMAE_INLINE std::string examples_text(std::vector<HostBatch> const& micro_batches) {
    constexpr std::size_t most = 64;
    std::size_t count = 0;
    std::string text;
    for (HostBatch const& batch : micro_batches) {
        for (std::uint64_t const example : batch.examples) {
            if (count++ < most) { text += (text.empty() ? "" : ", ") + std::to_string(example); }
        }
    }
    if (count > most) { text += " and " + std::to_string(count - most) + " more"; }
    return text;
}

BMAE_INLINE std::string describe_non_finite(std::uint64_t step, std::vector<HostBatch> const& micro_batches,
                                            std::vector<StepOutput> const& outputs, FlatParameters const& parameters) {
    c10::AutoGradMode const no_grad(false);
    std::string what = "all losses are finite but their gradient is not";
    std::string examples;
    for (std::size_t m = 0; m < outputs.size() && examples.empty(); ++m) {
        for (TermOutput const& term : outputs[m].terms) {
            if (at::isfinite(term.loss).all().item<bool>()) { continue; }
            what = "the loss of " + term.name + " (" + term.kind + ") is not finite";
            if (m < micro_batches.size()) { examples = examples_text({micro_batches[m]}); }
            break;
        }
    }
    if (examples.empty()) { examples = examples_text(micro_batches); }
    std::string const bad = parameters.first_non_finite();
    return "step " + std::to_string(step) + ": " + what +
           "; first bad tensor: " + (bad.empty() ? "none, but the norm overflows" : bad) + "; examples " + examples;
}

}  // namespace bmae::detail

#endif   // BMAE_TORCH_DEFINITIONS
