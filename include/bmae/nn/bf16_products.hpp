// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Products of bf16 matrices on every processor.
///
/// LibTorch multiplies bf16 on a CPU by oneDNN, which has kernels for AVX-512. On an x86 processor without it (AMD before Zen 4, most of
/// Intel's for desktops) LibTorch 2.13 multiplies number by number, 6 to 80 times slower than in fp32. There the rows and weights are
/// widened, multiplied as fp32 and the results rounded to bf16: the sums are fp32, as in the kernels for bf16.
#pragma once

#include <optional>

#include <ATen/core/Tensor.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/mm.h>

#include <bmae/detail/separate.hpp>
#include <bmae/nn/cpu_lanes.hpp>

#if BMAE_TORCH_DEFINITIONS
#include <torch/csrc/autograd/custom_function.h>
#endif

namespace bmae::detail {

/// Whether bf16 matrices on a CPU are widened to be multiplied: true where the processor lacks AVX-512. Tests change it to compare.
BMAE_INLINE bool& widens_bf16();

/// x W^T + b, with its gradients, in the number format of `x`.
/// \param x       [..., in]
/// \param weight  [out, in], of the same format
/// \param bias    [out] or undefined
/// \returns       [..., out]
BMAE_INLINE at::Tensor affine(at::Tensor const& x, at::Tensor const& weight, at::Tensor const& bias = {});

/// A B, batched as by at::matmul, in the number format of both.
BMAE_INLINE at::Tensor matrix_product(at::Tensor const& left, at::Tensor const& right);

/// out = A B for [n, k] and [k, m], without a gradient.
BMAE_INLINE void multiply_into(at::Tensor& out, at::Tensor const& left, at::Tensor const& right);

#if BMAE_TORCH_DEFINITIONS

BMAE_INLINE bool& widens_bf16() {
#if defined(__x86_64__)
    static bool widens = !has_avx512();
#else
    static bool widens = false;   // ARM's kernels are not measured
#endif
    return widens;
}

inline bool is_widened(at::Tensor const& x) { return x.scalar_type() == at::kBFloat16 && x.is_cpu() && widens_bf16(); }

/// x W^T + b computed in fp32. What is stored for the backward pass stays bf16.
struct WidenedAffine : torch::autograd::Function<WidenedAffine> {
    static at::Tensor forward(torch::autograd::AutogradContext* context, at::Tensor const& x, at::Tensor const& weight,
                              std::optional<at::Tensor> const& bias) {
        context->save_for_backward({x, weight});
        context->saved_data["has_bias"] = bias.has_value();
        std::optional<at::Tensor> const added = bias ? std::optional(bias->to(at::kFloat)) : std::nullopt;
        return at::linear(x.to(at::kFloat), weight.to(at::kFloat), added).to(x.scalar_type());
    }

    static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                   torch::autograd::variable_list gradients) {
        auto const saved = context->get_saved_variables();
        at::Tensor const& x = saved[0];
        at::Tensor const& weight = saved[1];
        at::Tensor const slopes = gradients[0].to(at::kFloat);          // [..., out]
        at::Tensor const rows = slopes.reshape({-1, weight.size(0)});   // [T, out]
        torch::autograd::variable_list results(3);
        if (context->needs_input_grad(0)) { results[0] = at::matmul(slopes, weight.to(at::kFloat)).to(x.scalar_type()); }
        if (context->needs_input_grad(1)) {
            results[1] = at::matmul(rows.t(), x.reshape({-1, weight.size(1)}).to(at::kFloat)).to(weight.scalar_type());
        }
        if (context->saved_data["has_bias"].toBool() && context->needs_input_grad(2)) {
            results[2] = rows.sum(0).to(weight.scalar_type());
        }
        return results;
    }
};

BMAE_INLINE at::Tensor affine(at::Tensor const& x, at::Tensor const& weight, at::Tensor const& bias) {
    if (is_widened(x)) { return WidenedAffine::apply(x, weight, bias.defined() ? std::optional(bias) : std::nullopt); }
    return bias.defined() ? at::linear(x, weight, bias) : at::linear(x, weight);
}

BMAE_INLINE at::Tensor matrix_product(at::Tensor const& left, at::Tensor const& right) {
    if (!is_widened(left)) { return at::matmul(left, right); }
    return at::matmul(left.to(at::kFloat), right.to(at::kFloat)).to(left.scalar_type());
}

BMAE_INLINE void multiply_into(at::Tensor& out, at::Tensor const& left, at::Tensor const& right) {
    if (is_widened(left)) {
        out.copy_(at::mm(left.to(at::kFloat), right.to(at::kFloat)));
    } else {
        at::mm_out(out, left, right);
    }
}

#endif   // BMAE_TORCH_DEFINITIONS

}  // namespace bmae::detail
