// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Packed views to tensors on a device.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>

#include <bmae/batch/packed_batch.hpp>
#include <bmae/values/packed_input.hpp>

namespace bmae {

namespace detail {

/// [n] copy of numbers as `To` on `device`; to a GPU from pinned memory, so that the host does not wait for the copy.
template <class To, class Numbers>
at::Tensor sent(Numbers const& values, at::Device device) {
    at::TensorOptions const options =
        at::TensorOptions().dtype(c10::CppTypeToScalarType<To>::value).pinned_memory(device.is_cuda());
    at::Tensor tensor = at::empty({static_cast<std::int64_t>(values.size())}, options);
    std::ranges::transform(values, tensor.mutable_data_ptr<To>(), [](auto value) { return static_cast<To>(value); });
    return tensor.to(device, /*non_blocking=*/true);
}

/// The same as int64.
template <class T>
at::Tensor int64_tensor(std::vector<T> const& values, at::Device device) {
    return sent<std::int64_t>(values, device);
}

}  // namespace detail

/// Copies `view` to `device`. The result refers to `view.visibility`, so `view` must outlive it. A view of `append_input` has no labels.
inline PackedInput to_tensors(PackedView const& view, at::Device device = at::kCPU) {
    PackedInput input;
    bool const only_encoded = view.labels.empty() && view.tokens() != 0;
    input.offsets = view.offsets;
    input.special = view.special;
    input.bounds = detail::sent<std::int32_t>(view.offsets, device);
    input.input_ids = detail::int64_tensor(view.input_ids, device);
    input.original_ids =
        only_encoded || view.original_ids == view.input_ids ? input.input_ids : detail::int64_tensor(view.original_ids, device);
    input.positions = detail::int64_tensor(view.positions, device);
    if (!view.token_types.empty()) { input.token_types = detail::int64_tensor(view.token_types, device); }
    input.first_rows = detail::int64_tensor(std::vector<std::int64_t>(view.offsets.begin(), view.offsets.end() - 1), device);
    std::vector<std::int64_t> text_of_row;
    text_of_row.reserve(view.tokens());
    std::vector<std::int64_t> label_rows;
    std::vector<std::int64_t> labels;
    for (std::size_t b = 0; b + 1 < view.offsets.size(); ++b) {
        text_of_row.resize(static_cast<std::size_t>(view.offsets[b + 1]), static_cast<std::int64_t>(b));
    }
    for (std::size_t row = 0; row < view.labels.size(); ++row) {
        if (view.labels[row] == ignored_label) { continue; }
        label_rows.push_back(static_cast<std::int64_t>(row));
        labels.push_back(view.labels[row]);
    }
    input.text_of_row = detail::int64_tensor(text_of_row, device);
    if (!only_encoded) {
        input.label_rows = detail::int64_tensor(label_rows, device);
        input.labels = detail::int64_tensor(labels, device);
    }
    if (!view.visibility.empty()) { input.visibility = &view.visibility; }
    return input;
}

}  // namespace bmae
