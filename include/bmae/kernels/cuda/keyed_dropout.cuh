// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Dropout by a hash of (key, element) on a GPU, with the bits of cpu_rows.hpp; free of LibTorch, and compiled by g++ too.
#pragma once

#include <bit>
#include <cstdint>

#include <bmae/values/draw.hpp>

#if defined(__CUDACC__)
#define BMAE_HOST_DEVICE __host__ __device__
#else
#define BMAE_HOST_DEVICE
#endif

namespace bmae::detail::cuda {

/// The bits of a bf16 number, as a class of its own: the upper half of a float.
struct HalfBits {
    std::uint16_t bits = 0;
};

BMAE_HOST_DEVICE inline float to_float(float value) { return value; }
BMAE_HOST_DEVICE inline float to_float(HalfBits value) {
    return std::bit_cast<float>(static_cast<std::uint32_t>(value.bits) << 16);
}
/// The nearest number of the format, ties to even, NaN to NaN, as LibTorch rounds.
BMAE_HOST_DEVICE inline void round_to(float& to, float value) { to = value; }
BMAE_HOST_DEVICE inline void round_to(HalfBits& to, float value) {
    auto const bits = std::bit_cast<std::uint32_t>(value);
    std::uint32_t const nearest = value == value ? bits + 0x7fffU + ((bits >> 16) & 1U) : 0x7fc00000U;
    to.bits = static_cast<std::uint16_t>(nearest >> 16);
}

/// What decides the factors of a dropout site.
struct DropoutNumbers {
    std::uint64_t key = 0;
    std::uint32_t threshold = 0;   ///< of 65,536 values that are dropped
    float keep = 1;                ///< factor of the others
};

/// The factor of `element`: 0 or `keep`. One hash serves four elements.
BMAE_HOST_DEVICE inline float dropout_factor(DropoutNumbers const& site, std::int64_t element) {
    std::uint64_t const bits = mix64(site.key + static_cast<std::uint64_t>(element) / 4);
    return ((bits >> (16 * (element % 4))) & 0xffffU) < site.threshold ? 0.0F : site.keep;
}

/// y = x times its factors, for elements [group x 4, group x 4 + 4) of `count`.
template <class Real>
BMAE_HOST_DEVICE void drop_group(DropoutNumbers const& site, std::int64_t group, std::int64_t count, Real const* x, Real* y) {
    std::uint64_t const bits = mix64(site.key + static_cast<std::uint64_t>(group));
    for (int part = 0; part < 4 && 4 * group + part < count; ++part) {
        float const factor = ((bits >> (16 * part)) & 0xffffU) < site.threshold ? 0.0F : site.keep;
        round_to(y[4 * group + part], to_float(x[4 * group + part]) * factor);
    }
}

/// y = x times its factors, on a stream of the current GPU.
/// \param x,y     `count` numbers in the memory of the GPU; may be the same
/// \param stream  a cudaStream_t
/// \returns the error of the launch as a cudaError_t: 0 where there is none
int drop_elements(DropoutNumbers site, std::int64_t count, float const* x, float* y, void* stream);
int drop_elements(DropoutNumbers site, std::int64_t count, HalfBits const* x, HalfBits* y, void* stream);

#if defined(BMAE_CUDA_IMPLEMENTATION)

template <class Real>
__global__ void drop_kernel(DropoutNumbers site, std::int64_t count, Real const* x, Real* y) {
    std::int64_t const step = static_cast<std::int64_t>(gridDim.x) * blockDim.x;
    for (std::int64_t group = static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x; 4 * group < count;
         group += step) {
        drop_group(site, group, count, x, y);
    }
}

template <class Real>
int launch_drop(DropoutNumbers site, std::int64_t count, Real const* x, Real* y, void* stream) {
    if (count == 0) { return 0; }
    constexpr std::int64_t threads = 256;
    constexpr std::int64_t most = 65535;
    std::int64_t const blocks = (count + 4 * threads - 1) / (4 * threads);
    drop_kernel<<<static_cast<unsigned>(blocks < most ? blocks : most), threads, 0, static_cast<cudaStream_t>(stream)>>>(
        site, count, x, y);
    return static_cast<int>(cudaGetLastError());
}

int drop_elements(DropoutNumbers site, std::int64_t count, float const* x, float* y, void* stream) {
    return launch_drop(site, count, x, y, stream);
}
int drop_elements(DropoutNumbers site, std::int64_t count, HalfBits const* x, HalfBits* y, void* stream) {
    return launch_drop(site, count, x, y, stream);
}

#endif

}  // namespace bmae::detail::cuda
