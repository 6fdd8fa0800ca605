// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// How the row kernels are called on tensors. Whether they are is said by kernels.hpp.
#pragma once

#include <algorithm>
#include <cstdint>
#include <stdexcept>

#include <ATen/core/Tensor.h>
#include <ATen/ops/zeros.h>

#include <bmae/nn/cpu_lanes.hpp>
#include <bmae/nn/cpu_threads.hpp>
#include <bmae/nn/kernels.hpp>

namespace bmae::detail {

inline namespace BMAE_KERNELS {

/// Calls `body(Real{})` with the kernels' name of the number format of `like`: float or Bf16. Only where `kernel_path` says `Path::rows`.
template <class Body>
void with_real(at::Tensor const& like, Body const& body) {
    if constexpr (has_lanes) {   // else the kernels would be compiled but never run
        if (like.scalar_type() == at::kBFloat16) {
            body(Bf16{});
        } else {
            body(float{});
        }
    } else {
        throw std::logic_error("row kernels were requested where none are compiled");
    }
}

}  // namespace BMAE_KERNELS

template <class Real>
Real const* read_from(at::Tensor const& tensor) {
    return tensor.defined() ? static_cast<Real const*>(tensor.const_data_ptr()) : nullptr;
}
template <class Real>
Real* write_to(at::Tensor const& tensor) {
    return tensor.defined() ? static_cast<Real*>(tensor.mutable_data_ptr()) : nullptr;
}

/// Blocks of rows whose partial sums are added in order: sums over rows then do not depend on the number of threads.
struct RowBlocks {
    std::int64_t rows = 0;
    std::int64_t size = 1;

    explicit RowBlocks(std::int64_t count) : rows(count), size(std::max<std::int64_t>(16, (count + 63) / 64)) {}
    [[nodiscard]] std::int64_t count() const noexcept { return (rows + size - 1) / size; }

    /// Calls `body(block, first row, end)` on LibTorch's threads.
    template <class Body>
    void run(Body const& body) const {
        parallel_blocks(count(), [&](std::int64_t block) { body(block, block * size, std::min(rows, (block + 1) * size)); });
    }
    /// [sums, blocks, width] zeros: a separate sum per block.
    [[nodiscard]] at::Tensor partial(std::int64_t sums, std::int64_t width) const {
        return at::zeros({sums, count(), width}, at::kFloat);
    }
};

}  // namespace bmae::detail
