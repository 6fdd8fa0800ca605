// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Mean squared error of predicted values.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>

#include <bmae/concepts/value_metric.hpp>
#include <bmae/metrics/correlation.hpp>

namespace bmae {

/// Mean of (gold - predicted)^2; nothing without pairs.
struct MeanSquaredError {
    [[nodiscard]] std::string name() const { return "mse"; }
    [[nodiscard]] std::optional<double> operator()(std::span<double const> gold, std::span<double const> predicted) const {
        detail::require_pairs(gold, predicted);
        if (gold.empty()) { return std::nullopt; }
        double total = 0;
        for (std::size_t i = 0; i < gold.size(); ++i) { total += (gold[i] - predicted[i]) * (gold[i] - predicted[i]); }
        return total / static_cast<double>(gold.size());
    }
};
static_assert(ValueMetric<MeanSquaredError>);

}  // namespace bmae
