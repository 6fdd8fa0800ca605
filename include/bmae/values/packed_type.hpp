// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Number formats of weights that are packed for inference.
#pragma once

#include <cstdint>
#include <string_view>

namespace bmae {

/// The format in which the linear maps of an encoder run in inference. Everything between them is fp32.
enum class PackedType : std::uint8_t {
    fp32,
    bf16,   ///< weights and rows are rounded to bf16, sums are fp32
    int8    ///< weights symmetric per output, rows asymmetric each by its own range, sums exact
};

[[nodiscard]] constexpr std::string_view to_string(PackedType type) noexcept {
    return type == PackedType::fp32 ? "fp32" : type == PackedType::bf16 ? "bf16" : "int8";
}

}  // namespace bmae
