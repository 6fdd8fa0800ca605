// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// The compute type of the network, and the policy for non-finite steps.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include <bmae/values/error.hpp>

namespace bmae {

/// The compute type of the network. Masters, gradients of a whole step and optimizer moments are fp32 in both.
enum class ComputeType { fp32, bf16 };

inline std::string to_string(ComputeType precision) { return precision == ComputeType::fp32 ? "fp32" : "bf16"; }

/// \throws InputError if `name` is neither fp32 nor bf16
inline ComputeType compute_type_from(std::string_view name) {
    for (ComputeType const precision : {ComputeType::fp32, ComputeType::bf16}) {
        if (to_string(precision) == name) { return precision; }
    }
    throw InputError(Diagnostic{{}, 0, "a precision: fp32 or bf16", '"' + std::string(name) + '"'});
}

/// What to do with a step whose loss or gradient is not a finite number.
struct NonFinitePolicy {
    std::uint64_t max_skips = 0;   ///< consecutive steps that may be skipped; 0: the first one ends the run with a RunError

    static constexpr NonFinitePolicy stop() noexcept { return {}; }
    static constexpr NonFinitePolicy skip(std::uint64_t max) noexcept { return {.max_skips = max}; }
};

}  // namespace bmae
