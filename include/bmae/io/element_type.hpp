// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// The element types of tensors in files.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace bmae {

/// Element types of the safetensors format, in its own order: files are written with the last of these first.
enum class ElementType : std::uint8_t {
    boolean,
    f4,
    f6_e2m3,
    f6_e3m2,
    u8,
    i8,
    f8_e5m2,
    f8_e4m3,
    f8_e8m0,
    f8_e4m3fnuz,
    f8_e5m2fnuz,
    i16,
    u16,
    f16,
    bf16,
    i32,
    u32,
    f32,
    c64,
    f64,
    i64,
    u64
};

namespace detail {

struct ElementTypeFacts {
    std::string_view name;   ///< as spelled in the file
    unsigned bits;           ///< of one element
};

inline constexpr std::array<ElementTypeFacts, 22> element_types{
    {{"BOOL", 8},    {"F4", 4},      {"F6_E2M3", 6}, {"F6_E3M2", 6},     {"U8", 8},          {"I8", 8},
     {"F8_E5M2", 8}, {"F8_E4M3", 8}, {"F8_E8M0", 8}, {"F8_E4M3FNUZ", 8}, {"F8_E5M2FNUZ", 8}, {"I16", 16},
     {"U16", 16},    {"F16", 16},    {"BF16", 16},   {"I32", 32},        {"U32", 32},        {"F32", 32},
     {"C64", 64},    {"F64", 64},    {"I64", 64},    {"U64", 64}}};

}  // namespace detail

/// The name in the file: "F32", "BF16", "I64" ...
constexpr std::string_view to_string(ElementType type) noexcept {
    return detail::element_types[static_cast<std::size_t>(type)].name;
}

/// Size of one element in bits: 4 and 6 occur.
constexpr unsigned bits_of(ElementType type) noexcept { return detail::element_types[static_cast<std::size_t>(type)].bits; }

/// The type of that name, or nothing.
constexpr std::optional<ElementType> element_type(std::string_view name) noexcept {
    for (std::size_t i = 0; i < detail::element_types.size(); ++i) {
        if (detail::element_types[i].name == name) { return static_cast<ElementType>(i); }
    }
    return std::nullopt;
}

/// Bytes that a dense tensor takes; nothing where the count overflows, a dimension is negative, or the last byte is not full.
constexpr std::optional<std::uint64_t> dense_bytes(ElementType type, std::span<std::int64_t const> shape) noexcept {
    std::uint64_t bits = bits_of(type);
    bool empty = false;
    for (std::int64_t const size : shape) {
        if (size < 0) { return std::nullopt; }
        if (size == 0) {
            empty = true;
            continue;
        }   // the product of the other dimensions must not overflow either
        if (__builtin_mul_overflow(bits, static_cast<std::uint64_t>(size), &bits)) { return std::nullopt; }
    }
    if (empty) { return 0; }
    if (bits % 8 != 0) { return std::nullopt; }
    return bits / 8;
}

/// "[2, 3]"; "[]" for a scalar.
inline std::string shape_text(std::span<std::int64_t const> shape) {
    std::string text = "[";
    for (std::size_t i = 0; i < shape.size(); ++i) { text += (i == 0 ? "" : ", ") + std::to_string(shape[i]); }
    return text + ']';
}

/// The description of a tensor in a file.
struct TensorInfo {
    std::string name = {};
    ElementType type = ElementType::f32;
    std::vector<std::int64_t> shape = {};   ///< empty for a scalar

    friend bool operator==(TensorInfo const&, TensorInfo const&) = default;
};

/// A described tensor and its data: row-major, little-endian.
struct TensorEntry : TensorInfo {
    std::span<std::byte const> bytes = {};
};

}  // namespace bmae
