// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// SIMD vectors as wide as a register: sixteen numbers, eight or four; free of LibTorch.
///
/// Kernels are templates over the width and compiled three times: a function attribute, not a compiler flag, chooses the
/// instructions, chosen at run time by the processor. On other architectures the plain form is used, four numbers at a time. Dropout
/// masks are the same bit for bit everywhere; the order of a sum along a row depends on the width.
#pragma once

#include <algorithm>
#include <array>
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

/// Whether the processor has the part of AVX-512 that kernels of this library and of oneDNN need.
inline bool has_avx512() noexcept {
#if defined(__x86_64__)
    return __builtin_cpu_supports("avx512f") != 0 && __builtin_cpu_supports("avx512bw") != 0 &&
           __builtin_cpu_supports("avx512dq") != 0 && __builtin_cpu_supports("avx512vl") != 0;
#else
    return false;
#endif
}

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
    if (has_avx512()) { return LaneLevel::avx512; }
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

/// Vectors of `width` numbers of 32 bits, and those that are used with them.
template <int width>
struct Vectors {
    static constexpr std::int64_t lanes = width;
    using Floats [[gnu::vector_size(4 * width)]] = float;
    using Integers [[gnu::vector_size(4 * width)]] = std::int32_t;
    using Bits [[gnu::vector_size(4 * width)]] = std::uint32_t;
    using Halves [[gnu::vector_size(2 * width)]] = std::uint16_t;
    using Bytes [[gnu::vector_size(width)]] = std::uint8_t;
    using Words [[gnu::vector_size(4 * width)]] = std::uint16_t;    ///< twice as many numbers
    using Hashes [[gnu::vector_size(4 * width)]] = std::uint64_t;   ///< half as many
};

/// Numbers in a register; where the instruction set is not known, as on NEON and SSE2.
constexpr int lanes_of(LaneLevel level) noexcept { return level == LaneLevel::avx512 ? 16 : level == LaneLevel::avx2 ? 8 : 4; }

/// A level and the vectors that fit into its registers.
template <LaneLevel level>
struct LaneConstant : std::integral_constant<LaneLevel, level>, Vectors<lanes_of(level)> {};

template <class Level>
using FloatsOf = typename Level::Floats;
/// The vectors that belong to a vector of floats.
template <class F>
using VectorsOf = Vectors<static_cast<int>(sizeof(F) / sizeof(float))>;

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

/// The widest vector: buffers are padded to it, and what exists for AVX-512 alone uses it.
inline constexpr std::int64_t lanes = 16;
using Floats = Vectors<lanes>::Floats;
using Integers = Vectors<lanes>::Integers;
using Bits = Vectors<lanes>::Bits;

/// A bf16 number as its bits: the upper half of a float.
using Bf16 = std::uint16_t;

template <class F = Floats>
[[gnu::always_inline]] inline F splat(float value) noexcept {
    return value - F{};
}
template <class F>
[[gnu::always_inline]] inline F larger(F const& a, F const& b) noexcept {
    return a > b ? a : b;
}

template <class F = Floats>
[[gnu::always_inline]] inline F load(float const* from) noexcept {
    F value;
    std::memcpy(&value, from, sizeof value);
    return value;
}
template <class F = Floats>
[[gnu::always_inline]] inline F load(Bf16 const* from) noexcept {
    typename VectorsOf<F>::Halves value;
    std::memcpy(&value, from, sizeof value);
    return std::bit_cast<F>(__builtin_convertvector(value, typename VectorsOf<F>::Bits) << 16);
}
template <class F>
[[gnu::always_inline]] inline void store(float* to, F const& value) noexcept {
    std::memcpy(to, &value, sizeof value);
}

