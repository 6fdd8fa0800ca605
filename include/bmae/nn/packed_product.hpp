// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Products of rows with a matrix that is packed once, in fp32, bf16 or int8; free of LibTorch.
///
/// A row of the result depends on its own row alone, bit for bit: not on the other rows, their number or the threads.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>
#include <vector>

#include <bmae/nn/cpu_lanes.hpp>
#include <bmae/values/packed_type.hpp>

namespace bmae::detail {
inline namespace BMAE_KERNELS {

/// Whether this processor has the instructions for packed weights of a type, and the compiler, which is g++ above -O0, takes them.
inline bool has_packed_kernels(PackedType type) noexcept {
#if defined(__x86_64__) && defined(__OPTIMIZE__) && !defined(__clang__)
    if (lane_level() != LaneLevel::avx512) { return false; }
    if (type == PackedType::bf16) { return __builtin_cpu_supports("avx512bf16") != 0; }
    if (type == PackedType::int8) { return __builtin_cpu_supports("avx512vnni") != 0; }
    return true;
#else
    static_cast<void>(type);
    return false;
#endif
}

/// Numbers that start on a cache line, not initialized; grows, never shrinks.
template <class T>
class AlignedBuffer {
public:
    T* grow(std::int64_t count) {
        if (count > size_) {
            std::size_t const bytes = (static_cast<std::size_t>(count) * sizeof(T) + 63) / 64 * 64;
            data_.reset(static_cast<T*>(std::aligned_alloc(64, bytes)));
            if (data_ == nullptr) { throw std::bad_alloc(); }
            size_ = count;
        }
        return data_.get();
    }
    [[nodiscard]] T* data() const noexcept { return data_.get(); }

private:
    struct Free {
        void operator()(T* data) const noexcept { std::free(data); }
    };
    std::unique_ptr<T, Free> data_ = {};
    std::int64_t size_ = 0;
};

/// How many numbers of a type share 32 bits: one step of a product.
constexpr std::int64_t numbers_per_word(PackedType type) noexcept {
    return type == PackedType::fp32 ? 1 : type == PackedType::bf16 ? 2 : 4;
}

/// Rows in the format of the matrix that they are multiplied with. int8: x is about scale (q - zero), q in 0 .. 255.
struct LeftRows {
    std::uint32_t const* words = nullptr;   ///< [rows, stride]
    std::int64_t stride = 0;
    AlignedBuffer<std::uint32_t> own = {};
    AlignedBuffer<float> scales = {};         ///< [rows] int8
    AlignedBuffer<std::int32_t> zeros = {};   ///< [rows] int8
};

/// sum += left . right in each lane, over one 32-bit word of both.
template <PackedType type>
[[gnu::always_inline]] inline void multiply_word([[maybe_unused]] auto& sum, [[maybe_unused]] Bits const& left,
                                                 [[maybe_unused]] Bits const& right) noexcept {
#if defined(__x86_64__) && !defined(__clang__)   // assembler: no flag, no header, and numbers keep their registers
    if constexpr (type == PackedType::fp32) {
        asm("vfmadd231ps %2, %1, %0" : "+v"(sum) : "v"(left), "v"(right));
    } else if constexpr (type == PackedType::bf16) {
        asm("vdpbf16ps %2, %1, %0" : "+v"(sum) : "v"(left), "v"(right));
    } else {
        asm("vpdpbusd %2, %1, %0" : "+v"(sum) : "v"(left), "v"(right));
    }
#endif
}

/// What a tile of R rows and 16 V columns reads and writes.
struct PackedTile {
    std::uint32_t const* left = nullptr;
    std::int64_t left_row = 0;
    std::uint32_t const* right = nullptr;   ///< [words, 16 V], rows `right_row` apart
    std::int64_t right_row = 0;
    std::int64_t words = 0;
    float const* bias = nullptr;                ///< [16 V]; null: none
    float const* row_scale = nullptr;           ///< [R] int8, as the three below
    std::int32_t const* row_zero = nullptr;     ///< [R]
    float const* column_scale = nullptr;        ///< [16 V]
    std::int32_t const* column_sum = nullptr;   ///< [16 V]
    float* out = nullptr;
    std::int64_t out_row = 0;
};

template <PackedType type, int R, int V>
[[gnu::always_inline]] inline void packed_tile(PackedTile const& at) noexcept {
    using Sum = std::conditional_t<type == PackedType::int8, Integers, Floats>;
    Sum sums[R][V];
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) {
#pragma GCC unroll 8
        for (int v = 0; v < V; ++v) {
            if constexpr (type == PackedType::int8) {
                sums[r][v] = Integers{};
            } else {
                sums[r][v] = at.bias == nullptr ? Floats{} : load(at.bias + v * lanes);
            }
        }
    }
    std::uint32_t const* right = at.right;
    std::uint32_t const* left = at.left;
    for (std::int64_t k = 0; k < at.words; ++k, ++left, right += at.right_row) {
        Bits columns[V];
#pragma GCC unroll 8
        for (int v = 0; v < V; ++v) { std::memcpy(&columns[v], right + v * lanes, sizeof(Bits)); }
#pragma GCC unroll 8
        for (int r = 0; r < R; ++r) {
            Bits const word = Bits{} + left[r * at.left_row];
#pragma GCC unroll 8
            for (int v = 0; v < V; ++v) { multiply_word<type>(sums[r][v], word, columns[v]); }
        }
    }
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) {
#pragma GCC unroll 8
        for (int v = 0; v < V; ++v) {
            if constexpr (type == PackedType::int8) {
                Integers sum_of_column;
                std::memcpy(&sum_of_column, at.column_sum + v * lanes, sizeof sum_of_column);
                Floats const exact = __builtin_convertvector(sums[r][v] - sum_of_column * at.row_zero[r], Floats);
                store(at.out + r * at.out_row + v * lanes, exact * (load(at.column_scale + v * lanes) * at.row_scale[r]) +
                                                               (at.bias == nullptr ? Floats{} : load(at.bias + v * lanes)));
            } else {
                store(at.out + r * at.out_row + v * lanes, sums[r][v]);
            }
        }
    }
}

