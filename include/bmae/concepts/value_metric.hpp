// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// The role `ValueMetric`: one value for gold and predicted values.
#pragma once

#include <concepts>
#include <optional>
#include <span>
#include <string>

namespace bmae {

/// A value metric compares what a model predicts with what annotators said: scores, or classes as the numbers 0, 1, 2 ...
///
/// 1. `metric(gold, predicted)` on a const metric is the value for all pairs.   ([n], [n]) -> std::optional<double>
/// 2. `metric.name()` names it in reports: "spearman".                          std::string
/// Law: a pure function that does not depend on the order of the pairs; nothing where it is undefined (no pair, a constant list for a
/// correlation), never a number in its place. Lists of different length and numbers that are not finite are an InputError.
/// Not required: a base class, registration.
template <class M>
concept ValueMetric = std::copy_constructible<M> && requires(M const& metric, std::span<double const> values) {
    { metric(values, values) } -> std::same_as<std::optional<double>>;
    { metric.name() } -> std::same_as<std::string>;
};

/// Explains in one sentence what `M` lacks to be a value metric; true where it lacks nothing.
template <class M>
consteval bool explain_value_metric() {
    using Values = std::span<double const>;
    static_assert(std::copy_constructible<M>, "ValueMetric: the type must be copyable, since every evaluation keeps its own.");
    static_assert(std::invocable<M const&, Values, Values>,
                  "ValueMetric: a member `std::optional<double> operator()(std::span<double const> gold, std::span<double const> "
                  "predicted) const` is missing.");
    static_assert(
        requires(M const& metric) {
            { metric.name() } -> std::same_as<std::string>;
        }, "ValueMetric: a member `std::string name() const` is missing.");
    static_assert(ValueMetric<M>,
                  "ValueMetric: operator()(gold, predicted) must return std::optional<double>, nothing where undefined.");
    return ValueMetric<M>;
}

}  // namespace bmae
