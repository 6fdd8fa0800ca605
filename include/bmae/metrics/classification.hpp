// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Metrics of predicted classes, which are whole numbers: accuracy, F1, Matthews' correlation.
#pragma once

#include <cmath>
#include <cstddef>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <utility>

#include <bmae/concepts/value_metric.hpp>
#include <bmae/metrics/correlation.hpp>

namespace bmae {

/// Share of pairs whose classes are equal; nothing without pairs.
struct Accuracy {
    [[nodiscard]] std::string name() const { return "accuracy"; }
    [[nodiscard]] std::optional<double> operator()(std::span<double const> gold, std::span<double const> predicted) const {
        detail::require_pairs(gold, predicted);
        if (gold.empty()) { return std::nullopt; }
        std::size_t equal = 0;
        for (std::size_t i = 0; i < gold.size(); ++i) { equal += gold[i] == predicted[i] ? 1U : 0U; }
        return static_cast<double>(equal) / static_cast<double>(gold.size());
    }
};
static_assert(ValueMetric<Accuracy>);

/// Harmonic mean of precision and recall of one class: 2 TP / (2 TP + FP + FN). Nothing where the class is neither in the gold labels nor
/// predicted.
struct F1 {
    double positive = 1;   ///< the class

    [[nodiscard]] std::string name() const { return "f1"; }
    [[nodiscard]] std::optional<double> operator()(std::span<double const> gold, std::span<double const> predicted) const {
        detail::require_pairs(gold, predicted);
        std::size_t both = 0, either = 0;
        for (std::size_t i = 0; i < gold.size(); ++i) {
            bool const is = gold[i] == positive, said = predicted[i] == positive;
            both += is && said ? 1U : 0U;
            either += (is ? 1U : 0U) + (said ? 1U : 0U);
        }
        return either == 0 ? std::nullopt : std::optional(2 * static_cast<double>(both) / static_cast<double>(either));
    }
};
static_assert(ValueMetric<F1>);

/// Matthews' correlation of classes, two or more (Gorodkin, 2004; sklearn.metrics.matthews_corrcoef). Nothing where all gold labels or all
/// predictions are one class, for which other tools print 0.
struct Matthews {
    [[nodiscard]] std::string name() const { return "matthews"; }
    [[nodiscard]] std::optional<double> operator()(std::span<double const> gold, std::span<double const> predicted) const {
        detail::require_pairs(gold, predicted);
        if (gold.empty() || detail::is_constant(gold) || detail::is_constant(predicted)) { return std::nullopt; }
        auto const count = static_cast<double>(gold.size());
        std::map<double, std::pair<double, double>> classes;   // how often in gold, and predicted
        double correct = 0;
        for (std::size_t i = 0; i < gold.size(); ++i) {
            ++classes[gold[i]].first;
            ++classes[predicted[i]].second;
            correct += gold[i] == predicted[i] ? 1 : 0;
        }
        double product = 0, of_gold = 0, of_predicted = 0;
        for (auto const& [_, numbers] : classes) {
            product += numbers.first * numbers.second;
            of_gold += numbers.first * numbers.first;
            of_predicted += numbers.second * numbers.second;
        }
        return (correct * count - product) / std::sqrt((count * count - of_predicted) * (count * count - of_gold));
    }
};
static_assert(ValueMetric<Matthews>);

}  // namespace bmae
