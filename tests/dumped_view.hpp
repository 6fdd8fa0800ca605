// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Reads the views of a dumped step (`--dump-step`), and of files made like one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include <ATen/core/Tensor.h>

#include <bmae/batch/packed_batch.hpp>
#include <bmae/io/tensors.hpp>

namespace test {

/// The numbers of an int64 tensor.
template <class T>
std::vector<T> integers(at::Tensor const& tensor) {
    std::int64_t const* const data = tensor.const_data_ptr<std::int64_t>();
    std::vector<T> values;
    for (std::int64_t i = 0; i < tensor.numel(); ++i) { values.push_back(static_cast<T>(data[i])); }
    return values;
}

/// The row masks of one text of L tokens from L x L bytes, one entry of the pool for each row.
inline bmae::Visibility read_visibility(std::uint8_t const* cell, std::size_t length) {
    bmae::Visibility rows{.length = static_cast<std::uint32_t>(length)};
    rows.bits.resize(length * rows.words());
    for (std::size_t i = 0; i < length; ++i) {
        rows.row.push_back(static_cast<std::uint16_t>(i));
        for (std::size_t j = 0; j < length; ++j) {
            if (*cell++ != 0) { rows.bits[i * rows.words() + j / 64] |= std::uint64_t{1} << (j % 64); }
        }
    }
    return rows;
}

/// The packed view that `step` holds under `path`.
inline bmae::PackedView read_view(bmae::NamedTensors const& step, std::string const& path) {
    bmae::PackedView view;
    view.input_ids = integers<bmae::TokenId>(step.at(path + ".input_ids"));
    view.original_ids = integers<bmae::TokenId>(step.at(path + ".original_ids"));
    view.labels = integers<bmae::TokenId>(step.at(path + ".labels"));
    view.offsets = integers<std::int64_t>(step.at(path + ".offsets"));
    auto const visibility = step.find(path + ".visibility");
    std::uint8_t const* cell = visibility == step.end() ? nullptr : visibility->second.const_data_ptr<std::uint8_t>();
    for (std::size_t b = 0; b + 1 < view.offsets.size(); ++b) {
        auto const length = static_cast<std::size_t>(view.offsets[b + 1] - view.offsets[b]);
        for (std::size_t i = 0; i < length; ++i) { view.positions.push_back(static_cast<std::int32_t>(i)); }
        if (cell == nullptr) { continue; }
        view.visibility.push_back(read_visibility(cell, length));
        cell += length * length;
    }
    return view;
}

}  // namespace test
