// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// A gated activation: GeGLU and its relatives.
#pragma once

#include <cstdint>
#include <string>

#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <c10/util/StringUtil.h>

#include <bmae/detail/separate.hpp>
#include <bmae/nn/activation.hpp>
#include <bmae/nn/cpu_path.hpp>
#include <bmae/nn/cpu_rows.hpp>
#include <bmae/nn/kernels.hpp>
#include <bmae/values/error.hpp>
#include <bmae/values/shape.hpp>

namespace bmae {

/// activation(a) b, where the rows of `product` are [a, b]: GeGLU with gelu (Shazeer: GLU Variants Improve Transformer, arXiv
/// 2002.05202, equation 6). The exact gelu is one kernel on a CPU.                                    [T, 2I] -> [T, I]
/// \throws InputError  an odd number of columns
BMAE_INLINE at::Tensor gated_activation(at::Tensor const& product, Activation activation);

}  // namespace bmae

#if BMAE_TORCH_DEFINITIONS

#include <torch/csrc/autograd/custom_function.h>

namespace bmae {

namespace detail {
inline namespace BMAE_KERNELS {

/// y = gelu(a) b for rows [a, b] of 2 x `width`.
template <class Real>
void gated_gelu_rows(Real const* x, std::int64_t width, std::int64_t first, std::int64_t end, Real* y) {
    with_lanes([&](auto level) __attribute__((always_inline)) {
        for (std::int64_t t = first; t < end; ++t) {
            along(level, width, [&](auto read, auto write, std::int64_t) __attribute__((always_inline)) {
                auto const value = read(x + 2 * t * width);
                write(y + t * width, value * normal_at(value).cumulative * read(x + 2 * t * width + width));
            });
        }
    });
}

template <class Real>
void gated_gelu_rows_backward(Real const* x, Real const* gradient, std::int64_t width, std::int64_t first, std::int64_t end,
                              Real* x_gradient) {
    with_lanes([&](auto level) __attribute__((always_inline)) {
        for (std::int64_t t = first; t < end; ++t) {
            std::int64_t const at = 2 * t * width;
            along(level, width, [&](auto read, auto write, std::int64_t) __attribute__((always_inline)) {
                auto const value = read(x + at);
                auto const normal = normal_at(value);
                auto const slope = read(gradient + t * width);
                write(x_gradient + at, slope * read(x + at + width) * normal.slope);
                write(x_gradient + at + width, slope * (value * normal.cumulative));
            });
        }
    });
}

/// gelu(a) b and its gradients, one kernel each; only [a, b] is kept.
struct GatedGelu : torch::autograd::Function<GatedGelu> {
    static at::Tensor forward(torch::autograd::AutogradContext* context, at::Tensor const& product) {
        at::Tensor const x = product.contiguous();
        std::int64_t const width = x.size(1) / 2;
        at::Tensor y = at::empty({x.size(0), width}, x.options());
        with_real(x, [&]<class Real>(Real) {
            RowBlocks(x.size(0)).run([&](std::int64_t, std::int64_t first, std::int64_t end) {
                gated_gelu_rows(read_from<Real>(x), width, first, end, write_to<Real>(y));
            });
        });
        context->save_for_backward({x});
        return y;
    }

    static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                   torch::autograd::variable_list gradients) {
        at::Tensor const x = context->get_saved_variables()[0];
        at::Tensor const gradient = gradients[0].contiguous();
        at::Tensor x_gradient = at::empty_like(x);
        with_real(x, [&]<class Real>(Real) {
            RowBlocks(x.size(0)).run([&](std::int64_t, std::int64_t first, std::int64_t end) {
                gated_gelu_rows_backward(read_from<Real>(x), read_from<Real>(gradient), x.size(1) / 2, first, end,
                                         write_to<Real>(x_gradient));
            });
        });
        return {x_gradient};
    }
};

}  // namespace BMAE_KERNELS
}  // namespace detail

BMAE_INLINE at::Tensor gated_activation(at::Tensor const& product, Activation activation) {
    if (product.dim() != 2 || product.size(1) % 2 != 0) {
        throw InputError(Diagnostic{
            .file = {}, .expected = "rows of two halves of one width, value and gate", .found = c10::str(product.sizes())});
    }
    if (activation == Activation::gelu && detail::has_row_kernels(product)) { return detail::GatedGelu::apply(product); }
    std::int64_t const width = product.size(1) / 2;
    return activate(product.narrow(1, 0, width), activation) * product.narrow(1, width, width);
}

}  // namespace bmae

#endif   // BMAE_TORCH_DEFINITIONS
