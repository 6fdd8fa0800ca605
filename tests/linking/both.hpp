// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// What a file compiled with optimization and one compiled without it compute in one program.
#pragma once

#include <cstdint>
#include <string>
#include <typeinfo>
#include <vector>

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/randn.h>

#include <bmae/nn/activation.hpp>
#include <bmae/nn/attention.hpp>
#include <bmae/nn/dropout.hpp>
#include <bmae/nn/layer_norm.hpp>
#include <bmae/nn/linear_cross_entropy.hpp>
#include <bmae/nn/pooled_logits.hpp>

namespace linking {

struct Results {
    bool has_kernels;
    std::vector<std::string> names;   // of types with another body with kernels than without
    std::vector<at::Tensor> tensors;
};

Results optimized();
Results unoptimized();

namespace {   // each file has its own

at::Tensor normal(std::vector<std::int64_t> const& shape, std::uint64_t seed) {
    return at::randn(shape, at::make_generator<at::CPUGeneratorImpl>(seed), at::TensorOptions(at::kFloat)).requires_grad_();
}

Results compute() {
    using namespace bmae;
    Results results{.has_kernels = detail::has_lanes,
                    .names = {typeid(detail::FusedNorm).name(), typeid(detail::BiasedGelu).name(),
                              typeid(detail::PackedAttention).name(), typeid(detail::KeyedDropout).name(),
                              typeid(detail::LinearCrossEntropy).name(), typeid(detail::MaxPooledLogits).name(),
                              typeid(detail::NormRows<float>).name(), typeid(detail::HeadAttention<float>).name()},
                    .tensors = {}};
    at::Tensor const x = normal({9, 24}, 1);
    at::Tensor const bias = normal({24}, 2);
    at::Tensor const residual = normal({9, 24}, 3);
    at::Tensor const table = normal({30, 24}, 4);
    at::Tensor const table_bias = normal({30}, 5);
    LayerNorm norm(24, 1e-12);
    norm.weight = normal({24}, 6);
    norm.bias = normal({24}, 7);
    PackedInput input;
    input.offsets = {0, 4, 9};
    ForwardContext context{.training = true, .seed = 8};
    at::Tensor const mixed = packed_attention(x, residual, x, input, {.heads = 2, .dropout = .1}, context);
    at::Tensor const rows =
        dropout(activate(norm(norm.after_block(mixed, bias, residual, .1, context)), bias, Activation::gelu), .1, context);
    at::Tensor const loss =
        linear_cross_entropy(rows, table, table_bias, at::arange(9, at::kLong), at::ones({9}, at::kFloat)).total;
    at::Tensor const pooled = max_pooled_logits(rows, table, table_bias, input.offsets, 1, 0);
    (loss + pooled.sum()).backward();
    results.tensors = {mixed.detach(), rows.detach(), loss.detach(), pooled.detach()};
    for (at::Tensor const& leaf : {x, bias, residual, table, table_bias, norm.weight, norm.bias}) {
        results.tensors.push_back(leaf.grad());
    }
    return results;
}

}  // namespace
}  // namespace linking
