// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Dropout whose mask is a function of (key, element), so that it needs no generator state and no stored mask.
#pragma once

#include <cstdint>

#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/mul.h>

#include <bmae/detail/separate.hpp>
#include <bmae/nn/context.hpp>
#include <bmae/nn/cpu_path.hpp>
#include <bmae/nn/cpu_rows.hpp>
#include <bmae/nn/device_masks.hpp>
#include <bmae/nn/kernels.hpp>

#if BMAE_TORCH_DEFINITIONS
#include <torch/csrc/autograd/custom_function.h>
#endif

namespace bmae {

#if BMAE_TORCH_DEFINITIONS

namespace detail {
inline namespace BMAE_KERNELS {

/// The mask as a tensor of the shape and type of `like`: 0 with probability `p`, else 1 / (1 - p).
inline at::Tensor dropout_mask(at::Tensor const& like, double p, std::uint64_t key) {
    if (!is_on_host(like)) { return keyed_factors(like, p, key); }
    at::Tensor const mask = at::empty(like.sizes(), at::kFloat);
    parallel_ranges(mask.numel(), 16 * mask_block, [&](std::int64_t first, std::int64_t end) {
        mask_elements(DropoutSite::make(p, key), first, end, write_to<float>(mask) + first);
    });
    return mask.to(like.scalar_type());
}

/// x times its mask, without storing the mask where there are kernels.
inline at::Tensor masked(at::Tensor const& x, double p, std::uint64_t key) {
    Path const path = kernel_path(Operation::dropout, x);
    if (path == Path::device) { return device_dropout(x, p, key); }
    if (path == Path::libtorch) { return at::mul(x, dropout_mask(x, p, key)); }
    at::Tensor y = at::empty_like(x);
    with_real(x, [&]<class Real>(Real) {
        parallel_ranges(x.numel(), 16 * mask_block, [&](std::int64_t first, std::int64_t end) {
            drop_elements(DropoutSite::make(p, key), first, end, read_from<Real>(x), write_to<Real>(y));
        });
    });
    return y;
}

struct KeyedDropout : torch::autograd::Function<KeyedDropout> {
    static at::Tensor forward(torch::autograd::AutogradContext* context, at::Tensor const& x, double p, std::int64_t key) {
        context->saved_data["p"] = p;
        context->saved_data["key"] = key;
        return masked(x.contiguous(), p, static_cast<std::uint64_t>(key));
    }

    static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                   torch::autograd::variable_list gradients) {
        double const p = context->saved_data["p"].toDouble();
        auto const key = static_cast<std::uint64_t>(context->saved_data["key"].toInt());
        return {masked(gradients[0].contiguous(), p, key), at::Tensor(), at::Tensor()};
    }
};

}  // namespace BMAE_KERNELS
}  // namespace detail

#endif   // BMAE_TORCH_DEFINITIONS

/// Zeroes elements with probability `p` and scales the rest, in training only.                                 x: any shape
BMAE_INLINE at::Tensor dropout(at::Tensor const& x, double p, ForwardContext& context);

#if BMAE_TORCH_DEFINITIONS

BMAE_INLINE at::Tensor dropout(at::Tensor const& x, double p, ForwardContext& context) {
    if (!context.training || p <= 0) { return x; }
    return detail::KeyedDropout::apply(x, p, static_cast<std::int64_t>(context.next_key()));
}

#endif   // BMAE_TORCH_DEFINITIONS

}  // namespace bmae
