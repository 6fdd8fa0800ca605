// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Layer normalization, alone or at the end of a residual block.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/layer_norm.h>

#include <bmae/detail/separate.hpp>
#include <bmae/nn/cpu_path.hpp>
#include <bmae/nn/cpu_rows.hpp>
#include <bmae/nn/dropout.hpp>
#include <bmae/nn/kernels.hpp>
#include <bmae/values/parameter_role.hpp>

#if BMAE_TORCH_DEFINITIONS
#include <torch/csrc/autograd/custom_function.h>
#endif

namespace bmae {

#if BMAE_TORCH_DEFINITIONS

namespace detail {
inline namespace BMAE_KERNELS {

/// LayerNorm(residual + dropout(x + bias)) and its gradients, one kernel each; bias and residual are both given or neither.
struct FusedNorm : torch::autograd::Function<FusedNorm> {
    template <class Real>
    static NormRows<Real> rows(at::Tensor const& x, at::Tensor const& bias, at::Tensor const& residual, at::Tensor const& scale,
                               at::Tensor const& shift, double epsilon, double rate, std::int64_t key) {
        return {.x = read_from<Real>(x),
                .bias = read_from<Real>(bias),
                .residual = read_from<Real>(residual),
                .scale = read_from<Real>(scale),
                .shift = read_from<Real>(shift),
                .width = scale.size(0),
                .epsilon = static_cast<float>(epsilon),
                .dropout = rate > 0 ? DropoutSite::make(rate, static_cast<std::uint64_t>(key)) : DropoutSite()};
    }

    static at::Tensor forward(torch::autograd::AutogradContext* context, at::Tensor const& input,
                              std::optional<at::Tensor> const& added, std::optional<at::Tensor> const& stream,
                              at::Tensor const& scale, at::Tensor const& shift, double epsilon, double rate, std::int64_t key) {
        at::Tensor const x = input.contiguous();
        at::Tensor const bias = added ? added->contiguous() : at::Tensor();
        at::Tensor const residual = stream ? stream->contiguous() : at::Tensor();
        at::Tensor y = at::empty_like(x);
        at::Tensor const sums = residual.defined() ? at::empty_like(x) : x;   // input of the normalization
        at::Tensor const means = at::empty({x.size(0)}, at::kFloat);
        at::Tensor const inverses = at::empty({x.size(0)}, at::kFloat);
        with_real(x, [&]<class Real>(Real) {
            auto const kernel = rows<Real>(x, bias, residual, scale, shift, epsilon, rate, key);
            RowBlocks(x.size(0)).run([&](std::int64_t, std::int64_t first, std::int64_t end) {
                kernel.forward(first, end, residual.defined() ? write_to<Real>(sums) : nullptr, means.mutable_data_ptr<float>(),
                               inverses.mutable_data_ptr<float>(), write_to<Real>(y));
            });
        });
        context->save_for_backward({sums, means, inverses, scale, shift});
        context->saved_data["residual"] = residual.defined();
        context->saved_data["epsilon"] = epsilon;
        context->saved_data["rate"] = rate;
        context->saved_data["key"] = key;
        return y;
    }

    static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                   torch::autograd::variable_list gradients) {
        auto const saved = context->get_saved_variables();
        at::Tensor const& sums = saved[0];
        bool const has_residual = context->saved_data["residual"].toBool();
        double const rate = context->saved_data["rate"].toDouble();
        at::Tensor const gradient = gradients[0].contiguous();
        at::Tensor const x_gradient = at::empty_like(sums);
        at::Tensor const residual_gradient = has_residual && rate > 0 ? at::empty_like(sums) : at::Tensor();
        std::int64_t const width = saved[3].size(0);
        RowBlocks const blocks(sums.size(0));
        at::Tensor const parts = blocks.partial(3, width);
        with_real(sums, [&]<class Real>(Real) {
            auto const kernel = rows<Real>({}, {}, {}, saved[3], saved[4], context->saved_data["epsilon"].toDouble(), rate,
                                           context->saved_data["key"].toInt());
            float* const part = parts.mutable_data_ptr<float>();
            std::int64_t const all = blocks.count() * width;
            blocks.run([&](std::int64_t block, std::int64_t first, std::int64_t end) {
                float* const mine = part + block * width;
                kernel.backward(first, end, read_from<Real>(sums), read_from<float>(saved[1]), read_from<float>(saved[2]),
                                read_from<Real>(gradient), write_to<Real>(x_gradient), write_to<Real>(residual_gradient), mine,
                                mine + all, has_residual ? mine + 2 * all : nullptr);
            });
        });
        at::Tensor const totals = parts.sum(1).to(sums.scalar_type());
        return {x_gradient,
                has_residual ? totals[2] : at::Tensor(),
                !has_residual || residual_gradient.defined() ? residual_gradient : x_gradient,
                totals[0],
                totals[1],
                {},
                {},
                {}};
    }
};

}  // namespace BMAE_KERNELS
}  // namespace detail

