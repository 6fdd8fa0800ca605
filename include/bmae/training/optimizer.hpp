// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// AdamW over flat buffers: two fused calls a step whatever the number of parameters.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>

#include <ATen/core/Tensor.h>
#include <ATen/ops/_fused_adamw.h>
#include <ATen/ops/full.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>
#include <c10/core/GradMode.h>

#include <bmae/training/adamw_options.hpp>
#include <bmae/training/flat_parameters.hpp>

namespace bmae {

/// Factor with which gradients are divided so that their norm is at most `clip`; 1 if it is already, or if `clip` is 0.
///
/// The 1e-6 is that of torch.nn.utils.clip_grad_norm_, so that steps can be compared number by number.
inline double clip_divisor(double norm, double clip) { return clip > 0 ? std::max(1.0, (norm + 1e-6) / clip) : 1.0; }

/// The optimizer: moments and step count of one FlatParameters, which must outlive it.
class AdamW {
public:
    AdamW(FlatParameters& parameters, AdamWOptions options)
        : parameters_(parameters),
          options_(options),
          mean_(at::zeros_like(parameters.master())),
          square_(at::zeros_like(parameters.master())),
          count_(at::zeros({}, parameters.master().options())) {}

    /// One update of all masters, then of what the network reads.
    /// \param learning_rate     of this step
    /// \param gradient_divisor  of `clip_divisor`; applied inside the fused pass, so clipping costs no pass of its own
    void step(double learning_rate, double gradient_divisor = 1) {
        c10::AutoGradMode const no_grad(false);
        count_.add_(1);
        std::optional<at::Tensor> divisor;
        if (gradient_divisor != 1) { divisor = at::full({}, gradient_divisor, count_.options()); }
        update(0, parameters_.decayed(), learning_rate, options_.weight_decay, divisor);
        update(parameters_.decayed(), parameters_.elements() - parameters_.decayed(), learning_rate, 0, divisor);
        parameters_.publish();
    }

    [[nodiscard]] AdamWOptions const& options() const noexcept { return options_; }
    [[nodiscard]] at::Tensor const& mean() const noexcept { return mean_; }       ///< [elements()] first moment, fp32
    [[nodiscard]] at::Tensor const& square() const noexcept { return square_; }   ///< [elements()] second moment, fp32
    [[nodiscard]] at::Tensor const& count() const noexcept { return count_; }     ///< [] updates so far, fp32

private:
    void update(std::int64_t first, std::int64_t length, double learning_rate, double weight_decay,
                std::optional<at::Tensor> const& divisor) {
        if (length == 0) { return; }
        auto const part = [&](at::Tensor const& flat) { return flat.narrow(0, first, length); };
        at::_fused_adamw_({part(parameters_.master())}, {part(parameters_.gradient())}, {part(mean_)}, {part(square_)}, {},
                          {count_}, learning_rate, options_.beta1, options_.beta2, weight_decay, options_.epsilon,
                          /*amsgrad=*/false, /*maximize=*/false, divisor);
    }

    FlatParameters& parameters_;
    AdamWOptions options_;
    at::Tensor mean_, square_, count_;
};

}  // namespace bmae
