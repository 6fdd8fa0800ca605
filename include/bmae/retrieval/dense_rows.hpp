// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// How vectors are stored in an index: fp32, bf16, int8 or one bit per number.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include <bmae/retrieval/row_kernels.hpp>

namespace bmae {

/// The numbers of a stored row.
enum class RowType {
    fp32,
    bf16,
    int8,    ///< each row has a scale: its largest absolute value is 127 of it
    binary   ///< whether a number is above 0
};

/// As command lines and manifests write it.
constexpr std::array<std::string_view, 4> names_of(RowType) noexcept { return {"fp32", "bf16", "int8", "binary"}; }
constexpr std::string_view to_string(RowType type) noexcept { return names_of(type)[static_cast<std::size_t>(type)]; }
constexpr std::optional<RowType> row_type_from(std::string_view name) noexcept {
    for (RowType const type : {RowType::fp32, RowType::bf16, RowType::int8, RowType::binary}) {
        if (to_string(type) == name) { return type; }
    }
    return std::nullopt;
}

namespace detail {

/// Numbers of a row in memory: filled up with zeros to whole lanes.
constexpr std::size_t padded_width(std::size_t dimension) noexcept {
    return std::max<std::size_t>(1, (dimension + dot_lanes - 1) / dot_lanes) * dot_lanes;
}

/// Bytes of a stored row.
constexpr std::size_t row_bytes(RowType type, std::size_t dimension) noexcept {
    switch (type) {
        case RowType::fp32:
            return padded_width(dimension) * 4;
        case RowType::bf16:
            return padded_width(dimension) * 2;
        case RowType::int8:
            return padded_width(dimension);
        default:
            return (dimension + bits_per_word - 1) / bits_per_word * sizeof(std::uint64_t);
    }
}

/// Divides a row by its length; zeros stay zeros.
inline void normalize_row(float* values, std::size_t size) noexcept {
    double squares = 0;
    for (std::size_t i = 0; i < size; ++i) { squares += static_cast<double>(values[i]) * static_cast<double>(values[i]); }
    double const length = std::sqrt(squares);
    for (std::size_t i = 0; i < size && squares != 0; ++i) {
        values[i] = static_cast<float>(static_cast<double>(values[i]) / length);
    }
}

/// The nearest number of bf16, of two the even one, as LibTorch rounds. The value must be finite.
inline std::uint16_t to_half_bits(float value) noexcept {
    auto const bits = std::bit_cast<std::uint32_t>(value);
    return static_cast<std::uint16_t>((bits + 0x7fffU + ((bits >> 16) & 1U)) >> 16);
}

/// \param to  [size]
/// \returns the scale of the row
inline float to_bytes(float const* values, std::size_t size, std::int8_t* to) noexcept {
    float largest = 0;
    for (std::size_t i = 0; i < size; ++i) { largest = std::max(largest, std::abs(values[i])); }
    float const scale = largest > 0 ? largest / 127.0F : 1.0F;
    for (std::size_t i = 0; i < size; ++i) {
        to[i] = static_cast<std::int8_t>(std::clamp(std::nearbyint(values[i] / scale), -127.0F, 127.0F));
    }
    return scale;
}

}  // namespace detail

}  // namespace bmae
