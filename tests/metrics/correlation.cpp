// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// Correlations by hand, against scipy's numbers, and over subsets.
#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include <bmae/metrics/correlation.hpp>
#include <bmae/metrics/sts.hpp>

#include "correlation_golden.hpp"

BOOST_AUTO_TEST_SUITE(correlation)

namespace {

using bmae::StsAggregation;
using Numbers = std::vector<double>;

auto const near = boost::test_tools::tolerance(1e-14);

}  // namespace

BOOST_AUTO_TEST_CASE(values_by_hand) {
    Numbers const x = {1, 2, 3, 4};
    BOOST_TEST(*bmae::spearman(x, Numbers{10, 20, 30, 1e6}) == 1.0);
    BOOST_TEST(*bmae::spearman(x, Numbers{4, 3, 2, 1}) == -1.0);
    // ranks 1 2 3 4 and 2 1 4 3: 1 - 6 * 4 / (4 * 15)
    BOOST_TEST(*bmae::spearman(x, Numbers{2, 1, 4, 3}) == 0.6, near);
    BOOST_TEST(*bmae::pearson(x, Numbers{2, 1, 4, 3}) == 0.6, near);
    // deviations -3 -1 1 3 (halves) and -1 0 0 1: 6 / sqrt(20 * 2)
    BOOST_TEST(*bmae::pearson(x, Numbers{0, 1, 1, 2}) == 6 / std::sqrt(40.), near);
    BOOST_TEST(*bmae::pearson(x, Numbers{1e-200, 2e-200, 3e-200, 4e-200}) == 1.0, near);
    BOOST_TEST(bmae::to_string(bmae::Correlation::pearson) == "pearson");
    BOOST_TEST(*bmae::correlate(bmae::Correlation::pearson, x, Numbers{1, 2, 3, 5}) != 1.0);
    BOOST_TEST(*bmae::correlate(bmae::Correlation::spearman, x, Numbers{1, 2, 3, 5}) == 1.0);
}

// Equal numbers share the mean of their ranks, wherever they stand.
BOOST_AUTO_TEST_CASE(pitfall_26_ties_have_the_mean_of_their_ranks) {
    // ranks 1, 2.5, 2.5, 4 and 1, 2, 3, 4: 4.5 / sqrt(4.5 * 5)
    BOOST_TEST(*bmae::spearman(Numbers{0, 5, 5, 9}, Numbers{1, 2, 3, 4}) == 4.5 / std::sqrt(22.5), near);
    BOOST_TEST(*bmae::spearman(Numbers{5, 9, 0, 5}, Numbers{3, 4, 1, 2}) == 4.5 / std::sqrt(22.5), near);
    BOOST_TEST(*bmae::spearman(Numbers{0, 5, 5, 9}, Numbers{1, 2, 2, 7}) == 1.0);   // tied in both
    BOOST_TEST(*bmae::spearman(Numbers{0., -0., 1.}, Numbers{1, 1, 2}) == 1.0);
    BOOST_TEST(*bmae::spearman(Numbers{7, 7, 7, 8}, Numbers{1, 2, 3, 0}) == -3 / std::sqrt(15.), near);
}

BOOST_AUTO_TEST_CASE(as_scipy) {
    for (golden::Pairs const& pairs : golden::correlations) {
        BOOST_TEST(std::abs(*bmae::spearman(pairs.x, pairs.y) - pairs.spearman) < 1e-15);
        BOOST_TEST(std::abs(*bmae::pearson(pairs.x, pairs.y) - pairs.pearson) < 1e-15);
        // an order-preserving change moves no rank
        Numbers other = pairs.x;
        for (double& value : other) { value = std::exp(value / 50) - 3; }
        BOOST_TEST(*bmae::spearman(other, pairs.y) == *bmae::spearman(pairs.x, pairs.y));
        BOOST_TEST(*bmae::spearman(pairs.y, pairs.x) == *bmae::spearman(pairs.x, pairs.y));
    }
}

