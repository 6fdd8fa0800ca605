// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// The highest logit of every word over the rows of a text, without holding the logits.
#pragma once

#include <cstdint>
#include <limits>
#include <vector>

#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>
#include <torch/csrc/autograd/custom_function.h>

namespace bmae {

namespace detail {

/// Logits of one text at a time are made, pooled and forgotten. Only the row that won a word gets that word's gradient, so the
/// backward pass costs B x V x H where the logits themselves cost T x V x H.
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
            auto const [values, places] = at::mm(rows.narrow(0, begin, end - begin), weight.t()).max(0);
            pooled[b].copy_(values).add_(bias);
            winners[b].copy_(places).add_(begin);
            read.push_back(b);
        }
        context->save_for_backward({rows, weight, winners});
        context->saved_data["texts"] = read;
        return pooled;
    }

    static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                   torch::autograd::variable_list gradients) {
        auto const saved = context->get_saved_variables();
        at::Tensor const& rows = saved[0];
        at::Tensor const& weight = saved[1];
        at::Tensor rows_gradient = at::zeros_like(rows);
        at::Tensor weight_gradient = at::zeros_like(weight);
        at::Tensor bias_gradient = at::zeros({weight.size(0)}, gradients[0].options());
        for (std::int64_t const b : context->saved_data["texts"].toIntVector()) {
            at::Tensor const slope = gradients[0][b];                              // [V]
            at::Tensor const column = slope.to(rows.scalar_type()).unsqueeze(1);   // [V, 1]
            at::Tensor const winners = saved[2][b];
            rows_gradient.index_add_(0, winners, weight.mul(column));
            weight_gradient.add_(rows.index_select(0, winners).mul_(column));
            bias_gradient.add_(slope);
        }
        return {rows_gradient, weight_gradient, bias_gradient.to(weight.scalar_type()), at::Tensor(), at::Tensor(), at::Tensor()};
    }
};

}  // namespace detail

/// mu_v = max over rows of (row W^T + b)_v, per text (DupMAE, arXiv 2211.08769, equation 5; LexMAE, arXiv 2208.14754).
/// \param rows        [T, H]
/// \param weight,bias [V, H], [V]
/// \param offsets     [B+1]; the first `skip_first` and the last `skip_last` rows of each text are left out
/// \returns           [B, V] fp32; zeros, without gradient, for a text with no row left
inline at::Tensor max_pooled_logits(at::Tensor const& rows, at::Tensor const& weight, at::Tensor const& bias,
                                    std::vector<std::int64_t> const& offsets, std::int64_t skip_first, std::int64_t skip_last) {
    return detail::MaxPooledLogits::apply(rows, weight, bias, offsets, skip_first, skip_last);
}

}  // namespace bmae
