// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// The role of a parameter: its initialization, and whether weight decay applies to it.
#pragma once

#include <cstdint>

namespace bmae {

/// The third argument of a visitor of parameters: `visit(name, tensor, role)`.
///
/// A module names each of its parameters by role. `initialize` sets a new tensor by it, and the optimizer decays where
/// `decays()`. A role converts from and to bool, "does it decay": a custom part may write `visit(name, weight, true)` for a
/// weight and `false` for a bias, and a visitor that needs decay alone may take `bool decay`.
class ParameterRole {
    enum class Kind : std::uint8_t { weight, bias, norm_scale, norm_shift };

public:
    static ParameterRole const weight;       ///< a matrix or a table: drawn at random, decays
    static ParameterRole const bias;         ///< starts at 0, or with the fan-in of the weight before it; does not decay
    static ParameterRole const norm_scale;   ///< of a normalization: starts at 1, does not decay
    static ParameterRole const norm_shift;   ///< of a normalization: starts at 0, does not decay

    constexpr ParameterRole(bool decays) noexcept : kind_(decays ? Kind::weight : Kind::bias) {}

    [[nodiscard]] constexpr bool decays() const noexcept { return kind_ == Kind::weight; }
    constexpr operator bool() const noexcept { return decays(); }

    friend constexpr bool operator==(ParameterRole a, ParameterRole b) noexcept { return a.kind_ == b.kind_; }

private:
    constexpr explicit ParameterRole(Kind kind) noexcept : kind_(kind) {}

    Kind kind_;
};

constexpr ParameterRole ParameterRole::weight(ParameterRole::Kind::weight);
constexpr ParameterRole ParameterRole::bias(ParameterRole::Kind::bias);
constexpr ParameterRole ParameterRole::norm_scale(ParameterRole::Kind::norm_scale);
constexpr ParameterRole ParameterRole::norm_shift(ParameterRole::Kind::norm_shift);

}  // namespace bmae
