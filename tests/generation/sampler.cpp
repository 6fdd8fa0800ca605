// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// The distribution that tokens are drawn from, against the one that the formulas give.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <numeric>
#include <vector>

#include <boost/test/unit_test.hpp>

#include <bmae/generation/sampler.hpp>

BOOST_AUTO_TEST_SUITE(sampler)

namespace {

using bmae::Draw;
using bmae::Sampler;
using bmae::SamplerOptions;

constexpr int draws = 20000;

/// How often each token came in 20000 draws.
std::vector<double> shares(std::vector<float> const& scores, SamplerOptions const& options) {
    Sampler sampler(options);
    std::vector<double> counts(scores.size(), 0);
    for (std::uint64_t i = 0; i < draws; ++i) {
        Draw draw({.seed = 3, .example = i});
        counts[static_cast<std::size_t>(sampler(scores, draw))] += 1.0 / draws;
    }
    return counts;
}

/// The same by the definition: sorted, cut, scaled.
std::vector<double> expected(std::vector<float> const& scores, SamplerOptions const& options) {
    std::vector<std::size_t> order(scores.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::stable_sort(order.begin(), order.end(), [&](auto a, auto b) { return scores[a] > scores[b]; });
    if (options.top_k != 0) { order.resize(std::min(order.size(), options.top_k)); }
    std::vector<double> weights;
    for (std::size_t const i : order) { weights.push_back(std::exp(static_cast<double>(scores[i]) / options.temperature)); }
    double const total = std::accumulate(weights.begin(), weights.end(), 0.0);
    double reached = 0;
    std::size_t kept = 0;
    while (kept < order.size() && reached < options.top_p * total) { reached += weights[kept++]; }
    std::vector<double> result(scores.size(), 0);
    for (std::size_t i = 0; i < kept; ++i) { result[order[i]] = weights[i] / reached; }
    return result;
}

void check(std::vector<float> const& scores, SamplerOptions const& options) {
    auto const found = shares(scores, options);
    auto const wanted = expected(scores, options);
    for (std::size_t i = 0; i < scores.size(); ++i) {
        double const deviation = std::sqrt(wanted[i] * (1 - wanted[i]) / draws);
        BOOST_TEST(std::abs(found[i] - wanted[i]) <= 5 * deviation + 1e-9);   // exactly 0 where the token is cut away
    }
}

}  // namespace

BOOST_AUTO_TEST_CASE(distribution) {
    std::vector<float> const scores{1.0F, -2.0F, 2.5F, 0.0F, 2.0F, -30.0F, 0.5F};
    check(scores, {});
    check(scores, {.temperature = 0.5});
    check(scores, {.temperature = 3});
    check(scores, {.top_k = 3});
    check(scores, {.top_k = 100});
    check(scores, {.top_p = 0.8});
    check(scores, {.temperature = 2, .top_k = 5, .top_p = 0.7});
    check(scores, {.top_p = 1e-9});   // the best token is always there
}

BOOST_AUTO_TEST_CASE(a_nucleus_of_many_tokens) {
    std::vector<float> scores;
    for (int i = 0; i < 3000; ++i) {
        scores.push_back(static_cast<float>(i * 7919 % 3000) * .002F);
    }   // flat: hundreds are sorted
    SamplerOptions const options{.top_p = 0.6};
    auto const wanted = expected(scores, options);
    Sampler sampler(options);
    for (std::uint64_t i = 0; i < 2000; ++i) {
        Draw draw({.seed = 1, .example = i});
        BOOST_REQUIRE(wanted[static_cast<std::size_t>(sampler(scores, draw))] > 0);
    }
}

BOOST_AUTO_TEST_CASE(greedy_and_ties) {
    Draw draw({});
    std::vector<float> const scores{1, 3, 3, 2};
    BOOST_TEST(Sampler({.greedy = true})(scores, draw) == 1);
    BOOST_TEST(Sampler({.top_k = 1})(scores, draw) == 1);
    check({2, 2, 2, 2}, {.top_k = 2});
    check({2, 2, 2, 2}, {.top_p = 0.5});
}

BOOST_AUTO_TEST_CASE(bad_numbers) {
    float const nan = std::numeric_limits<float>::quiet_NaN();
    float const low = -std::numeric_limits<float>::infinity();
    Draw draw({});
    BOOST_TEST(Sampler({.top_p = 0.99})(std::vector<float>{1, low, low}, draw) == 0);
    BOOST_TEST(Sampler({.top_k = 2})(std::vector<float>{1, nan, low}, draw) == 0);
    BOOST_CHECK_THROW(Sampler({})(std::vector<float>{low, low}, draw), bmae::RunError);
    BOOST_CHECK_THROW(Sampler({})(std::vector<float>{nan, nan}, draw), bmae::RunError);
    BOOST_CHECK_THROW(Sampler({})(std::vector<float>{}, draw), bmae::RunError);
    BOOST_CHECK_THROW(Sampler({.temperature = 0}), bmae::InputError);
    BOOST_CHECK_THROW(Sampler({.temperature = nan}), bmae::InputError);
    BOOST_CHECK_THROW(Sampler({.top_p = 0}), bmae::InputError);
    BOOST_CHECK_THROW(Sampler({.top_p = 1.1}), bmae::InputError);
}

BOOST_AUTO_TEST_SUITE_END()
