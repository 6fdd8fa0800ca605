// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// The optimizers, by name.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include <bmae/values/error.hpp>

namespace bmae {

/// Bytes of state per trained parameter: adamw and lamb 8, adamw8 5, adafactor next to none.
enum class OptimizerKind : std::uint8_t {
    adamw,       ///< Loshchilov, Hutter, arXiv 1711.05101
    lamb,        ///< You et al., arXiv 1904.00962: each matrix moves by a share of its own norm, for batches of thousands
    adafactor,   ///< Shazeer, Stern, arXiv 1804.04235: the second moment of a matrix as rows and columns, no first moment
    adamw8       ///< AdamW whose second moment has 8 bits per parameter and a scale per block
};

/// The names, in the order of the values.
constexpr std::array<std::string_view, 4> names_of(OptimizerKind) noexcept { return {"adamw", "lamb", "adafactor", "adamw8"}; }

[[nodiscard]] constexpr std::string_view to_string(OptimizerKind kind) noexcept {
    return names_of(kind)[static_cast<std::size_t>(kind)];
}

/// \throws InputError for another name
inline OptimizerKind optimizer_from(std::string_view name) {
    std::string known;
    for (std::size_t i = 0; i < names_of(OptimizerKind{}).size(); ++i) {
        std::string_view const each = names_of(OptimizerKind{})[i];
        if (each == name) { return static_cast<OptimizerKind>(i); }
        known += (i == 0 ? "" : ", ") + std::string(each);
    }
    throw InputError(Diagnostic{{}, 0, "an optimizer: " + known, '"' + std::string(name) + '"'});
}

}  // namespace bmae
