// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// Metrics of gold and predicted values by hand; against scipy and scikit-learn in tests/parity/metrics_parity.py.
#include <boost/test/unit_test.hpp>

#include <cmath>
#include <limits>
#include <vector>

#include <bmae/metrics/classification.hpp>
#include <bmae/metrics/kendall.hpp>
#include <bmae/metrics/squared_error.hpp>

BOOST_AUTO_TEST_SUITE(values)

namespace {

using Numbers = std::vector<double>;
auto const near = boost::test_tools::tolerance(1e-14);

}  // namespace

BOOST_AUTO_TEST_CASE(kendall_with_ties) {
    BOOST_TEST(*bmae::kendall(Numbers{1, 2, 3, 4}, Numbers{1, 2, 4, 3}) == 4. / 6, near);
    BOOST_TEST(*bmae::kendall(Numbers{1, 2, 3}, Numbers{3, 2, 1}) == -1., near);
    // of six pairs, one tied in x, one in y (another one): 4 concordant, 0 discordant
    BOOST_TEST(*bmae::kendall(Numbers{1, 1, 2, 3}, Numbers{1, 2, 3, 3}) == 4 / 5., near);
    BOOST_TEST(*bmae::Kendall{}(Numbers{1, 1, 2}, Numbers{4, 4, 5}) == 1., near);   // tied in both
    BOOST_TEST(!bmae::kendall(Numbers{1, 1}, Numbers{1, 2}));
    BOOST_TEST(!bmae::kendall(Numbers{1}, Numbers{1}));
}

BOOST_AUTO_TEST_CASE(classes) {
    Numbers const gold = {0, 0, 1, 1, 1};
    Numbers const said = {0, 1, 1, 1, 0};
    BOOST_TEST(*bmae::Accuracy{}(gold, said) == .6, near);
    BOOST_TEST(*bmae::F1{}(gold, said) == 4. / 6, near);
    BOOST_TEST((*bmae::F1{.positive = 0}(gold, said)) == .5, near);
    BOOST_TEST(*bmae::Matthews{}(gold, said) == (2 * 1 - 1 * 1) / std::sqrt(3. * 3 * 2 * 2), near);
    BOOST_TEST(!bmae::Matthews{}(gold, Numbers{1, 1, 1, 1, 1}));   // other tools print 0
    BOOST_TEST(!bmae::F1{}(Numbers{0}, Numbers{0}));
    BOOST_TEST(!bmae::Accuracy{}(Numbers{}, Numbers{}));
}

BOOST_AUTO_TEST_CASE(squared_error) {
    BOOST_TEST(*bmae::MeanSquaredError{}(Numbers{1, 2}, Numbers{2, 4}) == 2.5);
    BOOST_TEST(!bmae::MeanSquaredError{}(Numbers{}, Numbers{}));
}

BOOST_AUTO_TEST_CASE(lists_that_do_not_fit_are_refused) {
    auto const refuses = [](auto const& metric) {
        BOOST_CHECK_THROW(static_cast<void>(metric(Numbers{1}, Numbers{1, 2})), bmae::InputError);
        BOOST_CHECK_THROW(static_cast<void>(metric(Numbers{1, 2}, Numbers{1, std::numeric_limits<double>::quiet_NaN()})),
                          bmae::InputError);
        BOOST_CHECK_THROW(static_cast<void>(metric(Numbers{1, std::numeric_limits<double>::infinity()}, Numbers{1, 2})),
                          bmae::InputError);
    };
    refuses(bmae::Kendall{});
    refuses(bmae::Spearman{});
    refuses(bmae::Pearson{});
    refuses(bmae::Accuracy{});
    refuses(bmae::F1{});
    refuses(bmae::Matthews{});
    refuses(bmae::MeanSquaredError{});
}

BOOST_AUTO_TEST_SUITE_END()
