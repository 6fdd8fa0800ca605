// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Small networks between pooling and a loss, for training alone.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/batch_norm.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/relu.h>
#include <ATen/ops/tanh.h>

#include <bmae/nn/bf16_products.hpp>
#include <bmae/nn/linear.hpp>
#include <bmae/values/parameter_role.hpp>
#include <bmae/values/shape.hpp>

namespace bmae {

/// None.                                                                                                   [B, H] -> [B, H]
struct NoProjection {
    explicit NoProjection(Shape const&) {}
    at::Tensor operator()(at::Tensor const& rows) const { return rows; }

    template <class Visit>
    void for_each_parameter(std::string const&, Visit&&) {}
};

/// tanh(x W^T + b): SimCSE's head, arXiv 2104.08821, section 6.3.                                          [B, H] -> [B, H]
struct TanhProjection {
    static constexpr std::string_view name = "tanh";
    Linear dense;

    explicit TanhProjection(Shape const& shape) : dense(shape.width, shape.width) {}
    at::Tensor operator()(at::Tensor const& rows) const { return at::tanh(dense(rows)); }

    template <class Visit>
    void for_each_parameter(std::string const& prefix, Visit&& visit) {
        dense.for_each_parameter(prefix + ".dense", visit);
    }
};

/// Linear (H -> 2H), batch norm, ReLU, Linear (2H -> H), batch norm without affine; no biases: DiffCSE, arXiv 2204.10298.
///
/// Statistics are those of the batch, in training and in dumps: the projection is not used after training.  [B, H] -> [B, H]
struct BatchNormProjection {
    static constexpr std::string_view name = "batch_norm";
    at::Tensor first;         ///< [2H, H]
    at::Tensor norm_weight;   ///< [2H]
    at::Tensor norm_bias;     ///< [2H]
    at::Tensor second;        ///< [H, 2H]

    explicit BatchNormProjection(Shape const& shape)
        : first(at::empty({2 * shape.width, shape.width})),
          norm_weight(at::empty({2 * shape.width})),
          norm_bias(at::empty({2 * shape.width})),
          second(at::empty({shape.width, 2 * shape.width})) {}

    at::Tensor operator()(at::Tensor const& rows) const {
        at::Tensor const wide = at::relu(normalized(detail::affine(rows, first), norm_weight, norm_bias));
        return normalized(detail::affine(wide, second), {}, {});
    }

    template <class Visit>
    void for_each_parameter(std::string const& prefix, Visit&& visit) {
        visit(prefix + ".first.weight", first, ParameterRole::weight);
        visit(prefix + ".first.LayerNorm.weight", norm_weight, ParameterRole::norm_scale);
        visit(prefix + ".first.LayerNorm.bias", norm_bias, ParameterRole::norm_shift);
        visit(prefix + ".second.weight", second, ParameterRole::weight);
    }

private:
    /// A batch of one has no variance: it is returned unchanged.
    static at::Tensor normalized(at::Tensor const& rows, at::Tensor const& weight, at::Tensor const& bias) {
        if (rows.size(0) < 2) { return rows; }
        return at::batch_norm(rows, weight, bias, {}, {}, /*training=*/true, .1, 1e-5, /*cudnn_enabled=*/false);
    }
};

}  // namespace bmae