/// A function of its own: inlined into a larger one, its sums would not stay in registers.
template <PackedType type, int R, int V>
#if defined(__x86_64__) && defined(__OPTIMIZE__)
[[gnu::target("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma"), gnu::noinline]]
#endif
void run_packed_tile(PackedTile const& at) noexcept {
    packed_tile<type, R, V>(at);
}

/// \param rows  1 to 6
template <PackedType type, int V>
void packed_tile_of(std::int64_t rows, PackedTile const& at) noexcept {
    switch (rows) {
        case 6:
            return run_packed_tile<type, 6, V>(at);
        case 5:
            return run_packed_tile<type, 5, V>(at);
        case 4:
            return run_packed_tile<type, 4, V>(at);
        case 3:
            return run_packed_tile<type, 3, V>(at);
        case 2:
            return run_packed_tile<type, 2, V>(at);
        default:
            return run_packed_tile<type, 1, V>(at);
    }
}

/// The weight of a linear map in panels of 64 columns, with its bias.
class PackedMatrix {
public:
    static constexpr std::int64_t panel = 64;
    static constexpr std::int64_t tile_rows = 6;

    /// \param weight  [out, in], finite for int8
    /// \param bias    [out] or null
    PackedMatrix(PackedType type, float const* weight, float const* bias, std::int64_t out, std::int64_t in)
        : type_(type), out_(out), in_(in), words_((in + numbers_per_word(type) - 1) / numbers_per_word(type)) {
        std::int64_t const columns = panels() * panel;
        std::fill_n(bias_.grow(columns), columns, 0.0F);
        if (bias != nullptr) { std::copy_n(bias, out, bias_.data()); }
        std::fill_n(weights_.grow(columns * words_), columns * words_, 0U);
        if (type == PackedType::int8) {
            std::fill_n(scales_.grow(columns), columns, 0.0F);
            std::fill_n(sums_.grow(columns), columns, 0);
        }
        for (std::int64_t n = 0; n < out; ++n) { pack_column(weight + n * in, n); }
    }

    [[nodiscard]] PackedType type() const noexcept { return type_; }
    [[nodiscard]] std::int64_t out() const noexcept { return out_; }
    [[nodiscard]] std::int64_t in() const noexcept { return in_; }