#endif   // BMAE_TORCH_DEFINITIONS

/// Normalizes each row to mean 0 and variance 1, then scales and shifts (Ba, Kiros, Hinton: arXiv 1607.06450).
struct LayerNorm {
    at::Tensor weight = {};   ///< [H]
    at::Tensor bias = {};     ///< [H]
    double epsilon = 1e-12;

    LayerNorm() = default;
    LayerNorm(std::int64_t width, double eps) : weight(at::empty({width})), bias(at::empty({width})), epsilon(eps) {}

    at::Tensor operator()(at::Tensor const& x) const;   // [T, H] -> [T, H]

    /// LayerNorm(residual + dropout(x + added)): the end of a residual block.
    /// \param x,residual  [T, H]
    /// \param added       [H] bias of the product x
    /// \returns [T, H]
    at::Tensor after_block(at::Tensor const& x, at::Tensor const& added, at::Tensor const& residual, double rate,
                           ForwardContext& context) const;

    template <class Visit>
    void for_each_parameter(std::string const& prefix, Visit&& visit) {
        visit(prefix + ".weight", weight, ParameterRole::norm_scale);
        visit(prefix + ".bias", bias, ParameterRole::norm_shift);
    }
};

#if BMAE_TORCH_DEFINITIONS

BMAE_INLINE at::Tensor LayerNorm::operator()(at::Tensor const& x) const {
    if (x.dim() == 2 && x.size(1) == weight.size(0) &&
        detail::kernel_path(detail::Operation::layer_norm, x, weight, bias) == detail::Path::rows) {
        return detail::FusedNorm::apply(x, std::optional<at::Tensor>(), std::optional<at::Tensor>(), weight.contiguous(),
                                        bias.contiguous(), epsilon, 0.0, 0);
    }
    return at::layer_norm(x, {weight.size(0)}, weight.to(x.scalar_type()), bias.to(x.scalar_type()), epsilon);
}

BMAE_INLINE at::Tensor LayerNorm::after_block(at::Tensor const& x, at::Tensor const& added, at::Tensor const& residual,
                                              double rate, ForwardContext& context) const {
    bool const fits = x.dim() == 2 && x.sizes() == residual.sizes() && x.size(1) == weight.size(0) &&
                      added.sizes() == weight.sizes();   // LibTorch broadcasts or refuses the others
    if (fits && detail::kernel_path(detail::Operation::layer_norm, x, added, residual, weight, bias) == detail::Path::rows) {
        bool const drops = context.training && rate > 0;
        return detail::FusedNorm::apply(x, std::optional(added), std::optional(residual), weight.contiguous(), bias.contiguous(),
                                        epsilon, drops ? rate : 0.0, drops ? static_cast<std::int64_t>(context.next_key()) : 0);
    }
    return (*this)(residual + dropout(x + added, rate, context));
}

#endif   // BMAE_TORCH_DEFINITIONS

}  // namespace bmae
