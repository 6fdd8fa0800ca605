// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Fused output projection and cross-entropy, which never stores all logits at once.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <utility>

#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/argmax.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/logsumexp.h>
#include <ATen/ops/zeros.h>

#include <bmae/detail/separate.hpp>
#include <bmae/nn/bf16_products.hpp>
#include <bmae/nn/cpu_path.hpp>
#include <bmae/nn/cpu_rows.hpp>
#include <bmae/nn/gather_rows.hpp>
#include <bmae/nn/kernels.hpp>
#include <bmae/values/error.hpp>

#if BMAE_TORCH_DEFINITIONS
#include <torch/csrc/autograd/custom_function.h>
#endif

namespace bmae {

/// The weighted sum of the loss, and the values of each labeled row.
struct RowLosses {
    at::Tensor total = {};     ///< [] sum over rows of weight x cross-entropy; differentiable
    at::Tensor losses = {};    ///< [M] fp32 cross-entropy of each row, detached
    at::Tensor correct = {};   ///< [M] fp32 1 where the label scores highest
};

#if BMAE_TORCH_DEFINITIONS

namespace detail {
inline namespace BMAE_KERNELS {

/// Logits stored at once: 48 million fp32 ones are 192 MB, 1,572 rows of 30,522. Tests lower it.
inline std::int64_t& logits_at_once() noexcept {
    static std::int64_t most = 48'000'000;
    return most;
}

/// Rows of one chunk: all chunks of a run are about equal.
inline std::int64_t chunk_rows(std::int64_t rows, std::int64_t vocabulary) {
    std::int64_t const most = std::max<std::int64_t>(logits_at_once() / std::max<std::int64_t>(vocabulary, 1), 64);
    std::int64_t const chunks = std::max<std::int64_t>((rows + most - 1) / most, 1);
    return std::max<std::int64_t>((rows + chunks - 1) / chunks, 1);
}

/// The losses of one chunk; the logits become their gradient where `differentiate`.
/// \param logits  [c, V] without bias
struct ChunkEntropy {
    at::Tensor const& bias;
    at::Tensor const& labels;        // [c] int64
    at::Tensor const& row_weights;   // [c] fp32
    at::Tensor const& losses;        // [c] fp32, written
    at::Tensor const& correct;       // [c] fp32, written
    bool differentiate;

    /// With LibTorch's operations.
    at::Tensor plain(at::Tensor const& product, at::Tensor& bias_gradient) const {
        at::Tensor const target = labels.unsqueeze(1);              // [c, 1]
        at::Tensor logits = product.to(at::kFloat).add_(bias);      // [c, V]
        at::Tensor normalizer = at::logsumexp(logits, {1}, true);   // [c, 1]
        normalizer.add_(normalizer.sub(normalizer));                // NaN where infinite, as in log_softmax
        losses.copy_((normalizer - logits.gather(1, target)).squeeze(1));
        correct.copy_(logits.argmax(1).eq(labels));
        if (!differentiate) { return {}; }
        at::Tensor const scale = row_weights.unsqueeze(1);
        logits.sub_(normalizer).exp_().mul_(scale);   // d total / d logits
        logits.scatter_add_(1, target, scale.neg());
        bias_gradient.add_(logits.sum(0));
        return logits.to(product.scalar_type());
    }

    /// One kernel per row, which stays in the cache.
    at::Tensor fused(at::Tensor const& logits, at::Tensor& bias_gradient) const {
        std::int64_t const width = logits.size(1);
        RowBlocks const blocks(logits.size(0));
        at::Tensor const parts = differentiate ? blocks.partial(1, width) : at::Tensor();
        with_real(logits, [&]<class Real>(Real) {
            float* const sums = write_to<float>(parts);
            std::int64_t const* const label = labels.const_data_ptr<std::int64_t>();
            float const* const weight = row_weights.const_data_ptr<float>();
            blocks.run([&](std::int64_t block, std::int64_t first, std::int64_t end) {
                for (std::int64_t i = first; i < end; ++i) {
                    RowEntropy const row =
                        cross_entropy_row(write_to<Real>(logits) + i * width, read_from<Real>(bias), width, label[i],
                                          differentiate ? weight + i : nullptr, sums + (differentiate ? block * width : 0));
                    losses.mutable_data_ptr<float>()[i] = row.loss;
                    correct.mutable_data_ptr<float>()[i] = row.correct ? 1.0F : 0.0F;
                }
            });
        });
        if (differentiate) { bias_gradient.add_(parts[0].sum(0)); }
        return logits;
    }
};

/// The gradients are computed with the loss, chunk by chunk, because the chunk's logits are discarded afterwards.
struct LinearCrossEntropy : torch::autograd::Function<LinearCrossEntropy> {
    static torch::autograd::variable_list forward(torch::autograd::AutogradContext* context, at::Tensor const& rows,
                                                  at::Tensor const& weight, at::Tensor const& bias, at::Tensor const& labels,
                                                  at::Tensor const& row_weights, bool differentiate) {
        std::int64_t const count = rows.size(0);
        at::TensorOptions const single = rows.options().dtype(at::kFloat);
        at::Tensor losses = at::empty({count}, single);
        at::Tensor correct = at::empty({count}, single);
        at::Tensor rows_gradient = differentiate ? at::empty_like(rows) : at::Tensor();
        at::Tensor weight_gradient = differentiate ? at::empty_like(weight) : at::Tensor();
        at::Tensor bias_gradient = differentiate ? at::zeros(bias.sizes(), single) : at::Tensor();
        if (differentiate && count == 0) { weight_gradient.zero_(); }
        std::int64_t const step = chunk_rows(count, weight.size(0));
        bool const reduced = weight.scalar_type() != at::kFloat && weight.scalar_type() != at::kDouble;
        at::Tensor const sum = differentiate && reduced && step < count ? at::zeros(weight.sizes(), single) : at::Tensor();
        for (std::int64_t begin = 0; begin < count; begin += step) {
            std::int64_t const size = std::min(step, count - begin);
            at::Tensor const chunk = rows.narrow(0, begin, size);          // [c, H]
            at::Tensor const logits = matrix_product(chunk, weight.t());   // [c, V]
            ChunkEntropy const entropy{bias,
                                       labels.narrow(0, begin, size),
                                       row_weights.narrow(0, begin, size),
                                       losses.narrow(0, begin, size),
                                       correct.narrow(0, begin, size),
                                       differentiate};
            bool const kernels = kernel_path(Operation::cross_entropy, logits, bias) == Path::rows && labels.is_contiguous() &&
                                 row_weights.is_contiguous() && row_weights.scalar_type() == at::kFloat && bias.is_contiguous() &&
                                 bias.numel() == logits.size(1);
            at::Tensor const slope = kernels ? entropy.fused(logits, bias_gradient) : entropy.plain(logits, bias_gradient);
            if (!differentiate) { continue; }
            at::Tensor part = rows_gradient.narrow(0, begin, size);
            multiply_into(part, slope, weight);
            if (begin == 0 || sum.defined()) {
                multiply_into(weight_gradient, slope.t(), chunk);
                if (sum.defined()) { add_chunk(sum, weight_gradient); }
            } else {
                weight_gradient.addmm_(slope.t(), chunk);
            }
        }
        if (sum.defined()) { weight_gradient.copy_(sum); }
        if (differentiate) { context->save_for_backward({rows_gradient, weight_gradient, bias_gradient.to(bias.scalar_type())}); }
        context->mark_non_differentiable({losses, correct});
        return {losses.mul(row_weights).sum(), losses, correct};
    }

    /// sum += part, sum in fp32; `part` is undefined afterwards.
    static void add_chunk(at::Tensor const& sum, at::Tensor const& part) {
        if (kernel_path(Operation::gradient_sum, part) != Path::rows) {
            sum.add_(part);
            return;
        }
        parallel_ranges(sum.numel(), 1 << 18, [&](std::int64_t first, std::int64_t end) {
            add_and_zero(write_to<Bf16>(part) + first, write_to<float>(sum) + first, end - first);
        });
    }

    static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                   torch::autograd::variable_list gradients) {
        auto const saved = context->get_saved_variables();
        at::Tensor const& scale = gradients[0];
        bool const whole = is_on_host(scale) && scale.item<double>() == 1;   // nearly always; the gradient of [V, H] is large
        auto scaled = [&](at::Tensor const& gradient) {
            return whole ? gradient : gradient.mul(scale.to(gradient.scalar_type()));
        };
        return {scaled(saved[0]), scaled(saved[1]), scaled(saved[2]), at::Tensor(), at::Tensor(), at::Tensor()};
    }
};

}  // namespace BMAE_KERNELS
}  // namespace detail

