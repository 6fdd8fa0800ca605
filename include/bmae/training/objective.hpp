// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// The erased edge between the trainer and whatever it trains: pre-training compositions, bi-encoders, rerankers.
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

namespace bmae {

/// One summand of the loss, measured. Tensors stay on the device until a report is wanted.
struct TermOutput {
    std::string name = {};      ///< "passes.0.terms.1"
    std::string kind = {};      ///< "branch", "masked_language_model", "contrast" ...
    at::Tensor loss = {};       ///< [] mean over this batch's labels, detached, fp32; 0 if there are none
    at::Tensor correct = {};    ///< [] how many labels were predicted right, detached, fp32; undefined where it means nothing
    std::int64_t labels = 0;    ///< in this batch
    double weight = 1;          ///< factor with which the term enters the total
};

/// What one forward run gives.
struct StepOutput {
    at::Tensor total = {};                 ///< [] differentiable; backward() of it adds this batch's share of the step's gradient
    std::vector<TermOutput> terms = {};
};

/// Called with every parameter once: its name, the tensor that the network reads (may be replaced), whether weight decay applies.
using ParameterVisitor = std::function<void(std::string const& name, at::Tensor& value, bool decay)>;

/// Called with the name and the tensor (fp32 or int64) of something that training changes without a gradient.
using StateVisitor = std::function<void(std::string const& name, at::Tensor& value)>;

/// Data and network of one training run.
class Objective {
public:
    Objective() = default;
    Objective(Objective const&) = delete;
    Objective& operator=(Objective const&) = delete;
    virtual ~Objective() = default;

    [[nodiscard]] virtual std::size_t examples() const = 0;                           ///< in one epoch
    [[nodiscard]] virtual std::size_t cost(std::size_t example) const = 0;            ///< tokens that an example brings
    [[nodiscard]] virtual std::size_t terms() const = 0;                              ///< summands of the loss

    /// Builds a batch; called from several threads at once. Draws depend on (key.seed, key.epoch, example index) alone.
    [[nodiscard]] virtual HostBatch collate(std::span<std::size_t const> examples, DrawKey key) const = 0;

    /// \param step_labels  [terms] labels of each term in all micro-batches of the optimizer step: the divisor that makes
    ///                     accumulation equal to one large batch
    virtual StepOutput forward(HostBatch const& batch, ForwardContext& context, std::span<std::int64_t const> step_labels) = 0;

    virtual void for_each_parameter(ParameterVisitor const& visit) = 0;

    /// Calls `visit` with every tensor that is no parameter but belongs into a checkpoint: momentum encoders, queues.
    virtual void for_each_state(StateVisitor const& visit) { static_cast<void>(visit); }

    /// JSON text that names preset, composition and options: written into checkpoints and compared on resume.
    [[nodiscard]] virtual std::string description() const = 0;

    /// Writes what makes a checkpoint usable by itself (config.json, tokenizer files) into `folder`.
    virtual void write_sidecars(std::filesystem::path const& folder) const { static_cast<void>(folder); }
};

}  // namespace bmae
