// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Dropout whose mask is a function of (key, element), so that it needs no generator state and no stored mask.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>

#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/mul.h>
#include <torch/csrc/autograd/custom_function.h>

#include <bmae/nn/context.hpp>

namespace bmae {

namespace detail {

/// Writes the mask of `count` elements: 0 with probability `p`, else 1 / (1 - p). One 64-bit hash serves four elements.
template <class Real>
void fill_dropout_mask(Real* mask, std::int64_t count, double p, std::uint64_t key) {
    auto const threshold = static_cast<std::uint64_t>(std::lround(p * 65536.0));
    Real const keep = static_cast<Real>(static_cast<float>(65536.0 / (65536.0 - static_cast<double>(threshold))));
    Real const drop = static_cast<Real>(0.0F);
    for (std::int64_t block = 0; block * 4 < count; ++block) {
        std::uint64_t bits = mix64(key + static_cast<std::uint64_t>(block));
        for (std::int64_t i = block * 4; i < count && i < block * 4 + 4; ++i, bits >>= 16) {
            mask[i] = (bits & 0xffffU) < threshold ? drop : keep;
        }
    }
}

/// The mask as a tensor of the shape and type of `like`.
inline at::Tensor dropout_mask(at::Tensor const& like, double p, std::uint64_t key) {
    at::Tensor mask = at::empty(like.sizes(), like.options().device(at::kCPU));
    if (like.scalar_type() == at::kBFloat16) {
        fill_dropout_mask(mask.mutable_data_ptr<at::BFloat16>(), mask.numel(), p, key);
    } else if (like.scalar_type() == at::kDouble) {
        fill_dropout_mask(mask.mutable_data_ptr<double>(), mask.numel(), p, key);
    } else {
        fill_dropout_mask(mask.mutable_data_ptr<float>(), mask.numel(), p, key);
    }
    return mask.to(like.device());
}

struct KeyedDropout : torch::autograd::Function<KeyedDropout> {
    static at::Tensor forward(torch::autograd::AutogradContext* context, at::Tensor const& x, double p, std::int64_t key) {
        context->saved_data["p"] = p;
        context->saved_data["key"] = key;
        return at::mul(x, dropout_mask(x, p, static_cast<std::uint64_t>(key)));
    }

    static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context, torch::autograd::variable_list gradients) {
        double const p = context->saved_data["p"].toDouble();
        auto const key = static_cast<std::uint64_t>(context->saved_data["key"].toInt());
        at::Tensor const gradient = gradients[0].contiguous();
        return {at::mul(gradient, dropout_mask(gradient, p, key)), at::Tensor(), at::Tensor()};
    }
};

}  // namespace detail

/// Zeroes elements with probability `p` and scales the rest, in training only.                                 x: any shape
inline at::Tensor dropout(at::Tensor const& x, double p, ForwardContext& context) {
    if (!context.training || p <= 0) { return x; }
    return detail::KeyedDropout::apply(x, p, static_cast<std::int64_t>(context.next_key()));
}

}  // namespace bmae
