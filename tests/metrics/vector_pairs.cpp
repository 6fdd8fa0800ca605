// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// Scores of pairs of vectors by hand, and how vectors lie in space.
#include <boost/test/unit_test.hpp>

#include <cmath>
#include <vector>

#include <bmae/metrics/vector_pairs.hpp>

BOOST_AUTO_TEST_SUITE(vector_pairs)

namespace {

using Rows = std::vector<float>;
auto const near = boost::test_tools::tolerance(1e-6);

}  // namespace

BOOST_AUTO_TEST_CASE(scores_of_pairs) {
    Rows const a = {3, 4, 0, 0}, b = {4, 3, 1, 2};
    auto const scores = [&](bmae::PairScore score) { return bmae::pair_scores(a, b, 2, score); };
    BOOST_TEST(scores(bmae::PairScore::cosine) == (std::vector<double>{24. / 25, 0}), boost::test_tools::per_element());
    BOOST_TEST(scores(bmae::PairScore::dot) == (std::vector<double>{24, 0}), boost::test_tools::per_element());
    BOOST_TEST(scores(bmae::PairScore::euclidean) == (std::vector<double>{-std::sqrt(2.), -std::sqrt(5.)}),
               boost::test_tools::per_element());
    BOOST_TEST(scores(bmae::PairScore::manhattan) == (std::vector<double>{-2, -3}), boost::test_tools::per_element());
    BOOST_CHECK_THROW(bmae::pair_scores(a, b, 3, bmae::PairScore::dot), bmae::InputError);
    BOOST_CHECK_THROW(bmae::pair_scores(a, Rows{1, 2}, 2, bmae::PairScore::dot), bmae::InputError);
}

BOOST_AUTO_TEST_CASE(alignment_and_uniformity) {
    BOOST_TEST(*bmae::alignment(Rows{2, 0, 0, 5}, Rows{0, 1, 0, 1}, 2) == 1., near);   // of squared distances 2 and 0
    BOOST_TEST(!bmae::alignment(Rows{}, Rows{}, 2));
    BOOST_TEST(*bmae::uniformity(Rows{1, 0, -7, 0}, 2) == -8., near);   // opposite: log exp(-2 * 4)
    BOOST_TEST(!bmae::uniformity(Rows{1, 0}, 2));
    Rows many;
    double expected = 0;
    for (int i = 0; i < 600; ++i) {
        many.push_back(std::cos(static_cast<float>(i)));
        many.push_back(std::sin(static_cast<float>(i)));
    }
    for (int i = 0; i < 600; ++i) {
        for (int j = i + 1; j < 600; ++j) { expected += std::exp(-4 * (1 - std::cos(static_cast<double>(i - j)))); }
    }
    BOOST_TEST(*bmae::uniformity(many, 2) == std::log(expected / (600 * 599 / 2)), boost::test_tools::tolerance(1e-4));
}

BOOST_AUTO_TEST_CASE(isotropy_is_one_where_all_directions_are_alike) {
    BOOST_TEST(*bmae::isotropy(Rows{1, 0, -1, 0, 0, 1, 0, -1}, 2) == 1., near);
    BOOST_TEST(*bmae::isotropy(Rows{1, 0, 1, 0}, 2) == std::exp(-2.), near);   // Z is 2 exp(1) one way, 2 exp(-1) the other
    BOOST_TEST(*bmae::isotropy(Rows{1000, 0}, 2) == 0., near);                 // without overflow
    BOOST_TEST(!bmae::isotropy(Rows{}, 2));
}

BOOST_AUTO_TEST_SUITE_END()