BOOST_AUTO_TEST_CASE(undefined_is_nothing_and_nonsense_is_refused) {
    for (auto const correlation : {bmae::Correlation::spearman, bmae::Correlation::pearson}) {
        BOOST_TEST(!bmae::correlate(correlation, {}, {}).has_value());
        BOOST_TEST(!bmae::correlate(correlation, Numbers{1}, Numbers{2}).has_value());
        BOOST_TEST(!bmae::correlate(correlation, Numbers{.1, .1, .1}, Numbers{1, 2, 3}).has_value());
        BOOST_TEST(!bmae::correlate(correlation, Numbers{1, 2, 3}, Numbers{.1, .1, .1}).has_value());
        BOOST_CHECK_THROW(bmae::correlate(correlation, Numbers{1, 2}, Numbers{1}), bmae::InputError);
        for (double const bad : {std::nan(""), std::numeric_limits<double>::infinity()}) {
            BOOST_CHECK_THROW(bmae::correlate(correlation, Numbers{1, 2}, Numbers{1, bad}), bmae::InputError);
            BOOST_CHECK_THROW(bmae::correlate(correlation, Numbers{bad, 2}, Numbers{1, 2}), bmae::InputError);
        }
    }
}

// Two subsets in perfect order whose scores do not compare: only the correlation over all pairs sees it.
BOOST_AUTO_TEST_CASE(oracle_j_all_differs_from_mean_and_weighted_mean) {
    bmae::StsSubset const high{.name = "images", .gold = {0, 1, 2}, .scores = {.7, .8, .9}};
    bmae::StsSubset const low{.name = "headlines", .gold = {3, 4, 5}, .scores = {.1, .2, .3}};
    std::vector<bmae::StsSubset> const both = {high, low};
    BOOST_TEST(*bmae::sts_correlation(both, StsAggregation::mean) == 1.0);
    BOOST_TEST(*bmae::sts_correlation(both, StsAggregation::weighted_mean) == 1.0);
    // ranks 1 .. 6 against 4 5 6 1 2 3: 1 - 6 * 54 / 210
    BOOST_TEST(*bmae::sts_correlation(both) == 1 - 6 * 54 / 210., near);
    BOOST_TEST(*bmae::sts_correlation(both, StsAggregation::all, bmae::Correlation::pearson) < 0);

    // A small subset in reverse order: the mean takes it for half, the weighted mean for two of eight.
    bmae::StsSubset const six{.gold = {0, 1, 2, 3, 4, 5}, .scores = {0, 1, 2, 3, 4, 5}};
    bmae::StsSubset const two{.gold = {0, 5}, .scores = {5, 0}};
    std::vector<bmae::StsSubset> const uneven = {six, two};
    BOOST_TEST(*bmae::sts_correlation(uneven, StsAggregation::mean) == 0.0);
    BOOST_TEST(*bmae::sts_correlation(uneven, StsAggregation::weighted_mean) == .5);
    // both ends are tied: ranks less 4.5 are -3 -1.5 -.5 .5 1.5 3, and -3 3 crossed
    BOOST_TEST(*bmae::sts_correlation(uneven) == (9 + 2.25 + .25 + .25 + 2.25 + 9 - 9 - 9) / (4 * 9 + 2 * 2.25 + 2 * .25), near);
}

BOOST_AUTO_TEST_CASE(subsets_that_have_no_correlation) {
    bmae::StsSubset const good{.gold = {0, 1, 2}, .scores = {0, 1, 2}};
    bmae::StsSubset const constant{.gold = {3, 4}, .scores = {9, 9}};
    std::vector<bmae::StsSubset> const mixed = {good, constant};
    BOOST_TEST(bmae::sts_correlation(mixed).has_value());   // over all pairs there is one
    BOOST_TEST(!bmae::sts_correlation(mixed, StsAggregation::mean).has_value());
    BOOST_TEST(!bmae::sts_correlation(mixed, StsAggregation::weighted_mean).has_value());
    for (auto const aggregation : {StsAggregation::all, StsAggregation::mean, StsAggregation::weighted_mean}) {
        BOOST_TEST(!bmae::sts_correlation({}, aggregation).has_value());
        BOOST_TEST(!bmae::sts_correlation(std::vector<bmae::StsSubset>(1), aggregation).has_value());
        // lists that would fit when joined do not fit apart
        std::vector<bmae::StsSubset> const crossed = {{.gold = {0, 1}, .scores = {0}}, {.gold = {0}, .scores = {0, 1}}};
        BOOST_CHECK_THROW(bmae::sts_correlation(crossed, aggregation), bmae::InputError);
        // one subset is the same in every way
        BOOST_TEST(*bmae::sts_correlation(std::vector{good}, aggregation) == 1.0);
    }
    BOOST_TEST(bmae::to_string(StsAggregation::all) == "all");
    BOOST_TEST(bmae::to_string(StsAggregation::weighted_mean) == "weighted_mean");
}

BOOST_AUTO_TEST_SUITE_END()