/// The bits of the nearest bf16 numbers, ties to even, in the upper halves; the lower halves are undefined.
template <class F>
[[gnu::always_inline]] inline auto nearest_halves(F const& value) noexcept {
    using Unsigned = typename VectorsOf<F>::Bits;
    auto const bits = std::bit_cast<Unsigned>(value);
    Unsigned const quiet = Unsigned{} + 0x7fc00000U;
    return value == value ? bits + 0x7fffU + ((bits >> 16) & 1U) : quiet;
}
/// Rounds as LibTorch does.
template <class F>
[[gnu::always_inline]] inline void store(Bf16* to, F const& value) noexcept {
    auto const halves = __builtin_convertvector(nearest_halves(value) >> 16, typename VectorsOf<F>::Halves);
    std::memcpy(to, &halves, sizeof halves);
}
/// The values as `store` would round them.
template <class F>
[[gnu::always_inline]] inline F rounded(float const*, F const& value) noexcept {
    return value;
}
template <class F>
[[gnu::always_inline]] inline F rounded(Bf16 const*, F const& value) noexcept {
    return std::bit_cast<F>(nearest_halves(value) & 0xffff0000U);
}

/// The first `count` numbers, fewer than a vector has; the others are 0, or left unchanged.
template <class F = Floats, class Real>
[[gnu::always_inline]] inline F load_part(Real const* from, std::int64_t count) noexcept {
    Real part[VectorsOf<F>::lanes] = {};
    std::memcpy(part, from, static_cast<std::size_t>(count) * sizeof(Real));
    return load<F>(part);
}
template <class Real, class F>
[[gnu::always_inline]] inline void store_part(Real* to, F const& value, std::int64_t count) noexcept {
    Real part[VectorsOf<F>::lanes];
    store(part, value);
    std::memcpy(to, part, static_cast<std::size_t>(count) * sizeof(Real));
}

/// Reads and writes a vector at a position of a row, or its first `count` numbers.
template <class F>
struct WholeLanes {
    std::int64_t at;
    template <class Real>
    [[gnu::always_inline]] F operator()(Real const* from) const noexcept {
        return load<F>(from + at);
    }
    template <class Real>
    [[gnu::always_inline]] void operator()(Real* to, F const& value) const noexcept {
        store(to + at, value);
    }
};
template <class F>
struct PartLanes {
    std::int64_t at;
    std::int64_t count;
    template <class Real>
    [[gnu::always_inline]] F operator()(Real const* from) const noexcept {
        return load_part<F>(from + at, count);
    }
    template <class Real>
    [[gnu::always_inline]] void operator()(Real* to, F const& value) const noexcept {
        store_part(to + at, value, count);
    }
};

/// Calls `body(read, write, i)` along a row of `count` numbers, a vector of `Level` at a time and then the rest, which is padded
/// with zeros: `read(p)` gives p[i...], `write(p, v)` writes there.
template <class Level, class Body>
[[gnu::always_inline]] inline void along(Level, std::int64_t count, Body const& body) noexcept {
    using F = FloatsOf<Level>;
    constexpr std::int64_t width = Level::lanes;
    std::int64_t i = 0;
    for (; i + width <= count; i += width) { body(WholeLanes<F>{i}, WholeLanes<F>{i}, i); }
    if (i < count) { body(PartLanes<F>{i, count - i}, PartLanes<F>{i, count - i}, i); }
}

/// The numbers of `v` from `first` on, as many as the sequence has.
template <int first, class V, std::size_t... i>
[[gnu::always_inline]] inline auto part_of(V const& v, std::index_sequence<i...>) noexcept {
    return __builtin_shufflevector(v, v, (static_cast<std::size_t>(first) + i)...);
}

/// Sums in a fixed order: the second half of the vector is added to the first, and so on.
template <class F>
[[gnu::always_inline]] inline float sum(F const& v) noexcept {
    constexpr std::size_t count = sizeof(F) / sizeof(float);
    if constexpr (count == 2) {
        return v[0] + v[1];
    } else {
        constexpr auto half = std::make_index_sequence<count / 2>();
        return sum(part_of<0>(v, half) + part_of<static_cast<int>(count / 2)>(v, half));
    }
}
template <class F>
[[gnu::always_inline]] inline float largest(F const& v) noexcept {
    float most = v[0];
    for (int i = 1; i < VectorsOf<F>::lanes; ++i) { most = std::max(most, v[i]); }
    return most;
}

