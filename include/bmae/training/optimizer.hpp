// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// The seam of optimizers, and AdamW over flat buffers: two fused calls per step for any number of parameters, a few more with an
/// alternation or rates by layer.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>
#include <ATen/ops/_fused_adamw.h>
#include <ATen/ops/full.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>
#include <c10/core/GradMode.h>

#include <bmae/detail/separate.hpp>
#include <bmae/training/adamw_options.hpp>
#include <bmae/training/flat_parameters.hpp>

namespace bmae {

/// Divisor of gradients so that their norm is at most `clip`; 1 if it is already, or if `clip` is 0.
///
/// The 1e-6 is that of torch.nn.utils.clip_grad_norm_, so that steps can be compared exactly.
inline double clip_divisor(double norm, double clip) { return clip > 0 ? std::max(1.0, (norm + 1e-6) / clip) : 1.0; }

/// An optimizer: state and update counts of one FlatParameters, which must outlive it.
///
/// Parameters that rest in a step keep their values, state and update count: neither weight decay nor momentum changes them.
class Optimizer {
public:
    /// Called with a tensor of the state and its name in checkpoints; a reader writes into it.
    using StateVisitor = std::function<void(std::string const& name, at::Tensor const& value)>;

    Optimizer() = default;
    Optimizer(Optimizer const&) = delete;
    Optimizer& operator=(Optimizer const&) = delete;
    virtual ~Optimizer() = default;

    /// One update of all masters, then of the network's parameters.
    /// \param learning_rate     of this step; each parameter has its own share of it: `ParameterSlot::rate`
    /// \param gradient_divisor  of `clip_divisor`
    /// \param frozen           the group of an alternation whose parameters rest; 0: none
    virtual void step(double learning_rate, double gradient_divisor = 1, std::size_t frozen = 0) = 0;

    virtual void for_each_state(StateVisitor const& visit) const = 0;
};

namespace detail {

/// The name of the count of updates of one tower of an alternation.
inline std::string count_name(std::size_t alternation) {
    return alternation == 0 ? "count" : "count." + std::to_string(alternation);
}

}  // namespace detail

/// Its fused pass divides by the clip as well, so clipping costs no pass of its own.
class AdamW final : public Optimizer {
public:
    AdamW(FlatParameters& parameters, AdamWOptions options);

    void step(double learning_rate, double gradient_divisor = 1, std::size_t frozen = 0) override;
    /// `mean.NAME` and `square.NAME` of every trained parameter, then `count`; with an alternation `count.1`, `count.2`.
    void for_each_state(StateVisitor const& visit) const override;

    [[nodiscard]] AdamWOptions const& options() const noexcept { return options_; }
    [[nodiscard]] at::Tensor const& mean() const noexcept { return mean_; }       ///< [trained()] first moment, fp32
    [[nodiscard]] at::Tensor const& square() const noexcept { return square_; }   ///< [trained()] second moment, fp32
    [[nodiscard]] std::size_t alternations() const noexcept;   ///< 1 where all parameters are trained in all steps
    [[nodiscard]] at::Tensor const& count(std::size_t alternation = 0) const;   ///< [] updates so far, fp32

private:
    /// Ranges of the flat buffers that are updated alike.
    struct Run {
        std::int64_t first = 0;
        std::int64_t length = 0;
        bool decay = false;
        std::size_t alternation = 0;
        double rate = 1;

        [[nodiscard]] bool takes(ParameterSlot const& slot) const {
            return decay == slot.decay && alternation == slot.alternation && rate == slot.rate;
        }
    };

    void update(Run const& run, double learning_rate, std::optional<at::Tensor> const& divisor);

    FlatParameters& parameters_;
    AdamWOptions options_;
    at::Tensor mean_, square_;
    std::vector<Run> runs_;
    std::vector<at::Tensor> counts_;   // [alternations]
};

}  // namespace bmae

#if BMAE_TORCH_DEFINITIONS

namespace bmae {

BMAE_INLINE AdamW::AdamW(FlatParameters& parameters, AdamWOptions options)
    : parameters_(parameters),
      options_(options),
      mean_(at::zeros_like(parameters.gradient())),
      square_(at::zeros_like(parameters.gradient())) {
    std::size_t alternations = 1;
    for (bool const decay : {true, false}) {
        for (ParameterSlot const& slot : parameters.slots()) {   // in the order of their offsets
            if (slot.decay != decay || slot.frozen) { continue; }
            if (runs_.empty() || !runs_.back().takes(slot)) {
                runs_.push_back({.first = slot.offset, .decay = decay, .alternation = slot.alternation, .rate = slot.rate});
            }
            runs_.back().length = slot.end() - runs_.back().first;
            alternations = std::max(alternations, slot.alternation + 1);
        }
    }
    for (std::size_t t = 0; t < alternations; ++t) { counts_.push_back(at::zeros({}, parameters.master().options())); }
}

BMAE_INLINE void AdamW::step(double learning_rate, double gradient_divisor, std::size_t frozen) {
    c10::AutoGradMode const no_grad(false);
    auto const rests = [frozen](std::size_t alternation) { return alternation != 0 && alternation == frozen; };
    for (std::size_t t = 0; t < counts_.size(); ++t) {
        if (!rests(t)) { counts_[t].add_(1); }
    }
    std::optional<at::Tensor> divisor;
    if (gradient_divisor != 1) { divisor = at::full({}, gradient_divisor, counts_.front().options()); }
    for (Run const& run : runs_) {
        if (!rests(run.alternation)) { update(run, learning_rate, divisor); }
    }
    parameters_.publish();
}

BMAE_INLINE void AdamW::for_each_state(StateVisitor const& visit) const {
    auto const each = [&](char const* prefix, at::Tensor const& flat) {
        for (std::size_t i = 0; i < parameters_.slots().size(); ++i) {
            ParameterSlot const& slot = parameters_.slots()[i];
            if (!slot.frozen) { visit(prefix + slot.name, parameters_.view(flat, i)); }
        }
    };
    each("mean.", mean_);
    each("square.", square_);
    for (std::size_t t = 0; t < counts_.size(); ++t) { visit(detail::count_name(t), counts_[t]); }
}

BMAE_INLINE std::size_t AdamW::alternations() const noexcept { return counts_.size(); }

BMAE_INLINE at::Tensor const& AdamW::count(std::size_t alternation) const { return counts_.at(alternation); }

BMAE_INLINE void AdamW::update(Run const& run, double learning_rate, std::optional<at::Tensor> const& divisor) {
    auto const part = [&](at::Tensor const& flat) { return flat.narrow(0, run.first, run.length); };
    learning_rate *= run.rate;
    at::_fused_adamw_({part(parameters_.master())}, {part(parameters_.gradient())}, {part(mean_)}, {part(square_)}, {},
                      {counts_[run.alternation]}, learning_rate, options_.beta1, options_.beta2,
                      run.decay ? options_.weight_decay : 0, options_.epsilon,
                      /*amsgrad=*/false, /*maximize=*/false, divisor);
}

}  // namespace bmae

#endif   // BMAE_TORCH_DEFINITIONS
