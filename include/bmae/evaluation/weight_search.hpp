// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Weights of parts, and a constant beside them, by the best value of a function: a search without chance.
#pragma once

#include <cmath>
#include <concepts>
#include <cstddef>
#include <span>
#include <utility>
#include <vector>

namespace bmae {

/// The best point of a search, and its value.
struct TunedWeights {
    std::vector<double> weights = {};   ///< [parts] 0 or more, their sum 1
    double constant = 0;                ///< one of those searched
    double value = 0;
    std::size_t measured = 0;   ///< points whose value was asked for
};

/// Steps of a weight from 0 to 1.
inline constexpr int weight_steps = 20;

namespace detail {

/// Of an ascent. A mean over queries changes in steps and needs two or three.
inline constexpr int most_rounds = 5;

/// The points of a search in their order of preference.
class WeightOrder {
public:
    explicit WeightOrder(double usual) : usual_(usual) {}

    /// The larger value; of equal values weights nearer to equal ones, then a constant nearer to the usual one by its ratio, then the
    /// larger first weight.
    [[nodiscard]] bool is_better(TunedWeights const& a, TunedWeights const& b) const {
        if (std::abs(a.value - b.value) > rounding * std::abs(b.value)) { return a.value > b.value; }
        double const spread = spread_of(a.weights) - spread_of(b.weights);
        if (std::abs(spread) > rounding) { return spread < 0; }
        double const ratio = ratio_of(a.constant) - ratio_of(b.constant);
        if (std::abs(ratio) > rounding) { return ratio < 0; }
        for (std::size_t i = 0; i < a.weights.size(); ++i) {
            if (std::abs(a.weights[i] - b.weights[i]) > rounding) { return a.weights[i] > b.weights[i]; }
        }
        return false;
    }

private:
    static constexpr double rounding = 1e-12;   // of numbers that are the same on paper

    /// Squared distance to equal weights.
    static double spread_of(std::vector<double> const& weights) {
        double sum = 0;
        for (double const weight : weights) {
            double const difference = weight - 1 / static_cast<double>(weights.size());
            sum += difference * difference;
        }
        return sum;
    }
    [[nodiscard]] double ratio_of(double constant) const { return std::abs(std::log(constant / usual_)); }

    double usual_;
};

/// `weights` with another one of part `part`: the others keep their proportions, equal ones where all of them are 0.
inline std::vector<double> with_weight(std::vector<double> weights, std::size_t part, int step) {
    double const rest = static_cast<double>(weight_steps - step) / weight_steps;
    double others = 0;
    for (std::size_t i = 0; i < weights.size(); ++i) { others += i == part ? 0 : weights[i]; }
    for (std::size_t i = 0; i < weights.size(); ++i) {
        weights[i] = others > 0 ? weights[i] / others * rest : rest / static_cast<double>(weights.size() - 1);
    }
    weights[part] = static_cast<double>(step) / weight_steps;
    return weights;
}

}  // namespace detail

/// Searches the weights, and one of `constants`, with the largest value. Of two parts every weight 0, 0.05 ... 1 of the first is tried
/// with every constant. Of more parts it is a coordinate ascent from equal weights and the usual constant: of one part after the other
/// the weights 0, 0.05 ... 1, while the others keep their proportions, then the constants, until a round brings nothing or 5 are done.
/// Of points with equal values, up to rounding, that with weights nearer to equal ones is taken, then with a constant nearer to the usual one, then with
/// the larger first weight. The same function gives the same point.
/// \param parts      at least 2
/// \param constants  above 0; at least one
/// \param usual      the constant to begin with, one of them
/// \param value      (weights, constant), finite
template <class Value>
    requires std::regular_invocable<Value&, std::span<double const>, double>
TunedWeights search_weights(std::size_t parts, std::span<double const> constants, double usual, Value&& value) {
    detail::WeightOrder const order(usual);
    std::size_t measured = 0;
    auto const measure = [&](std::vector<double> weights, double constant) {
        TunedWeights point{.weights = std::move(weights), .constant = constant};
        point.value = value(std::span<double const>(point.weights), constant);
        ++measured;
        return point;
    };
    TunedWeights best = measure(std::vector<double>(parts, 1 / static_cast<double>(parts)), usual);
    std::vector<double> const equal = best.weights;
    auto const try_point = [&](std::vector<double> weights, double constant) {
        bool const known = (weights == best.weights && constant == best.constant) || (weights == equal && constant == usual);
        if (known) { return false; }
        TunedWeights point = measure(std::move(weights), constant);
        bool const gains = order.is_better(point, best);
        if (gains) { best = std::move(point); }
        return gains;
    };
    bool gains = true;
    int const rounds = parts == 2 ? 0 : detail::most_rounds;
    for (int round = 0; gains && round < rounds; ++round) {
        gains = false;
        for (std::size_t part = 0; part < parts; ++part) {
            std::vector<double> const start = best.weights;
            for (int step = 0; step <= weight_steps; ++step) {
                gains = try_point(detail::with_weight(start, part, step), best.constant) || gains;
            }
        }
        std::vector<double> const start = best.weights;
        for (double const constant : constants) { gains = try_point(start, constant) || gains; }
    }
    for (int step = 0; parts == 2 && step <= weight_steps; ++step) {
        for (double const constant : constants) { try_point(detail::with_weight(equal, 0, step), constant); }
    }
    best.measured = measured;
    return best;
}

}  // namespace bmae
