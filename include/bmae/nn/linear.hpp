// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Affine map and layer normalisation: the two bricks with parameters.
#pragma once

#include <cstdint>
#include <string>

#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/layer_norm.h>
#include <ATen/ops/linear.h>

namespace bmae {

/// y = x W^T + b.
struct Linear {
    at::Tensor weight = {};   ///< [out, in]
    at::Tensor bias = {};     ///< [out]

    Linear() = default;
    Linear(std::int64_t in, std::int64_t out) : weight(at::empty({out, in})), bias(at::empty({out})) {}

    at::Tensor operator()(at::Tensor const& x) const { return at::linear(x, weight, bias); }   // [T, in] -> [T, out]

    template <class Visit>
    void for_each_parameter(std::string const& prefix, Visit&& visit) {
        visit(prefix + ".weight", weight, true);
        visit(prefix + ".bias", bias, false);
    }
};

/// Normalises each row to mean 0 and variance 1, then scales and shifts (Ba, Kiros, Hinton: arXiv 1607.06450).
struct LayerNorm {
    at::Tensor weight = {};   ///< [H]
    at::Tensor bias = {};     ///< [H]
    double epsilon = 1e-12;

    LayerNorm() = default;
    LayerNorm(std::int64_t width, double eps) : weight(at::empty({width})), bias(at::empty({width})), epsilon(eps) {}

    at::Tensor operator()(at::Tensor const& x) const {                                          // [T, H] -> [T, H]
        return at::layer_norm(x, {weight.size(0)}, weight.to(x.scalar_type()), bias.to(x.scalar_type()), epsilon);
    }

    template <class Visit>
    void for_each_parameter(std::string const& prefix, Visit&& visit) {
        visit(prefix + ".weight", weight, false);
        visit(prefix + ".bias", bias, false);
    }
};

}  // namespace bmae