/// 0, 1, 2 ...
template <class V, class Number>
[[gnu::always_inline]] inline V counting() noexcept {
    static constexpr auto numbers = [] {
        std::array<Number, sizeof(V) / sizeof(Number)> all = {};
        for (std::size_t i = 0; i < all.size(); ++i) { all[i] = static_cast<Number>(i); }
        return all;
    }();
    V v;
    std::memcpy(&v, numbers.data(), sizeof v);
    return v;
}

/// e^x for x up to 88, relative error below 2e-7; 0 below -87.3, NaN of NaN.
template <class F>
[[gnu::always_inline]] inline F exponential(F const& x) noexcept {
    F const shifted = x * 1.44269504F + 12582912.0F;   // 1.5 x 2^23: the integer part ends in the low bits
    F const whole = shifted - 12582912.0F;
    F const r = (x - whole * 0.693359375F) + whole * 2.12194440e-4F;
    F p = splat<F>(1.9875691500e-4F);
    p = p * r + 1.3981999507e-3F;
    p = p * r + 8.3334519073e-3F;
    p = p * r + 4.1665795894e-2F;
    p = p * r + 1.6666665459e-1F;
    p = p * r + 5.0000001201e-1F;
    p = p * r * r + r + 1.0F;
    // Multiplied, not added to the exponent of p, which would turn some NaN into numbers.
    auto const power = std::bit_cast<F>((std::bit_cast<typename VectorsOf<F>::Integers>(shifted) - (0x4b400000 - 127)) << 23);
    return x < -87.3F ? F{} : p * power;
}

/// Phi(x) of the normal distribution and its density times x: gelu(x) = x Phi(x), gelu'(x) = Phi(x) + x phi(x).
/// By Abramowitz, Stegun 7.1.26: absolute error of Phi below 1e-7.
template <class F>
struct NormalAt {
    F cumulative;
    F slope;   ///< gelu'(x)
};
template <class F>
[[gnu::always_inline]] inline NormalAt<F> normal_at(F const& x) noexcept {
    F const z = (x < 0.0F ? -x : x) * 0.70710678F;
    F const t = 1.0F / (z * 0.3275911F + 1.0F);
    F const decay = exponential(-z * z);
    F p = splat<F>(1.061405429F);
    p = p * t - 1.453152027F;
    p = p * t + 1.421413741F;
    p = p * t - 0.284496736F;
    p = p * t + 0.254829592F;
    F const tail = p * t * decay * 0.5F;
    F const cumulative = x < 0.0F ? tail : 1.0F - tail;
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
    template <class Level>
    [[gnu::always_inline]] float const* fill(Level, float* buffer, std::int64_t begin, std::int64_t count) const noexcept {
        using Hashes = typename Level::Hashes;
        constexpr std::int64_t width = Level::lanes;
        constexpr auto half = std::make_index_sequence<static_cast<std::size_t>(width)>();
        auto const first = static_cast<std::uint64_t>(begin) / 4;
        std::int64_t const skip = begin % 4;
        Hashes index = key + first + counting<Hashes, std::uint64_t>();
        for (std::int64_t i = 0; i < skip + count; i += 2 * width, index += static_cast<std::uint64_t>(width / 2)) {
            Hashes bits = index + 0x9e3779b97f4a7c15ULL;   // mix64 of each
            bits = (bits ^ (bits >> 30)) * 0xbf58476d1ce4e5b9ULL;
            bits = (bits ^ (bits >> 27)) * 0x94d049bb133111ebULL;
            bits ^= bits >> 31;
            auto const words = std::bit_cast<typename Level::Words>(bits);
            store(buffer + i, factors<Level>(part_of<0>(words, half)));
            store(buffer + i + width, factors<Level>(part_of<width>(words, half)));
        }
        return buffer + skip;
    }

private:
    template <class Level>
    [[gnu::always_inline]] FloatsOf<Level> factors(typename Level::Halves const& words) const noexcept {
        return __builtin_convertvector(words, typename Level::Bits) < threshold ? FloatsOf<Level>{}
                                                                                : splat<FloatsOf<Level>>(keep);
    }
};

static_assert(std::endian::native == std::endian::little, "the four parts of a hash are taken in memory order");

}  // namespace BMAE_KERNELS
}  // namespace bmae::detail
