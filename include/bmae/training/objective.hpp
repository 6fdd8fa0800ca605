// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// The type-erased interface between the trainer and what it trains: pre-training compositions, bi-encoders, rerankers.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include <bmae/batch/packed_batch.hpp>
#include <bmae/nn/context.hpp>
#include <bmae/values/error.hpp>

namespace bmae {

/// One summand of the loss, measured. Tensors stay on the device until a report is needed.
struct TermOutput {
    std::string name = {};     ///< "passes.0.terms.1"
    std::string kind = {};     ///< "branch", "masked_language_model", "contrast" ...
    at::Tensor loss = {};      ///< [] mean over this batch's labels, detached, fp32; 0 if there are none
    at::Tensor correct = {};   ///< [] number of labels predicted correctly, detached, fp32; undefined where not applicable
    std::int64_t labels = 0;   ///< in this batch
    double weight = 1;         ///< factor with which the term enters the total
    std::string task = {};     ///< name of the paper where it has one: MASTER's "MKP", "NPR" ...
};

/// The result of one forward run.
struct StepOutput {
    at::Tensor total = {};   ///< [] differentiable; backward() of it adds this batch's share of the step's gradient
    std::vector<TermOutput> terms = {};
};

/// One micro-batch of a step whose contrast spans all of them: its own terms, and its part in the contrast.
struct StepPart {
    StepOutput output = {};    ///< the terms of the contrast have no labels here
    at::Tensor vectors = {};   ///< [R, D] differentiable: what `StepContrast::represent` gave for the same batch and context
};

/// A contrast over all micro-batches of an optimizer step, split so that only one of them is in memory at a time.
/// `cached_gradient` (training/step_gradient.hpp) combines it.
class StepContrast {
public:
    StepContrast() = default;
    StepContrast(StepContrast const&) = delete;
    StepContrast& operator=(StepContrast const&) = delete;
    virtual ~StepContrast() = default;

    /// The micro-batches of a step as one: the labels of each term where the contrast sees all texts of all of them, the texts without
    /// one where they are counted, and what else the contrast of all of them reads.
    [[nodiscard]] virtual HostBatch join(std::span<HostBatch const> batches) const = 0;

    /// The vectors that a micro-batch adds to the contrast.                                                      [R, D]
    virtual at::Tensor represent(HostBatch const& batch, ForwardContext& context) = 0;

    /// The contrast of all texts of all batches, each given by its vectors; the other terms have no labels here.
    /// \param whole    `join(batches)`
    /// \param vectors  [batches] of [R, D]
    virtual StepOutput contrast(HostBatch const& whole, std::span<HostBatch const> batches, std::span<at::Tensor const> vectors,
                                ForwardContext& context) = 0;

    /// A micro-batch without the contrast. In a context equal to that of `represent` it gives the same vectors.
    virtual StepPart forward_part(HostBatch const& batch, ForwardContext& context, std::span<std::int64_t const> step_labels) = 0;
};

/// Called with every parameter once: its name, the tensor that the network reads (may be replaced), whether weight decay applies.
using ParameterVisitor = std::function<void(std::string const& name, at::Tensor& value, bool decay)>;

/// Called with the name and the tensor (fp32 or int64) of something that training changes without a gradient.
using StateVisitor = std::function<void(std::string const& name, at::Tensor& value)>;

/// Gives the fp32 master of a parameter by its name, at any compute type; an undefined tensor for another name.
using MasterOf = std::function<at::Tensor(std::string const& name)>;

/// Data and network of one training run.
class Objective {
public:
    Objective() = default;
    Objective(Objective const&) = delete;
    Objective& operator=(Objective const&) = delete;
    virtual ~Objective() = default;

    [[nodiscard]] virtual std::size_t examples() const = 0;                  ///< in one epoch
    [[nodiscard]] virtual std::size_t cost(std::size_t example) const = 0;   ///< tokens of an example
    [[nodiscard]] virtual std::size_t terms() const = 0;                     ///< summands of the loss

    /// Number of the source of an example, for batches of one source.
    /// \throws InputError where the examples do not name theirs
    [[nodiscard]] virtual std::size_t source(std::size_t example) const {
        throw InputError(Diagnostic{.file = {},
                                    .expected = "examples that name their source, for batches of one source",
                                    .found = "example " + std::to_string(example) + " without one",
                                    .hint = "Leave --one-source out."});
    }

    /// Builds a batch; called from several threads at once. Draws depend on (key.seed, key.epoch, example index) alone.
    [[nodiscard]] virtual HostBatch collate(std::span<std::size_t const> examples, DrawKey key) const = 0;

    /// \param step_labels  [terms] labels of each term in all micro-batches of the optimizer step: the divisor that makes
    ///                     accumulation equal to one large batch
    virtual StepOutput forward(HostBatch const& batch, ForwardContext& context, std::span<std::int64_t const> step_labels) = 0;

    /// The loss as a contrast over the whole optimizer step, for a gradient cache.
    /// \throws InputError where no term compares the texts of a batch with each other
    [[nodiscard]] virtual StepContrast& step_contrast() {
        throw InputError(Diagnostic{.file = {},
                                    .expected = "a loss that compares the texts of a batch with each other, for a gradient cache",
                                    .found = "none",
                                    .hint = "Accumulation alone equals one large batch here: leave --gradient-cache out."});
    }

    /// Number of negatives of each text in a contrast over so many examples; 0: there is no contrast.
    [[nodiscard]] virtual std::size_t negatives(std::size_t examples) const {
        static_cast<void>(examples);
        return 0;
    }

    virtual void for_each_parameter(ParameterVisitor const& visit) = 0;

    /// The group of a parameter that belongs in a checkpoint and is trained in no step: the weights below low-rank factors.
    static constexpr std::size_t never_trained = ~std::size_t{0};

    /// Alternation: parameters of group 0 are trained in all steps, others frozen in steps whose `frozen` names their group.
    [[nodiscard]] virtual std::size_t alternation(std::string const& parameter) const {
        static_cast<void>(parameter);
        return 0;
    }

    /// The group whose parameters are frozen in a step; 0: none.
    /// \param step  optimizer steps done before it
    [[nodiscard]] virtual std::size_t frozen(std::uint64_t step) const {
        static_cast<void>(step);
        return 0;
    }

    /// The only place where training changes tensors without gradient: momentum encoders are updated, queues store new vectors.
    /// Called once after each update, and not after a skipped step.
    virtual void after_step(MasterOf const& master) { static_cast<void>(master); }

    /// Calls `visit` with every tensor that is not a parameter but belongs in a checkpoint: momentum encoders, queues.
    virtual void for_each_state(StateVisitor const& visit) { static_cast<void>(visit); }

    /// Warnings for the start of a run: one sentence each.
    [[nodiscard]] virtual std::vector<std::string> warnings() const { return {}; }

    /// JSON text that names preset, composition and options: written into checkpoints and compared on resume.
    [[nodiscard]] virtual std::string description() const = 0;

    /// Writes the files that make a checkpoint self-contained (config.json, tokenizer files) into `folder`.
    virtual void write_sidecars(std::filesystem::path const& folder) const { static_cast<void>(folder); }
};

}  // namespace bmae
