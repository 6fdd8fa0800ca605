// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
#include <boost/test/unit_test.hpp>

#include <cmath>
#include <map>
#include <span>
#include <vector>

#include <bmae/evaluation/weight_search.hpp>

BOOST_AUTO_TEST_SUITE(weight_search)

namespace {

using bmae::search_weights;
using bmae::TunedWeights;

std::vector<double> const no_constant{1};

/// Minus the squared distance to a point.
auto towards(std::vector<double> target) {
    return [target = std::move(target)](std::span<double const> weights, double) {
        double sum = 0;
        for (std::size_t i = 0; i < target.size(); ++i) { sum -= (weights[i] - target[i]) * (weights[i] - target[i]); }
        return sum;
    };
}

bool near(std::vector<double> const& a, std::vector<double> const& b, double most = 1e-9) {
    for (std::size_t i = 0; i < a.size(); ++i) {
        if (!(std::abs(a[i] - b[i]) <= most)) { return false; }
    }
    return a.size() == b.size();
}

BOOST_AUTO_TEST_CASE(two_parts_try_the_whole_grid_with_every_constant) {
    std::vector<double> const constants{1, 10, 60, 100};
    std::map<std::vector<double>, int> asked;
    // several hills, which an ascent would not cross
    auto const hills = [](double first, double constant) { return std::sin(40 * first) + std::cos(first + constant); };
    TunedWeights const found = search_weights(2, constants, 60, [&](std::span<double const> weights, double constant) {
        BOOST_TEST(std::abs(weights[0] + weights[1] - 1) < 1e-12);
        ++asked[{weights[0], constant}];
        return hills(weights[0], constant);
    });
    BOOST_TEST(asked.size() == 21U * 4);
    BOOST_TEST(found.measured == 21U * 4);   // each once
    double best = -9;
    for (int step = 0; step <= 20; ++step) {
        for (double const constant : constants) { best = std::max(best, hills(step / 20., constant)); }
    }
    BOOST_TEST(std::abs(found.value - best) < 1e-9);
    BOOST_TEST(hills(found.weights[0], found.constant) == found.value);
}

BOOST_AUTO_TEST_CASE(of_equal_values_the_weights_nearest_to_equal_ones) {
    auto const flat = [](std::span<double const>, double) { return 1.0; };
    std::vector<double> const constants{1, 60, 1000};
    for (std::size_t parts = 2; parts < 5; ++parts) {
        TunedWeights const found = search_weights(parts, constants, 60, flat);
        BOOST_TEST(near(found.weights, std::vector<double>(parts, 1 / static_cast<double>(parts))));
        BOOST_TEST(found.constant == 60);
    }
    // equal values on both sides of the middle: the larger first weight
    auto const sides = [](std::span<double const> weights, double) { return std::abs(weights[0] - .5) > .12 ? 1.0 : 0.0; };
    BOOST_TEST(near(search_weights(2, no_constant, 1, sides).weights, {.65, .35}));
    // a constant that is 20 times the usual one against one that is a 12th
    auto const far = [](std::span<double const>, double constant) { return constant == 60 ? 0.0 : 1.0; };
    BOOST_TEST(search_weights(2, std::vector<double>{5, 60, 1200}, 60, far).constant == 5);
}

BOOST_AUTO_TEST_CASE(more_parts_ascend_to_the_best_of_the_grid) {
    for (std::vector<double> const& target :
         {std::vector<double>{.2, .3, .5}, {0, .1, .9}, {1, 0, 0}, {.33, .33, .34}, {.4, .4, .2}, {0, 0, 1}}) {
        auto const value = towards(target);
        TunedWeights const found = search_weights(3, no_constant, 1, value);
        double best = -9;   // brute force over the simplex
        for (int i = 0; i <= 20; ++i) {
            for (int j = 0; i + j <= 20; ++j) {
                best = std::max(best, value(std::vector<double>{i / 20., j / 20., (20 - i - j) / 20.}, 1));
            }
        }
        BOOST_TEST(found.value >= best - 1e-3, found.weights[0] << ' ' << found.weights[1] << ' ' << found.weights[2]);
        BOOST_TEST(std::abs(found.weights[0] + found.weights[1] + found.weights[2] - 1) < 1e-12);
        BOOST_TEST(found.measured < 500U);
    }
    // the constant is a coordinate, too
    auto const with_constant = [](std::span<double const> weights, double constant) {
        return towards({.25, .25, .5})(weights, constant) - std::abs(std::log(constant / 10));
    };
    TunedWeights const found = search_weights(3, std::vector<double>{1, 10, 60}, 60, with_constant);
    BOOST_TEST(found.constant == 10);
    BOOST_TEST(near(found.weights, {.25, .25, .5}, .02));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
