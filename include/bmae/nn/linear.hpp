// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Affine map: y = x W^T + b, or without b.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>

#include <bmae/nn/bf16_products.hpp>
#include <bmae/nn/packed_linear.hpp>
#include <bmae/values/parameter_role.hpp>

namespace bmae {

/// y = x W^T + b, or y = x W^T.
///
/// A packed weight is a copy for inference on a CPU: it is used without a gradient, for fp32 rows, as long as `weight` and `bias` are the
/// tensors of `pack` and were not written to.
struct Linear {
    at::Tensor weight = {};                                    ///< [out, in]
    at::Tensor bias = {};                                      ///< [out]; undefined: none
    std::shared_ptr<detail::PackedLinear const> packed = {};   ///< null: not packed

    Linear() = default;
    Linear(std::int64_t in, std::int64_t out) : weight(at::empty({out, in})), bias(at::empty({out})) {}
    static Linear without_bias(std::int64_t in, std::int64_t out) {
        Linear map;
        map.weight = at::empty({out, in});
        return map;
    }

    at::Tensor operator()(at::Tensor const& x) const {   // [T, in] -> [T, out]
        if (takes(x)) { return packed->run(x, /*with_bias=*/true); }
        return detail::affine(x, weight, bias);
    }

    /// Without the bias, for kernels that add it themselves.                                  [T, in] -> [T, out]
    at::Tensor product(at::Tensor const& x) const {
        if (takes(x)) { return packed->run(x, /*with_bias=*/false); }
        return detail::affine(x, weight);
    }

    /// Packs the weight, which must be on a CPU that `can_pack` the type. \throws InputError for int8 and a weight that is not finite
    void pack(PackedType type) { packed = std::make_shared<detail::PackedLinear const>(type, weight, bias); }
    /// Whether the packed weight is there and that of the present tensors.
    [[nodiscard]] bool is_packed() const { return packed != nullptr && packed->is_of(weight, bias); }
    /// Whether rows like these are multiplied with the packed weight.
    [[nodiscard]] bool takes(at::Tensor const& x) const { return packed != nullptr && packed->fits(x) && is_packed(); }

    template <class Visit>
    void for_each_parameter(std::string const& prefix, Visit&& visit) {
        visit(prefix + ".weight", weight, ParameterRole::weight);
        if (bias.defined()) { visit(prefix + ".bias", bias, ParameterRole::bias); }
    }
};

}  // namespace bmae
