// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Rows of a table by index: checked, and with a gradient that is summed in fp32.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <numeric>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>
#include <ATen/ops/embedding.h>
#include <ATen/ops/embedding_dense_backward.h>
#include <ATen/ops/zeros.h>

#include <bmae/detail/separate.hpp>
#include <bmae/nn/cpu_path.hpp>
#include <bmae/nn/cpu_rows.hpp>
#include <bmae/nn/kernels.hpp>
#include <bmae/values/error.hpp>

#if BMAE_TORCH_DEFINITIONS
#include <torch/csrc/autograd/custom_function.h>
#endif

namespace bmae {

namespace detail {

/// Refuses an index outside [0, count) in `numbers`, int64 of any shape. On a GPU this is left to its kernels.
/// \param what  plural: "token ids"
BMAE_INLINE void require_in_range(at::Tensor const& numbers, std::int64_t count, std::string const& what);

#if BMAE_TORCH_DEFINITIONS

BMAE_INLINE void require_in_range(at::Tensor const& numbers, std::int64_t count, std::string const& what) {
    if (!is_on_host(numbers)) { return; }
    at::Tensor const flat = numbers.contiguous();
    std::int64_t const* const value = flat.const_data_ptr<std::int64_t>();
    std::int64_t const size = flat.numel();
    bool outside = false;   // no early end: so the loop is vectorized
    for (std::int64_t i = 0; i < size; ++i) {
        outside |= static_cast<std::uint64_t>(value[i]) >= static_cast<std::uint64_t>(count);
    }
    for (std::int64_t i = 0; outside && i < size; ++i) {
        if (value[i] < 0 || value[i] >= count) {
            throw InputError(
                Diagnostic{.file = {},
                           .expected = what + " from 0 to " + std::to_string(count - 1),
                           .found = std::to_string(value[i]) + " at index " + std::to_string(i),
                           .hint = "They must come from the vocabulary and the lengths that the model was built for."});
        }
    }
}

#endif   // BMAE_TORCH_DEFINITIONS

#if BMAE_TORCH_DEFINITIONS

inline namespace BMAE_KERNELS {

/// The gradient of a look-up in a table of `rows` rows, bf16 on a CPU, where LibTorch adds in bf16: 257 equal terms are 256.
/// \param gradient  [T, E] contiguous
/// \param numbers   [T] contiguous
/// \returns         [rows, E]
inline at::Tensor sum_by_number(at::Tensor const& gradient, at::Tensor const& numbers, std::int64_t rows) {
    std::int64_t const width = gradient.size(1);
    std::int64_t const* const number = read_from<std::int64_t>(numbers);
    std::vector<std::int64_t> order(static_cast<std::size_t>(numbers.numel()));
    std::iota(order.begin(), order.end(), std::int64_t{0});
    std::ranges::stable_sort(order, std::less<>(), [&](std::int64_t i) { return number[i]; });
    std::vector<std::size_t> begins;   // of the positions in `order` with one index
    for (std::size_t i = 0; i < order.size(); ++i) {
        if (i == 0 || number[order[i]] != number[order[i - 1]]) { begins.push_back(i); }
    }
    begins.push_back(order.size());
    at::Tensor const result = at::zeros({rows, width}, gradient.options());
    auto const* const from = read_from<Bf16>(gradient);
    auto* const to = write_to<Bf16>(result);
    parallel_ranges(static_cast<std::int64_t>(begins.size()) - 1, 64, [&](std::int64_t first, std::int64_t end) {
        for (auto group = static_cast<std::size_t>(first); group < static_cast<std::size_t>(end); ++group) {
            std::int64_t const* const places = order.data() + begins[group];
            sum_rows(from, places, static_cast<std::int64_t>(begins[group + 1] - begins[group]), width,
                     to + number[*places] * width);
        }
    });
    return result;
}

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
        if (kernel_path(Operation::look_up, gradient) == Path::rows) {
            return {sum_by_number(gradient.contiguous(), numbers.contiguous(), rows), {}};
        }
        return {at::embedding_dense_backward(gradient, numbers, rows, -1, false), {}};
    }
};

}  // namespace BMAE_KERNELS

#endif   // BMAE_TORCH_DEFINITIONS
}  // namespace detail

/// Rows of `table` by index; gradients of repeated indices are summed in fp32.
/// \param table    [N, E]
/// \param numbers  [T] int64 in [0, N)
/// \param what     plural name for messages: "token ids"
/// \returns        [T, E]
/// \throws InputError  an index out of range (on a CPU)
BMAE_INLINE at::Tensor gather_rows(at::Tensor const& table, at::Tensor const& numbers, std::string const& what);

#if BMAE_TORCH_DEFINITIONS

BMAE_INLINE at::Tensor gather_rows(at::Tensor const& table, at::Tensor const& numbers, std::string const& what) {
    detail::require_in_range(numbers, table.size(0), what);
    return detail::GatheredRows::apply(table, numbers);
}

#endif   // BMAE_TORCH_DEFINITIONS

}  // namespace bmae
