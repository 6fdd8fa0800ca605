// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Affine map: y = x W^T + b.
#pragma once

#include <cstdint>
#include <string>

#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/linear.h>

#include <bmae/values/parameter_role.hpp>

namespace bmae {

/// y = x W^T + b.
struct Linear {
    at::Tensor weight = {};   ///< [out, in]
    at::Tensor bias = {};     ///< [out]

    Linear() = default;
    Linear(std::int64_t in, std::int64_t out) : weight(at::empty({out, in})), bias(at::empty({out})) {}

    at::Tensor operator()(at::Tensor const& x) const { return at::linear(x, weight, bias); }   // [T, in] -> [T, out]

    /// Without the bias, for kernels that add it themselves.                                  [T, in] -> [T, out]
    at::Tensor product(at::Tensor const& x) const { return at::linear(x, weight); }

    template <class Visit>
    void for_each_parameter(std::string const& prefix, Visit&& visit) {
        visit(prefix + ".weight", weight, ParameterRole::weight);
        visit(prefix + ".bias", bias, ParameterRole::bias);
    }
};

}  // namespace bmae
