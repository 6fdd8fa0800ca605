// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// `Evaluator<Mrr, Recall, Ndcg>`: metrics composed as types, computed in one pass.
#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include <bmae/concepts/metric.hpp>
#include <bmae/concepts/value_metric.hpp>
#include <bmae/evaluation/evaluator.hpp>
#include <bmae/values/error.hpp>

namespace bmae {

/// The values of several value metrics over one list of pairs.
struct ValueReport {
    std::size_t pairs = 0;
    std::vector<std::string> measures = {};           ///< [M] "spearman", ...
    std::vector<std::optional<double>> values = {};   ///< [M] nothing where undefined

    /// \throws InputError listing the measures of this report
    [[nodiscard]] std::optional<double> operator[](std::string_view measure) const {
        std::string known;
        for (std::size_t i = 0; i < measures.size(); ++i) {
            if (measures[i] == measure) { return values[i]; }
            known.append(i == 0 ? "" : ", ").append(measures[i]);
        }
        throw InputError(Diagnostic{.file = {},
                                    .expected = "a measure of this report",
                                    .found = '\'' + std::string(measure) + '\'',
                                    .hint = "It holds: " + known + '.'});
    }
};

/// Metrics of one role, each of a type of its own: all over a ranking (`Metric`), or all over gold and predicted values (`ValueMetric`).
template <class... Ms>
class Evaluator {
    static_assert(sizeof...(Ms) > 0 && ((Metric<Ms> && ...) || (ValueMetric<Ms> && ...)),
                  "Evaluator: its parts are metrics of one role, over a ranking (Metric) or over gold and predicted values "
                  "(ValueMetric); explain_metric<M>() and explain_value_metric<M>() say what one lacks.");
};

/// Over rankings. Each query is ranked once, and all metrics read that ranking.
template <class... Ms>
    requires(sizeof...(Ms) > 0 && (Metric<Ms> && ...))
class Evaluator<Ms...> {
public:
    Evaluator() = default;
    explicit Evaluator(Ms... metrics) : metrics_(std::move(metrics)...) {}

    /// The values of one ranked list.                                                     [Ms]
    [[nodiscard]] std::array<double, sizeof...(Ms)> operator()(RankedGains const& ranked) const {
        return std::apply([&](Ms const&... metrics) { return std::array{metrics(ranked)...}; }, metrics_);
    }

    /// As `evaluate`.
    [[nodiscard]] Report operator()(Qrels const& qrels, Run const& run, EvaluateOptions const& options = {}) const {
        return std::apply([&](Ms const&... metrics) { return evaluate(qrels, run, options, metrics...); }, metrics_);
    }

private:
    std::tuple<Ms...> metrics_;
};

/// Over gold and predicted values.
template <class... Ms>
    requires(sizeof...(Ms) > 0 && (ValueMetric<Ms> && ...))
class Evaluator<Ms...> {
public:
    Evaluator() = default;
    explicit Evaluator(Ms... metrics) : metrics_(std::move(metrics)...) {}

    /// \param gold,predicted  [n]
    /// Throws InputError for lists of different length and for numbers that are not finite.
    [[nodiscard]] ValueReport operator()(std::span<double const> gold, std::span<double const> predicted) const {
        return std::apply(
            [&](Ms const&... metrics) {
                return ValueReport{
                    .pairs = gold.size(), .measures = {metrics.name()...}, .values = {metrics(gold, predicted)...}};
            },
            metrics_);
    }

private:
    std::tuple<Ms...> metrics_;
};

template <class... Ms>
Evaluator(Ms...) -> Evaluator<Ms...>;

}  // namespace bmae
