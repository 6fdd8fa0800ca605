// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// A linear map whose weight is packed once, for inference on a CPU.
#pragma once

#include <cstdint>
#include <string>

#include <ATen/core/Tensor.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/isfinite.h>

#include <bmae/nn/cpu_path.hpp>
#include <bmae/nn/packed_product.hpp>
#include <bmae/values/error.hpp>
#include <bmae/values/packed_type.hpp>

namespace bmae {

/// Whether this program and this processor have kernels for packed weights of a type: AVX-512, with its bf16 or VNNI instructions.
[[nodiscard]] inline bool can_pack(PackedType type) noexcept { return detail::has_packed_kernels(type); }

/// Whether packed weights are the faster way to this precision. Not in bf16 where the processor has AMX, which LibTorch uses.
[[nodiscard]] inline bool packing_pays(PackedType type) noexcept {
#if defined(__x86_64__)
    if (type == PackedType::bf16 && __builtin_cpu_supports("amx-bf16") != 0) { return false; }
#endif
    return can_pack(type);
}

namespace detail {
inline namespace BMAE_KERNELS {

/// Rows that one thread brings through a map at a time: a multiple of the tile whose results stay in the L2 cache.
inline constexpr std::int64_t packed_block = 16 * PackedMatrix::tile_rows;

/// A tensor as it was: tells whether it was replaced or written to.
class TensorState {
public:
    explicit TensorState(at::Tensor const& tensor) : tensor_(tensor), version_(version(tensor)) {}
    [[nodiscard]] bool is(at::Tensor const& tensor) const { return tensor.is_same(tensor_) && version(tensor) == version_; }

private:
    static std::int64_t version(at::Tensor const& tensor) {
        return tensor.defined() && !tensor.is_inference() ? static_cast<std::int64_t>(tensor._version()) : 0;
    }
    at::Tensor tensor_;
    std::int64_t version_;
};

/// x W^T + b with the packed weight.
class PackedLinear {
public:
    /// \param weight  [out, in] on the CPU, of any floating type
    /// \param bias    [out] or undefined
    PackedLinear(PackedType type, at::Tensor const& weight, at::Tensor const& bias)
        : weight_(weight), bias_(bias), matrix_(packed(type, weight, bias)) {}

    [[nodiscard]] PackedMatrix const& matrix() const noexcept { return matrix_; }
    [[nodiscard]] bool is_of(at::Tensor const& weight, at::Tensor const& bias) const {
        return weight_.is(weight) && bias_.is(bias);
    }
    /// fp32 rows on the CPU that need no gradient.
    [[nodiscard]] bool fits(at::Tensor const& x) const {
        return !at::GradMode::is_enabled() && x.is_cpu() && x.scalar_type() == at::kFloat && x.dim() == 2 &&
               x.size(1) == matrix_.in() && has_packed_kernels(matrix_.type());
    }

    [[nodiscard]] at::Tensor run(at::Tensor const& x, bool with_bias) const {   // [T, in] -> [T, out]
        at::Tensor const rows = x.contiguous();
        at::Tensor y = at::empty({rows.size(0), matrix_.out()}, rows.options());
        auto const* const from = read_from<float>(rows);
        auto* const to = write_to<float>(y);
        parallel_ranges(rows.size(0), packed_block, [&](std::int64_t first, std::int64_t end) {
            static thread_local LeftRows left;
            matrix_.prepare(from + first * matrix_.in(), matrix_.in(), end - first, left);
            matrix_.multiply(left, end - first, to + first * matrix_.out(), matrix_.out(),
                             with_bias ? PackedMatrix::Then::add_bias : PackedMatrix::Then::nothing);
        });
        return y;
    }

private:
    static PackedMatrix packed(PackedType type, at::Tensor const& weight, at::Tensor const& bias) {
        at::Tensor const numbers = weight.detach().to(at::kFloat).contiguous();
        at::Tensor const added = bias.defined() ? bias.detach().to(at::kFloat).contiguous() : bias;
        if (type == PackedType::int8 && !at::isfinite(numbers).all().item<bool>()) {
            throw InputError(Diagnostic{.file = {},
                                        .expected = "finite weights, to pack them as int8",
                                        .found = "NaN or infinity",
                                        .hint = "The weights are damaged, or training diverged."});
        }
        return {type, read_from<float>(numbers), read_from<float>(added), numbers.size(0), numbers.size(1)};
    }

    TensorState weight_;
    TensorState bias_;
    PackedMatrix matrix_;
};

}  // namespace BMAE_KERNELS
}  // namespace detail
}  // namespace bmae
