// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Layer normalization without a shift.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/layer_norm.h>
#include <ATen/ops/zeros_like.h>

#include <bmae/detail/separate.hpp>
#include <bmae/nn/kernels.hpp>
#include <bmae/nn/layer_norm.hpp>
#include <bmae/values/parameter_role.hpp>

namespace bmae {

/// LayerNorm with a scale and no shift, `LayerNorm(bias=False)` in Python: ModernBERT has no biases within its body.
struct UnshiftedNorm {
    at::Tensor weight = {};   ///< [H]; undefined: the identity, as before the attention of ModernBERT's first layer
    double epsilon = 1e-5;

    UnshiftedNorm() = default;
    UnshiftedNorm(std::int64_t width, double eps) : weight(at::empty({width})), epsilon(eps) {}

    at::Tensor operator()(at::Tensor const& x) const;   // [T, H] -> [T, H]

    template <class Visit>
    void for_each_parameter(std::string const& prefix, Visit&& visit) {
        if (weight.defined()) { visit(prefix + ".weight", weight, ParameterRole::norm_scale); }
    }
};

#if BMAE_TORCH_DEFINITIONS

BMAE_INLINE at::Tensor UnshiftedNorm::operator()(at::Tensor const& x) const {
    if (!weight.defined()) { return x; }
    if (x.dim() == 2 && x.size(1) == weight.size(0) &&
        detail::kernel_path(detail::Operation::layer_norm, x, weight) == detail::Path::rows) {
        return detail::FusedNorm::apply(x, std::optional<at::Tensor>(), std::optional<at::Tensor>(), weight.contiguous(),
                                        at::zeros_like(weight), epsilon, 0.0, 0);
    }
    return at::layer_norm(x, {weight.size(0)}, weight.to(x.scalar_type()), {}, epsilon);
}

#endif   // BMAE_TORCH_DEFINITIONS

}  // namespace bmae
