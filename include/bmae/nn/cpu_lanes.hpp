// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// SIMD vectors of sixteen numbers for any register width; free of LibTorch.
///
/// Kernels are written once over these vectors and compiled three times: a function attribute, not a compiler flag, chooses the
/// instructions, chosen at run time by the processor. On other architectures the plain form is used; it gives the same dropout
/// masks bit for bit, and sums in the same order.
#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include <bmae/values/draw.hpp>
#include <bmae/values/error.hpp>

// Vectors are passed to inlined functions only, so their calling convention does not matter. GCC checks at the end of the
// translation unit, hence no pop.
#pragma GCC diagnostic ignored "-Wpsabi"

/// The inline namespace of the kernels and of all code that differs with and without them: a program may link files
/// compiled with optimization and files compiled without it, and each calls its own.
///
/// Without optimization there are none: g++ then makes real calls of the functions on vectors, and functions compiled for different
/// instruction sets pass vectors in different places. On other processors LibTorch is faster.
#if defined(__x86_64__) && defined(__OPTIMIZE__)
#define BMAE_KERNELS with_kernels
#else
#define BMAE_KERNELS without_kernels
#endif

namespace bmae::detail {
inline namespace BMAE_KERNELS {

/// Whether kernels over these vectors are compiled at all.
#if defined(__x86_64__) && defined(__OPTIMIZE__)
inline constexpr bool has_lanes = true;
#else
inline constexpr bool has_lanes = false;
#endif

/// Instruction sets for which kernels exist.
enum class LaneLevel : std::uint8_t { plain, avx2, avx512 };

/// \param name  "plain", "avx2" or "avx512"
inline LaneLevel level_of(std::string_view name) {
    if (name == "plain") { return LaneLevel::plain; }
    if (name == "avx2") { return LaneLevel::avx2; }
    if (name == "avx512") { return LaneLevel::avx512; }
    throw InputError(Diagnostic{.file = {}, .expected = "BMAE_KERNELS=plain, avx2 or avx512", .found = std::string(name)});
}

/// What the processor offers; `plain` where there are no kernels.
inline LaneLevel best_level() noexcept {
#if defined(__x86_64__) && defined(__OPTIMIZE__)
    if (__builtin_cpu_supports("avx512f") != 0 && __builtin_cpu_supports("avx512bw") != 0 &&
        __builtin_cpu_supports("avx512dq") != 0 && __builtin_cpu_supports("avx512vl") != 0) {
        return LaneLevel::avx512;
    }
    if (__builtin_cpu_supports("avx2") != 0 && __builtin_cpu_supports("fma") != 0) { return LaneLevel::avx2; }
#endif
    return LaneLevel::plain;
}

/// The active one: the best, or a lower one that BMAE_KERNELS names in the environment. Tests lower it to compare.
/// Throws InputError for another value of BMAE_KERNELS.
inline LaneLevel& lane_level() {
    static LaneLevel level = [] {
        char const* const most = std::getenv("BMAE_KERNELS");
        return most == nullptr ? best_level() : std::min(best_level(), level_of(most));
    }();
    return level;
}

template <LaneLevel level>
using LaneConstant = std::integral_constant<LaneLevel, level>;

#if defined(__x86_64__) && defined(__OPTIMIZE__)
template <class Body>
[[gnu::target("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma"), gnu::noinline]] void run_avx512(Body const& body) {
    body(LaneConstant<LaneLevel::avx512>());
}
template <class Body>
[[gnu::target("avx2,fma"), gnu::noinline]] void run_avx2(Body const& body) {
    body(LaneConstant<LaneLevel::avx2>());
}
#endif

/// Calls `body(LaneConstant)` compiled for the processor. Body's call operator must be marked always_inline.
template <class Body>
void with_lanes(Body const& body) {
#if defined(__x86_64__) && defined(__OPTIMIZE__)
    if (lane_level() == LaneLevel::avx512) { return run_avx512(body); }
    if (lane_level() == LaneLevel::avx2) { return run_avx2(body); }
#endif
    body(LaneConstant<LaneLevel::plain>());
}

inline constexpr std::int64_t lanes = 16;

using Floats [[gnu::vector_size(64)]] = float;
using Integers [[gnu::vector_size(64)]] = std::int32_t;
using Bits [[gnu::vector_size(64)]] = std::uint32_t;
using Halves [[gnu::vector_size(32)]] = std::uint16_t;
using Hashes [[gnu::vector_size(64)]] = std::uint64_t;

/// A bf16 number as its bits: the upper half of a float.
using Bf16 = std::uint16_t;

[[gnu::always_inline]] inline Floats splat(float value) noexcept { return value - Floats{}; }
[[gnu::always_inline]] inline Floats larger(Floats const& a, Floats const& b) noexcept { return a > b ? a : b; }

[[gnu::always_inline]] inline Floats load(float const* from) noexcept {
    Floats value;
    std::memcpy(&value, from, sizeof value);
    return value;
}
[[gnu::always_inline]] inline Floats load(Bf16 const* from) noexcept {
    Halves value;
    std::memcpy(&value, from, sizeof value);
    return std::bit_cast<Floats>(__builtin_convertvector(value, Bits) << 16);
}
[[gnu::always_inline]] inline void store(float* to, Floats const& value) noexcept { std::memcpy(to, &value, sizeof value); }

/// The bits of the nearest bf16 numbers, ties to even, in the upper halves; the lower halves are undefined.
[[gnu::always_inline]] inline Bits nearest_halves(Floats const& value) noexcept {
    auto const bits = std::bit_cast<Bits>(value);
    Bits const quiet = Bits{} + 0x7fc00000U;
    return value == value ? bits + 0x7fffU + ((bits >> 16) & 1U) : quiet;
}
/// Rounds as LibTorch does.
[[gnu::always_inline]] inline void store(Bf16* to, Floats const& value) noexcept {
    Halves const halves = __builtin_convertvector(nearest_halves(value) >> 16, Halves);
    std::memcpy(to, &halves, sizeof halves);
}
/// The values as `store` would round them.
[[gnu::always_inline]] inline Floats rounded(float const*, Floats const& value) noexcept { return value; }
[[gnu::always_inline]] inline Floats rounded(Bf16 const*, Floats const& value) noexcept {
    return std::bit_cast<Floats>(nearest_halves(value) & 0xffff0000U);
}

/// The first `count` < 16 numbers; the others are 0, or left unchanged.
template <class Real>
[[gnu::always_inline]] inline Floats load_part(Real const* from, std::int64_t count) noexcept {
    Real part[lanes] = {};
    std::memcpy(part, from, static_cast<std::size_t>(count) * sizeof(Real));
    return load(part);
}
template <class Real>
[[gnu::always_inline]] inline void store_part(Real* to, Floats const& value, std::int64_t count) noexcept {
    Real part[lanes];
    store(part, value);
    std::memcpy(to, part, static_cast<std::size_t>(count) * sizeof(Real));
}

/// Reads and writes sixteen numbers at a position of a row, or the last `count` < 16.
struct WholeLanes {
    std::int64_t at;
    template <class Real>
    [[gnu::always_inline]] Floats operator()(Real const* from) const noexcept {
        return load(from + at);
    }
    template <class Real>
    [[gnu::always_inline]] void operator()(Real* to, Floats const& value) const noexcept {
        store(to + at, value);
    }
};
struct PartLanes {
    std::int64_t at;
    std::int64_t count;
    template <class Real>
    [[gnu::always_inline]] Floats operator()(Real const* from) const noexcept {
        return load_part(from + at, count);
    }
    template <class Real>
    [[gnu::always_inline]] void operator()(Real* to, Floats const& value) const noexcept {
        store_part(to + at, value, count);
    }
};

/// Calls `body(read, write, i)` along a row of `count` numbers, sixteen at a time and then the rest, which is padded with
/// zeros: `read(p)` gives p[i...], `write(p, v)` writes there.
template <class Body>
[[gnu::always_inline]] inline void along(std::int64_t count, Body const& body) noexcept {
    std::int64_t i = 0;
    for (; i + lanes <= count; i += lanes) { body(WholeLanes{i}, WholeLanes{i}, i); }
    if (i < count) { body(PartLanes{i, count - i}, PartLanes{i, count - i}, i); }
}

/// Sums in a fixed order.
[[gnu::always_inline]] inline float sum(Floats const& v) noexcept {
    auto const eight =
        __builtin_shufflevector(v, v, 0, 1, 2, 3, 4, 5, 6, 7) + __builtin_shufflevector(v, v, 8, 9, 10, 11, 12, 13, 14, 15);
    auto const four = __builtin_shufflevector(eight, eight, 0, 1, 2, 3) + __builtin_shufflevector(eight, eight, 4, 5, 6, 7);
    auto const two = __builtin_shufflevector(four, four, 0, 1) + __builtin_shufflevector(four, four, 2, 3);
    return two[0] + two[1];
}
[[gnu::always_inline]] inline float largest(Floats const& v) noexcept {
    float most = v[0];
    for (int i = 1; i < lanes; ++i) { most = std::max(most, v[i]); }
    return most;
}

/// e^x for x up to 88, relative error below 2e-7; 0 below -87.3, NaN of NaN.
[[gnu::always_inline]] inline Floats exponential(Floats const& x) noexcept {
    Floats const shifted = x * 1.44269504F + 12582912.0F;   // 1.5 x 2^23: the integer part ends in the low bits
    Floats const whole = shifted - 12582912.0F;
    Floats const r = (x - whole * 0.693359375F) + whole * 2.12194440e-4F;
    Floats p = splat(1.9875691500e-4F);
    p = p * r + 1.3981999507e-3F;
    p = p * r + 8.3334519073e-3F;
    p = p * r + 4.1665795894e-2F;
    p = p * r + 1.6666665459e-1F;
    p = p * r + 5.0000001201e-1F;
    p = p * r * r + r + 1.0F;
    // Multiplied, not added to the exponent of p, which would turn some NaN into numbers.
    auto const power = std::bit_cast<Floats>((std::bit_cast<Integers>(shifted) - (0x4b400000 - 127)) << 23);
    return x < -87.3F ? Floats{} : p * power;
}

/// Phi(x) of the normal distribution and its density times x: gelu(x) = x Phi(x), gelu'(x) = Phi(x) + x phi(x).
/// By Abramowitz, Stegun 7.1.26: absolute error of Phi below 1e-7.
struct NormalAt {
    Floats cumulative;
    Floats slope;   ///< gelu'(x)
};
[[gnu::always_inline]] inline NormalAt normal_at(Floats const& x) noexcept {
    Floats const z = (x < 0.0F ? -x : x) * 0.70710678F;
    Floats const t = 1.0F / (z * 0.3275911F + 1.0F);
    Floats const decay = exponential(-z * z);
    Floats p = splat(1.061405429F);
    p = p * t - 1.453152027F;
    p = p * t + 1.421413741F;
    p = p * t - 0.284496736F;
    p = p * t + 0.254829592F;
    Floats const tail = p * t * decay * 0.5F;
    Floats const cumulative = x < 0.0F ? tail : 1.0F - tail;
    return {.cumulative = cumulative, .slope = cumulative + x * decay * 0.39894228F};
}

/// The dropout factors of elements [begin, begin + count) of a site: 0 with probability `p`, else 1 / (1 - p), a function of
/// (key, element) alone. One 64-bit hash serves four elements.
struct DropoutSite {
    std::uint64_t key = 0;
    std::uint32_t threshold = 0;   ///< of 65,536 values that are dropped; 0: no dropout
    float keep = 1;

    static DropoutSite make(double p, std::uint64_t key) noexcept {
        auto const threshold = static_cast<std::uint32_t>(std::lround(p * 65536.0));
        return {
            .key = key, .threshold = threshold, .keep = static_cast<float>(65536.0 / (65536.0 - static_cast<double>(threshold)))};
    }

    /// Room that `fill` needs for `count` elements.
    static constexpr std::int64_t room(std::int64_t count) noexcept { return (count + 3) / 32 * 32 + 64; }

    /// Writes the factors into `buffer`, of room(count) floats.
    /// \returns the pointer in `buffer` to the factor of element `begin`
    [[gnu::always_inline]] float const* fill(float* buffer, std::int64_t begin, std::int64_t count) const noexcept {
        auto const first = static_cast<std::uint64_t>(begin) / 4;
        std::int64_t const skip = begin % 4;
        Hashes index = key + first + Hashes{0, 1, 2, 3, 4, 5, 6, 7};
        for (std::int64_t i = 0; i < skip + count; i += 2 * lanes, index += 8) {
            Hashes bits = index + 0x9e3779b97f4a7c15ULL;   // mix64, eight at a time
            bits = (bits ^ (bits >> 30)) * 0xbf58476d1ce4e5b9ULL;
            bits = (bits ^ (bits >> 27)) * 0x94d049bb133111ebULL;
            bits ^= bits >> 31;
            using Words [[gnu::vector_size(64)]] = std::uint16_t;
            auto const words = std::bit_cast<Words>(bits);
            Halves const low = __builtin_shufflevector(words, words, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
            Halves const high =
                __builtin_shufflevector(words, words, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31);
            store(buffer + i, factors(__builtin_convertvector(low, Bits)));
            store(buffer + i + lanes, factors(__builtin_convertvector(high, Bits)));
        }
        return buffer + skip;
    }

private:
    [[gnu::always_inline]] Floats factors(Bits const& words) const noexcept { return words < threshold ? Floats{} : splat(keep); }
};

static_assert(std::endian::native == std::endian::little, "the four parts of a hash are taken in memory order");

}  // namespace BMAE_KERNELS
}  // namespace bmae::detail
