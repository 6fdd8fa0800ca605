// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Rows of a table by number: checked, and with a gradient that is summed in fp32.
#pragma once

#include <cstdint>
#include <string>
#include <tuple>

#include <ATen/core/Tensor.h>
#include <ATen/ops/_unique2.h>
#include <ATen/ops/embedding.h>
#include <ATen/ops/embedding_dense_backward.h>
#include <ATen/ops/zeros.h>
#include <torch/csrc/autograd/custom_function.h>

#include <bmae/values/error.hpp>

namespace bmae {

namespace detail {

/// Refuses a number outside [0, count) among `numbers`, int64 of any shape. On a GPU nothing is read: its kernels check.
/// \param what  plural: "token ids"
inline void require_in_range(at::Tensor const& numbers, std::int64_t count, std::string const& what) {
    if (!numbers.is_cpu()) { return; }
    at::Tensor const flat = numbers.contiguous();
    std::int64_t const* const value = flat.const_data_ptr<std::int64_t>();
    std::int64_t const size = flat.numel();
    bool outside = false;   // no early end: so the loop is vectorised
    for (std::int64_t i = 0; i < size; ++i) {
        outside |= static_cast<std::uint64_t>(value[i]) >= static_cast<std::uint64_t>(count);
    }
    for (std::int64_t i = 0; outside && i < size; ++i) {
        if (value[i] < 0 || value[i] >= count) {
            throw InputError(
                Diagnostic{.file = {},
                           .expected = what + " from 0 to " + std::to_string(count - 1),
                           .found = std::to_string(value[i]) + " at place " + std::to_string(i),
                           .hint = "They must come from the vocabulary and the lengths that the model was built for."});
        }
    }
}

/// LibTorch's look-up, whose gradient it sums on a CPU in the table's own number format: in bf16, 257 equal terms are 256.
struct GatheredRows : torch::autograd::Function<GatheredRows> {
    static at::Tensor forward(torch::autograd::AutogradContext* context, at::Tensor const& table, at::Tensor const& numbers) {
        context->save_for_backward({numbers});
        context->saved_data["rows"] = table.size(0);
        return at::embedding(table, numbers);
    }

    static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                   torch::autograd::variable_list gradients) {
        at::Tensor const numbers = context->get_saved_variables()[0];
        at::Tensor const& gradient = gradients[0];
        std::int64_t const rows = context->saved_data["rows"].toInt();
        bool const wide = gradient.scalar_type() == at::kFloat || gradient.scalar_type() == at::kDouble;
        if (wide || !gradient.is_cpu()) { return {at::embedding_dense_backward(gradient, numbers, rows, -1, false), {}}; }
        auto const [some, place, counts] = at::_unique2(numbers, /*sorted=*/true, /*return_inverse=*/true);
        at::Tensor sums = at::zeros({some.size(0), gradient.size(-1)}, gradient.options().dtype(at::kFloat));
        sums.index_add_(0, place.reshape({-1}), gradient.reshape({-1, gradient.size(-1)}).to(at::kFloat));
        return {at::zeros({rows, gradient.size(-1)}, gradient.options()).index_copy_(0, some, sums.to(gradient.scalar_type())),
                {}};
    }
};

}  // namespace detail

/// Rows of `table` by number; a number may come many times, and its gradients are summed in fp32.
/// \param table    [N, E]
/// \param numbers  [T] int64 in [0, N)
/// \param what     names them in an error, in the plural: "token ids"
/// \returns        [T, E]
/// \throws InputError  a number out of range (on a CPU)
inline at::Tensor gather_rows(at::Tensor const& table, at::Tensor const& numbers, std::string const& what) {
    detail::require_in_range(numbers, table.size(0), what);
    return detail::GatheredRows::apply(table, numbers);
}

}  // namespace bmae