    /// Brings `rows` rows of x, `stride` apart, into the format of the matrix. fp32: `left` refers to them.
    void prepare(float const* x, std::int64_t stride, std::int64_t rows, LeftRows& left) const {
        if (type_ == PackedType::fp32) {
            left.words = reinterpret_cast<std::uint32_t const*>(x);   // same size; the kernel copies the bits
            left.stride = stride;
            return;
        }
        left.stride = words_;
        left.words = left.own.grow(rows * words_ + lanes);
        if (type_ == PackedType::bf16) {
            to_bf16(x, stride, rows, left);
        } else {
            to_int8(x, stride, rows, left);
        }
    }

    enum class Then : std::uint8_t { nothing, add_bias, add_bias_and_gelu };

    /// y = x W^T, then the bias, then the exact gelu.
    /// \param left  made by `prepare` of a matrix of the same type and width
    /// \param y     [rows, out], rows `stride` apart
    void multiply(LeftRows const& left, std::int64_t rows, float* y, std::int64_t stride, Then then) const {
        switch (type_) {
            case PackedType::fp32:
                return multiply_as<PackedType::fp32>(left, rows, y, stride, then);
            case PackedType::bf16:
                return multiply_as<PackedType::bf16>(left, rows, y, stride, then);
            case PackedType::int8:
                return multiply_as<PackedType::int8>(left, rows, y, stride, then);
        }
    }

private:
    [[nodiscard]] std::int64_t panels() const noexcept { return (out_ + panel - 1) / panel; }

    void pack_column(float const* weight, std::int64_t n) {
        auto* const words = reinterpret_cast<unsigned char*>(weights_.data() + (n / panel) * words_ * panel + n % panel);
        auto const place = [&](std::int64_t k) {   // of number k, in bytes
            std::int64_t const per_word = numbers_per_word(type_);
            return words + (k / per_word) * panel * 4 + (k % per_word) * (4 / per_word);
        };
        float scale = 0;
        for (std::int64_t k = 0; k < in_; ++k) { scale = std::max(scale, std::abs(weight[k])); }
        scale = scale == 0 ? 1.0F : scale / 127;
        std::int32_t total = 0;
        for (std::int64_t k = 0; k < in_; ++k) {
            if (type_ == PackedType::fp32) {
                std::memcpy(place(k), weight + k, 4);
            } else if (type_ == PackedType::bf16) {
                Bf16 const half = nearest_bf16(weight[k]);
                std::memcpy(place(k), &half, 2);
            } else {
                auto const number = static_cast<std::int8_t>(std::lround(weight[k] / scale));
                total += number;
                std::memcpy(place(k), &number, 1);
            }
        }
        if (type_ == PackedType::int8) {
            scales_.data()[n] = scale;
            sums_.data()[n] = total;
        }
    }

    static Bf16 nearest_bf16(float value) noexcept {
        auto const bits = std::bit_cast<std::uint32_t>(value);
        if (value != value) { return 0x7fc0U; }
        return static_cast<Bf16>((bits + 0x7fffU + ((bits >> 16) & 1U)) >> 16);
    }

    void to_bf16(float const* x, std::int64_t stride, std::int64_t rows, LeftRows& left) const {
        auto* const halves = reinterpret_cast<Bf16*>(left.own.data());
        with_lanes([&](auto level) __attribute__((always_inline)) {
            for (std::int64_t r = 0; r < rows; ++r) {
                Bf16* const to = halves + r * words_ * 2;
                along(level, in_, [&](auto read, auto write, std::int64_t) __attribute__((always_inline)) {
                    write(to, read(x + r * stride));
                });
                if (in_ % 2 != 0) { to[in_] = 0; }
            }
        });
    }

