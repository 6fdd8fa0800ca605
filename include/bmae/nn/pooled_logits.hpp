// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// The highest logit of every token over the rows of a text, without storing the logits.
#pragma once

#include <cstdint>
#include <limits>
#include <utility>
#include <vector>

#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>

#include <bmae/detail/separate.hpp>
#include <bmae/nn/bf16_products.hpp>
#include <bmae/nn/cpu_path.hpp>
#include <bmae/nn/cpu_winners.hpp>
#include <bmae/nn/kernels.hpp>

#if BMAE_TORCH_DEFINITIONS
#include <torch/csrc/autograd/custom_function.h>
#endif

namespace bmae {

#if BMAE_TORCH_DEFINITIONS

namespace detail {
inline namespace BMAE_KERNELS {

/// Logits are computed and pooled one text at a time. Only the row of a token's maximum gets its gradient, so the
/// backward pass costs B x V x H where the logits themselves cost T x V x H. Its sums over texts and over tokens are fp32.
struct MaxPooledLogits : torch::autograd::Function<MaxPooledLogits> {
    static at::Tensor forward(torch::autograd::AutogradContext* context, at::Tensor const& rows, at::Tensor const& weight,
                              at::Tensor const& bias, std::vector<std::int64_t> const& offsets, std::int64_t skip_first,
                              std::int64_t skip_last) {
        auto const texts = static_cast<std::int64_t>(offsets.size()) - 1;
        at::Tensor pooled = at::zeros({texts, weight.size(0)}, rows.options().dtype(at::kFloat));
        at::Tensor winners = at::zeros({texts, weight.size(0)}, rows.options().dtype(at::kLong));
        std::vector<std::int64_t> read;   // texts with a row to pool
        for (std::int64_t b = 0; b < texts; ++b) {
            std::int64_t const begin = offsets[static_cast<std::size_t>(b)] + skip_first;
            std::int64_t const end = offsets[static_cast<std::size_t>(b) + 1] - skip_last;
            if (begin >= end) { continue; }
            auto const [values, places] = matrix_product(rows.narrow(0, begin, end - begin), weight.t()).max(0);
            pooled[b].copy_(values).add_(bias);
            winners[b].copy_(places).add_(begin);
            read.push_back(b);
        }
        context->save_for_backward({rows, weight, winners});
        context->saved_data["texts"] = read;
        context->saved_data["offsets"] = offsets;
        return pooled;
    }

    static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                   torch::autograd::variable_list gradients) {
        auto const saved = context->get_saved_variables();
        at::Tensor const& rows = saved[0];
        at::Tensor const& weight = saved[1];
        std::vector<std::int64_t> const texts = context->saved_data["texts"].toIntVector();
        at::Tensor bias_gradient = at::zeros({weight.size(0)}, gradients[0].options());
        for (std::int64_t const b : texts) { bias_gradient.add_(gradients[0][b]); }
        auto [rows_gradient, weight_gradient] =
            kernel_path(Operation::pooled_logits, rows, weight) == Path::rows
                ? fused(rows, weight, saved[2], gradients[0], texts, context->saved_data["offsets"].toIntVector())
                : plain(rows, weight, saved[2], gradients[0], texts);
        return {rows_gradient, weight_gradient, bias_gradient.to(weight.scalar_type()), at::Tensor(), at::Tensor(), at::Tensor()};
    }

private:
    using Gradients = std::pair<at::Tensor, at::Tensor>;   // of rows [T, H], of weight [V, H]

    /// With LibTorch's operations.
    static Gradients plain(at::Tensor const& rows, at::Tensor const& weight, at::Tensor const& winners, at::Tensor const& slopes,
                           std::vector<std::int64_t> const& texts) {
        auto const options = slopes.options().dtype(rows.scalar_type() == at::kDouble ? at::kDouble : at::kFloat);
        at::Tensor const wide = weight.to(options);
        at::Tensor rows_gradient = at::zeros(rows.sizes(), options);
        at::Tensor weight_gradient = at::zeros(weight.sizes(), options);
        for (std::int64_t const b : texts) {
            at::Tensor const column = slopes[b].to(options).unsqueeze(1);   // [V, 1]
            rows_gradient.index_add_(0, winners[b], wide.mul(column));
            weight_gradient.add_(rows.index_select(0, winners[b]).to(options).mul(column));
        }
        return {rows_gradient.to(rows.scalar_type()), weight_gradient.to(weight.scalar_type())};
    }

    /// One kernel per row and token, without temporaries of [V, H].
    static Gradients fused(at::Tensor const& all_rows, at::Tensor const& matrix, at::Tensor const& winners,
                           at::Tensor const& gradient, std::vector<std::int64_t> const& texts,
                           std::vector<std::int64_t> const& offsets) {
        at::Tensor const rows = all_rows.contiguous();
        at::Tensor const weight = matrix.contiguous();
        at::Tensor const slopes = gradient.contiguous();
        at::Tensor const rows_gradient = at::zeros(rows.sizes(), rows.options());
        at::Tensor const weight_gradient = at::empty(weight.sizes(), weight.options());
        with_real(rows, [&]<class Real>(Real) {
            WonWords<Real> const won{.rows = read_from<Real>(rows),
                                     .weight = read_from<Real>(weight),
                                     .winners = read_from<std::int64_t>(winners),
                                     .slopes = read_from<float>(slopes),
                                     .texts = texts.data(),
                                     .count = static_cast<std::int64_t>(texts.size()),
                                     .vocabulary = weight.size(0),
                                     .width = weight.size(1)};
            auto* const weight_out = write_to<Real>(weight_gradient);
            auto* const rows_out = write_to<Real>(rows_gradient);
            parallel_ranges(won.vocabulary, 64,
                            [&](std::int64_t first, std::int64_t end) { won.weight_gradient(first, end, weight_out); });
            std::int64_t const parts = (won.width + won.part - 1) / won.part;
            parallel_blocks(won.count * parts, [&](std::int64_t task) {
                auto const b = static_cast<std::size_t>(texts[static_cast<std::size_t>(task / parts)]);
                won.rows_gradient(static_cast<std::int64_t>(b), offsets[b], offsets[b + 1], task % parts * won.part, rows_out);
            });
        });
        return {rows_gradient, weight_gradient};
    }
};

}  // namespace BMAE_KERNELS
}  // namespace detail

#endif   // BMAE_TORCH_DEFINITIONS

/// mu_v = max over rows of (row W^T + b)_v, per text (DupMAE, arXiv 2211.08769, equation 5; LexMAE, arXiv 2208.14754).
/// \param rows        [T, H]
/// \param weight,bias [V, H], [V]
/// \param offsets     [B+1]; the first `skip_first` and the last `skip_last` rows of each text are left out
/// \returns           [B, V] fp32; zeros, without gradient, for a text with no row left
BMAE_INLINE at::Tensor max_pooled_logits(at::Tensor const& rows, at::Tensor const& weight, at::Tensor const& bias,
                                         std::vector<std::int64_t> const& offsets, std::int64_t skip_first,
                                         std::int64_t skip_last);

#if BMAE_TORCH_DEFINITIONS

BMAE_INLINE at::Tensor max_pooled_logits(at::Tensor const& rows, at::Tensor const& weight, at::Tensor const& bias,
                                         std::vector<std::int64_t> const& offsets, std::int64_t skip_first,
                                         std::int64_t skip_last) {
    return detail::MaxPooledLogits::apply(rows, weight, bias, offsets, skip_first, skip_last);
}

#endif   // BMAE_TORCH_DEFINITIONS

}  // namespace bmae
