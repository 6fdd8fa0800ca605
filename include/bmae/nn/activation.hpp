// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// The activations that BERT configurations name.
#pragma once

#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/gelu.h>
#include <ATen/ops/relu.h>

#include <bmae/detail/separate.hpp>
#include <bmae/nn/cpu_path.hpp>
#include <bmae/nn/cpu_rows.hpp>
#include <bmae/nn/kernels.hpp>
#include <bmae/values/shape.hpp>

#if BMAE_TORCH_DEFINITIONS
#include <torch/csrc/autograd/custom_function.h>
#endif

namespace bmae {

/// Elementwise.                                                                              any shape -> same shape
BMAE_INLINE at::Tensor activate(at::Tensor const& x, Activation activation);

#if BMAE_TORCH_DEFINITIONS

BMAE_INLINE at::Tensor activate(at::Tensor const& x, Activation activation) {
    switch (activation) {
        case Activation::relu:
            return at::relu(x);
        case Activation::gelu_tanh:
            return at::gelu(x, "tanh");
        case Activation::gelu:
            break;
    }
    return at::gelu(x);
}

#endif   // BMAE_TORCH_DEFINITIONS

#if BMAE_TORCH_DEFINITIONS

namespace detail {
inline namespace BMAE_KERNELS {

/// gelu(x + bias) and its gradients, one kernel each.
struct BiasedGelu : torch::autograd::Function<BiasedGelu> {
    static at::Tensor forward(torch::autograd::AutogradContext* context, at::Tensor const& product, at::Tensor const& bias) {
        at::Tensor const x = product.contiguous();
        at::Tensor const b = bias.contiguous();
        at::Tensor y = at::empty_like(x);
        with_real(x, [&]<class Real>(Real) {
            RowBlocks(x.size(0)).run([&](std::int64_t, std::int64_t first, std::int64_t end) {
                gelu_rows(read_from<Real>(x), read_from<Real>(b), x.size(1), first, end, write_to<Real>(y));
            });
        });
        context->save_for_backward({x, b});
        return y;
    }

    static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                   torch::autograd::variable_list gradients) {
        auto const saved = context->get_saved_variables();
        at::Tensor const& x = saved[0];
        at::Tensor const gradient = gradients[0].contiguous();
        at::Tensor x_gradient = at::empty_like(x);
        RowBlocks const blocks(x.size(0));
        at::Tensor const parts = blocks.partial(1, x.size(1));
        with_real(x, [&]<class Real>(Real) {
            float* const sums = parts.mutable_data_ptr<float>();
            blocks.run([&](std::int64_t block, std::int64_t first, std::int64_t end) {
                gelu_rows_backward(read_from<Real>(x), read_from<Real>(saved[1]), read_from<Real>(gradient), x.size(1), first,
                                   end, write_to<Real>(x_gradient), sums + block * x.size(1));
            });
        });
        return {x_gradient, parts[0].sum(0).to(x.scalar_type())};
    }
};

}  // namespace BMAE_KERNELS
}  // namespace detail

#endif   // BMAE_TORCH_DEFINITIONS

/// activate(x + bias); the exact gelu in one kernel on a CPU.                                 x: [T, H], bias: [H] -> [T, H]
BMAE_INLINE at::Tensor activate(at::Tensor const& x, at::Tensor const& bias, Activation activation);

#if BMAE_TORCH_DEFINITIONS

BMAE_INLINE at::Tensor activate(at::Tensor const& x, at::Tensor const& bias, Activation activation) {
    if (activation == Activation::gelu && x.dim() == 2 && bias.dim() == 1 && bias.size(0) == x.size(1) &&
        detail::kernel_path(detail::Operation::gelu, x, bias) == detail::Path::rows) {
        return detail::BiasedGelu::apply(x, bias);
    }
    return activate(x + bias, activation);
}

#endif   // BMAE_TORCH_DEFINITIONS

}  // namespace bmae
