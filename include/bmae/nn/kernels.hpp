// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// The seam of devices: which kernel computes an operation, on which processor. No other header asks for a device.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include <ATen/core/Tensor.h>

#include <bmae/nn/cpu_lanes.hpp>

namespace bmae::detail {

/// What a network asks of a processor and several kernels can do.
enum class Operation : std::uint8_t {
    attention,       ///< attention inside the texts of a packed batch                                      nn/attention.hpp
    layer_norm,      ///< LayerNorm, alone or behind dropout and residual                                  nn/layer_norm.hpp
    gelu,            ///< gelu(x + bias), exact                                                            nn/activation.hpp
    dropout,         ///< x times factors that are a hash of (key, element)                                   nn/dropout.hpp
    cross_entropy,   ///< softmax and cross-entropy of a chunk of logits                      nn/linear_cross_entropy.hpp
    pooled_logits,   ///< gradients of the highest logits                                             nn/pooled_logits.hpp
    look_up,         ///< the gradient of rows taken from a table                                       nn/gather_rows.hpp
    gradient_sum,    ///< bf16 gradients added to fp32 ones        nn/linear_cross_entropy.hpp, training/flat_parameters.hpp
    row_wise,        ///< a further operation on rows, whose kernel has not been judged by itself: `has_row_kernels`
};

/// Who computes it.
enum class Path : std::uint8_t {
    libtorch,   ///< LibTorch's operators, on any device
    rows,       ///< the row kernels: cpu_rows.hpp, cpu_attention.hpp, cpu_winners.hpp
    device      ///< fused operators of a GPU: device_attention.hpp, device_masks.hpp
};

/// For tests: a CPU is taken for another device, so that its paths run without one; with BMAE_STAND_IN=1 in the environment from
/// the start.
inline bool& stands_for_device() noexcept {
    static bool stands = [] {
        char const* const set = std::getenv("BMAE_STAND_IN");
        return set != nullptr && std::string_view(set) == "1";
    }();
    return stands;
}

/// Whether reading a number of `tensor` is free of waiting: on another device the host would wait for all work that it gave out.
inline bool is_on_host(at::Tensor const& tensor) noexcept { return tensor.is_cpu() && !stands_for_device(); }

inline namespace BMAE_KERNELS {

/// One line of the table: from which instruction set on the row kernels are used, and what another device than a CPU uses.
struct KernelChoice {
    Operation operation;
    LaneLevel single;   ///< fp32
    LaneLevel half;     ///< bf16
    Path elsewhere;     ///< on other devices
};

/// Beyond all instruction sets: LibTorch's operators.
inline constexpr LaneLevel no_level = LaneLevel{255};

/// The table. Row kernels stand where they beat LibTorch's operators (docs/results.md, "Instruction sets"), or where those round
/// sums to bf16 (`look_up`). Benchmarks and tests change it to compare; nothing else does.
///
/// | operation     | CPU, fp32     | CPU, bf16     | GPU                                                                  |
/// |---------------|---------------|---------------|----------------------------------------------------------------------|
/// | attention     | rows: AVX2    | rows: AVX2    | flash attention or, with masks or in fp32, efficient attention       |
/// | layer_norm    | rows: AVX2    | rows: AVX2    | LibTorch's layer_norm                                                |
/// | gelu          | rows: AVX2    | rows: AVX2    | LibTorch's gelu                                                      |
/// | dropout       | rows: AVX2    | rows: AVX2    | the same bits: a kernel of kernels/cuda, or integers of LibTorch     |
/// | cross_entropy | rows: AVX2    | rows: AVX2    | LibTorch's operators, in place on one chunk of logits                |
/// | pooled_logits | rows: AVX2    | rows: AVX2    | LibTorch's operators                                                 |
/// | look_up       | LibTorch      | rows, always  | LibTorch's embedding_dense_backward, which sums in fp32              |
/// | gradient_sum  | -             | rows, always  | LibTorch's mixed addition                                            |
/// | row_wise      | rows: AVX2    | rows: AVX2    | LibTorch's operators                                                 |
inline std::array<KernelChoice, 9>& kernel_choices() noexcept {
    using enum LaneLevel;
    static std::array<KernelChoice, 9> table{{
        {.operation = Operation::attention, .single = avx2, .half = avx2, .elsewhere = Path::device},
        {.operation = Operation::layer_norm, .single = avx2, .half = avx2, .elsewhere = Path::libtorch},
        {.operation = Operation::gelu, .single = avx2, .half = avx2, .elsewhere = Path::libtorch},
        {.operation = Operation::dropout, .single = avx2, .half = avx2, .elsewhere = Path::device},
        {.operation = Operation::cross_entropy, .single = avx2, .half = avx2, .elsewhere = Path::libtorch},
        {.operation = Operation::pooled_logits, .single = avx2, .half = avx2, .elsewhere = Path::libtorch},
        {.operation = Operation::look_up, .single = no_level, .half = plain, .elsewhere = Path::libtorch},
        {.operation = Operation::gradient_sum, .single = no_level, .half = plain, .elsewhere = Path::libtorch},
        {.operation = Operation::row_wise, .single = avx2, .half = avx2, .elsewhere = Path::libtorch},
    }};
    return table;
}

/// Who computes `operation` on these tensors, which must be of one number format for a kernel to take them. Row kernels know fp32
/// and bf16.
template <class... Other>
Path kernel_path(Operation operation, at::Tensor const& x, Other const&... others) {
    if (!((others.scalar_type() == x.scalar_type()) && ...)) { return Path::libtorch; }
    KernelChoice const& choice = kernel_choices()[static_cast<std::size_t>(operation)];
    if (!is_on_host(x)) { return choice.elsewhere; }
    at::ScalarType const format = x.scalar_type();
    LaneLevel const from = format == at::kFloat ? choice.single : format == at::kBFloat16 ? choice.half : no_level;
    return lane_level() >= from ? Path::rows : Path::libtorch;
}

/// Whether a row kernel without a line of its own takes these tensors.
template <class... Other>
bool has_row_kernels(at::Tensor const& x, Other const&... others) {
    return kernel_path(Operation::row_wise, x, others...) == Path::rows;
}

}  // namespace BMAE_KERNELS
}  // namespace bmae::detail
