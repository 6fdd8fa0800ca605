// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Mean and spread of a figure over runs.
#pragma once

#include <cmath>
#include <optional>
#include <span>

namespace bmae::program {

struct Spread {
    double mean = 0;
    std::optional<double> deviation = {};   ///< of the sample; nothing for one value
};

/// \param values  at least one
inline Spread spread_of(std::span<double const> values) {
    auto const count = static_cast<double>(values.size());
    Spread spread;
    for (double const value : values) { spread.mean += value / count; }
    double squares = 0;
    for (double const value : values) { squares += (value - spread.mean) * (value - spread.mean); }
    if (values.size() > 1) { spread.deviation = std::sqrt(squares / (count - 1)); }
    return spread;
}

}  // namespace bmae::program
