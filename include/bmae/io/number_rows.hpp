// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Means and sums of stored numbers without LibTorch: fp32, fp16, bf16 and fp64, computed in double precision and rounded once.
#pragma once

#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <bmae/io/element_type.hpp>
#include <bmae/values/error.hpp>

namespace bmae {

namespace detail {

inline double from_half(std::uint16_t bits) noexcept {
    int const exponent = bits >> 10 & 0x1f;
    double const fraction = bits & 0x3ff;
    double const size = exponent == 0    ? std::ldexp(fraction, -24)
                        : exponent == 31 ? (fraction == 0 ? HUGE_VAL : std::nan(""))
                                         : std::ldexp(1024 + fraction, exponent - 25);
    return bits >> 15 != 0 ? -size : size;
}

/// To the nearest, of two equally near ones the even.
inline std::uint16_t to_half(double value) noexcept {
    auto const sign = static_cast<std::uint16_t>(std::signbit(value) ? 0x8000 : 0);
    if (std::isnan(value)) { return 0x7e00; }
    double const size = std::abs(value);
    if (size >= 65520) { return sign | 0x7c00; }
    if (size < std::ldexp(1.0, -14)) { return sign | static_cast<std::uint16_t>(std::nearbyint(std::ldexp(size, 24))); }
    int exponent = 0;
    double const fraction = std::frexp(size, &exponent);                                         // [.5, 1)
    auto const rounded = static_cast<std::uint32_t>(std::nearbyint(std::ldexp(fraction, 11)));   // [1024, 2048]
    return sign | static_cast<std::uint16_t>((static_cast<std::uint32_t>(exponent + 13) << 10) +
                                             rounded);   // a carry raises the exponent
}

inline double from_bf16(std::uint16_t bits) noexcept {
    return static_cast<double>(std::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16));
}

inline std::uint16_t to_bf16(double value) noexcept {
    auto bits = std::bit_cast<std::uint32_t>(static_cast<float>(value));
    if (std::isnan(value)) { return static_cast<std::uint16_t>(bits >> 16 | 0x40U); }
    bits += 0x7fffU + (bits >> 16 & 1U);
    return static_cast<std::uint16_t>(bits >> 16);
}

template <class T>
T read_as(std::span<std::byte const> bytes, std::size_t place) noexcept {
    T value;
    std::memcpy(&value, bytes.data() + place * sizeof(T), sizeof(T));
    return value;
}

template <class T>
void write_as(std::span<std::byte> bytes, std::size_t place, T value) noexcept {
    std::memcpy(bytes.data() + place * sizeof(T), &value, sizeof(T));
}

inline double number_at(ElementType type, std::span<std::byte const> bytes, std::size_t place) noexcept {
    switch (type) {
        case ElementType::f64:
            return read_as<double>(bytes, place);
        case ElementType::f16:
            return from_half(read_as<std::uint16_t>(bytes, place));
        case ElementType::bf16:
            return from_bf16(read_as<std::uint16_t>(bytes, place));
        default:
            return static_cast<double>(read_as<float>(bytes, place));
    }
}

inline void put_number(ElementType type, std::span<std::byte> bytes, std::size_t place, double value) noexcept {
    switch (type) {
        case ElementType::f64:
            return write_as(bytes, place, value);
        case ElementType::f16:
            return write_as(bytes, place, to_half(value));
        case ElementType::bf16:
            return write_as(bytes, place, to_bf16(value));
        default:
            return write_as(bytes, place, static_cast<float>(value));
    }
}

}  // namespace detail

/// True for the types that can be averaged here.
constexpr bool is_averaged(ElementType type) noexcept {
    return type == ElementType::f32 || type == ElementType::f16 || type == ElementType::bf16 || type == ElementType::f64;
}

/// [n] sum over parts of weight x part, in double precision, rounded once to the type.
/// \param parts  [P] numbers of one type and size
inline std::vector<std::byte> weighted_sum(ElementType type, std::span<std::span<std::byte const> const> parts,
                                           std::span<double const> weights) {
    std::vector<std::byte> result(parts.front().size());
    std::size_t const count = result.size() * 8 / bits_of(type);
    for (std::size_t i = 0; i < count; ++i) {
        double sum = 0;
        for (std::size_t p = 0; p < parts.size(); ++p) { sum += weights[p] * detail::number_at(type, parts[p], i); }
        detail::put_number(type, result, i, sum);
    }
    return result;
}

/// A table whose row r is the mean of the rows `sources[r]` of another one; a row of one source is copied.        [R', C] from [R, C]
/// \param rows  R
template <class Id>
std::vector<std::byte> mean_rows(ElementType type, std::span<std::byte const> table, std::size_t rows,
                                 std::span<std::vector<Id> const> sources) {
    std::size_t const width = table.size() / rows;   // bytes
    std::vector<std::byte> result(sources.size() * width);
    std::vector<std::span<std::byte const>> parts;
    for (std::size_t r = 0; r < sources.size(); ++r) {
        parts.clear();
        for (Id const id : sources[r]) { parts.push_back(table.subspan(static_cast<std::size_t>(id) * width, width)); }
        std::vector<double> const weights(parts.size(), 1 / static_cast<double>(parts.size()));
        if (parts.size() == 1) {
            std::memcpy(result.data() + r * width, parts.front().data(), width);
        } else {
            auto const row = weighted_sum(type, parts, weights);
            std::memcpy(result.data() + r * width, row.data(), width);
        }
    }
    return result;
}

}  // namespace bmae
