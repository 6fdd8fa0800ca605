// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Row masks of packed texts from bits to the bias of padded attention on a GPU; free of LibTorch, and compiled by g++ too.
#pragma once

#include <cstdint>
#include <limits>

#include <bmae/kernels/cuda/keyed_dropout.cuh>

namespace bmae::detail::cuda {

/// Row masks of B texts, padded to L rows and columns.
struct RowMasks {
    std::int64_t const* bits = nullptr;     ///< [B, pool, words] bit j % 64 of word j / 64: column j is visible; or null: all are
    std::int64_t const* entry = nullptr;    ///< [B, L] pool entry of each row
    std::int64_t const* itself = nullptr;   ///< [B] 1 where the diagonal follows the bits, 0 where it is masked
    std::int64_t const* blind = nullptr;    ///< [B, L] 1 where the mask of a row leaves nothing, and for padding
    std::int32_t const* bounds = nullptr;   ///< [B+1] rows of the packed texts
    std::int64_t pool = 0;
    std::int64_t words = 0;
    std::int64_t length = 0;   ///< L
    std::int64_t window = 0;   ///< half-width of local attention; 0: none
};

/// What is added to the score of row i and column j of text b: 0 where the row attends to the column, else minus infinity. A blind
/// row attends to its window or text.
BMAE_HOST_DEVICE inline float row_mask_bias(RowMasks const& masks, std::int64_t b, std::int64_t i, std::int64_t j) {
    constexpr float outside = -std::numeric_limits<float>::infinity();
    std::int64_t const rows = masks.bounds[b + 1] - masks.bounds[b];
    if (j >= (rows > 1 ? rows : 1)) { return outside; }   // an empty text has a column, so that its padding is no NaN
    std::int64_t const distance = i < j ? j - i : i - j;
    if (masks.window > 0 && i < rows && distance > masks.window) { return outside; }
    if (masks.bits == nullptr || masks.blind[b * masks.length + i] != 0) { return 0; }
    std::int64_t const* const entry = masks.bits + (b * masks.pool + masks.entry[b * masks.length + i]) * masks.words;
    bool const seen = ((static_cast<std::uint64_t>(entry[j / 64]) >> (j % 64)) & 1U) != 0 && (masks.itself[b] != 0 || i != j);
    return seen ? 0.0F : outside;
}

/// Writes the bias of all texts, on a stream of the current GPU.
/// \param bias    [B, L, L] in the memory of the GPU
/// \param stream  a cudaStream_t
/// \returns the error of the launch as a cudaError_t: 0 where there is none
int expand_row_masks(RowMasks masks, std::int64_t texts, float* bias, void* stream);
int expand_row_masks(RowMasks masks, std::int64_t texts, HalfBits* bias, void* stream);

#if defined(BMAE_CUDA_IMPLEMENTATION)

template <class Real>
__global__ void expand_kernel(RowMasks masks, std::int64_t texts, Real* bias) {
    std::int64_t const rows = texts * masks.length;
    for (std::int64_t row = blockIdx.x; row < rows; row += gridDim.x) {
        std::int64_t const b = row / masks.length;
        std::int64_t const i = row % masks.length;
        for (std::int64_t j = threadIdx.x; j < masks.length; j += blockDim.x) {
            round_to(bias[row * masks.length + j], row_mask_bias(masks, b, i, j));
        }
    }
}

template <class Real>
int launch_expand(RowMasks masks, std::int64_t texts, Real* bias, void* stream) {
    std::int64_t const rows = texts * masks.length;
    if (rows == 0) { return 0; }
    constexpr std::int64_t most = 65535;
    expand_kernel<<<static_cast<unsigned>(rows < most ? rows : most), 128, 0, static_cast<cudaStream_t>(stream)>>>(masks, texts,
                                                                                                                   bias);
    return static_cast<int>(cudaGetLastError());
}

int expand_row_masks(RowMasks masks, std::int64_t texts, float* bias, void* stream) {
    return launch_expand(masks, texts, bias, stream);
}
int expand_row_masks(RowMasks masks, std::int64_t texts, HalfBits* bias, void* stream) {
    return launch_expand(masks, texts, bias, stream);
}

#endif

}  // namespace bmae::detail::cuda