#endif   // BMAE_TORCH_DEFINITIONS

/// Cross-entropy of rows W^T + b against labels, weighted and summed.
/// \param rows         [M, H]
/// \param weight,bias  [V, H], [V]
/// \param labels       [M] int64 in [0, V)
/// \param row_weights  [M] fp32 factor of each row in the total
/// \throws InputError    labels or weights that are not M, a label out of range (on a CPU)
BMAE_INLINE RowLosses linear_cross_entropy(at::Tensor const& rows, at::Tensor const& weight, at::Tensor const& bias,
                                           at::Tensor const& labels, at::Tensor const& row_weights);

#if BMAE_TORCH_DEFINITIONS

BMAE_INLINE RowLosses linear_cross_entropy(at::Tensor const& rows, at::Tensor const& weight, at::Tensor const& bias,
                                           at::Tensor const& labels, at::Tensor const& row_weights) {
    if (labels.numel() != rows.size(0) || row_weights.numel() != rows.size(0)) {
        throw InputError(Diagnostic{
            .file = {},
            .expected = "a label and a weight for each of " + std::to_string(rows.size(0)) + " rows",
            .found = std::to_string(labels.numel()) + " labels and " + std::to_string(row_weights.numel()) + " weights"});
    }
    detail::require_in_range(labels, weight.size(0), "labels");
    bool const differentiate =
        at::GradMode::is_enabled() && (rows.requires_grad() || weight.requires_grad() || bias.requires_grad());
    auto outputs = detail::LinearCrossEntropy::apply(rows, weight, bias, labels, row_weights, differentiate);
    return {.total = outputs[0], .losses = outputs[1], .correct = outputs[2]};
}

#endif   // BMAE_TORCH_DEFINITIONS

}  // namespace bmae