    void to_int8(float const* x, std::int64_t stride, std::int64_t rows, LeftRows& left) const {
        auto* const bytes = reinterpret_cast<std::uint8_t*>(left.own.data());
        float* const scales = left.scales.grow(rows);
        std::int32_t* const zeros = left.zeros.grow(rows);
        with_lanes([&](auto level) __attribute__((always_inline)) {
            using Vector = FloatsOf<decltype(level)>;
            for (std::int64_t r = 0; r < rows; ++r) {
                float const* const row = x + r * stride;
                Vector low = {}, high = {}, nothing = {};
                along(level, in_, [&](auto read, auto, std::int64_t) __attribute__((always_inline)) {
                    Vector const value = read(row);
                    low = low < value ? low : value;
                    high = larger(high, value);
                    nothing += value * 0.0F;   // NaN where a number is not finite: such a row must not become finite
                });
                float const least = -largest(-low);
                float const range = largest(high) - least;
                float const factor = range > 0 ? 255.0F / range : 0.0F;
                float const zero = std::nearbyint(-least * factor);
                scales[r] = (range > 0 ? range / 255.0F : 0.0F) + sum(nothing);
                zeros[r] = static_cast<std::int32_t>(zero);
                std::uint8_t* const to = bytes + r * words_ * 4;
                along(level, in_, [&](auto read, auto, std::int64_t k) __attribute__((always_inline)) {
                    using Level = decltype(level);
                    Vector const place = read(row) * factor + (zero + 0.5F);
                    auto const numbers = __builtin_convertvector(
                        __builtin_convertvector(place < 255.0F ? place : splat<Vector>(255.0F), typename Level::Integers),
                        typename Level::Bytes);
                    std::memcpy(to + k, &numbers, static_cast<std::size_t>(std::min(Level::lanes, in_ - k)));
                });
                std::fill(to + in_, to + words_ * 4, std::uint8_t{0});
            }
        });
    }

    template <PackedType type>
    void multiply_as(LeftRows const& left, std::int64_t rows, float* y, std::int64_t stride, Then then) const {
        with_lanes([&](auto level) __attribute__((always_inline)) {
            if constexpr (decltype(level)::value == LaneLevel::avx512) {
                alignas(64) float part[tile_rows * panel];
                for (std::int64_t p = 0; p < panels(); ++p) {
                    std::int64_t const column = p * panel;
                    std::int64_t const columns = std::min(panel, out_ - column);
                    for (std::int64_t r = 0; r < rows; r += tile_rows) {
                        std::int64_t const count = std::min(tile_rows, rows - r);
                        bool const whole = columns == panel;
                        PackedTile const at{.left = left.words + r * left.stride,
                                            .left_row = left.stride,
                                            .right = weights_.data() + p * words_ * panel,
                                            .right_row = panel,
                                            .words = words_,
                                            .bias = then == Then::nothing ? nullptr : bias_.data() + column,
                                            .row_scale = left.scales.data() + (type == PackedType::int8 ? r : 0),
                                            .row_zero = left.zeros.data() + (type == PackedType::int8 ? r : 0),
                                            .column_scale = scales_.data() + (type == PackedType::int8 ? column : 0),
                                            .column_sum = sums_.data() + (type == PackedType::int8 ? column : 0),
                                            .out = whole ? y + r * stride + column : part,
                                            .out_row = whole ? stride : panel};
                        packed_tile_of<type, panel / lanes>(count, at);
                        if (then == Then::add_bias_and_gelu) { gelu_of(at.out, at.out_row, count); }
                        if (!whole) { copy_rows(part, count, columns, y + r * stride + column, stride); }
                    }
                }
            }
        });
    }

    [[gnu::always_inline]] static void gelu_of(float* at, std::int64_t stride, std::int64_t rows) noexcept {
        for (std::int64_t r = 0; r < rows; ++r) {
            for (std::int64_t i = 0; i < panel; i += lanes) {
                Floats const value = load(at + r * stride + i);
                store(at + r * stride + i, value * normal_at(value).cumulative);
            }
        }
    }

    static void copy_rows(float const* from, std::int64_t rows, std::int64_t columns, float* to, std::int64_t stride) noexcept {
        for (std::int64_t r = 0; r < rows; ++r) { std::copy_n(from + r * panel, columns, to + r * stride); }
    }

    PackedType type_;
    std::int64_t out_;
    std::int64_t in_;
    std::int64_t words_;
    AlignedBuffer<std::uint32_t> weights_ = {};   ///< [panels, words, 64]
    AlignedBuffer<float> bias_ = {};              ///< [panels * 64]
    AlignedBuffer<float> scales_ = {};            ///< likewise, of each column: int8
    AlignedBuffer<std::int32_t> sums_ = {};       ///< likewise, of the numbers of each column: int8
};

}  // namespace BMAE_KERNELS
}  // namespace bmae::detail
