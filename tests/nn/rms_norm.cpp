// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// Root mean square normalization against its formula, row by row.
#include <cmath>
#include <cstdint>

#include <ATen/ops/zeros.h>
#include <boost/test/unit_test.hpp>

#include <bmae/nn/rms_norm.hpp>

#include "oracle.hpp"

BOOST_AUTO_TEST_SUITE(rms_norm)

BOOST_AUTO_TEST_CASE(each_row_has_a_mean_square_of_one_before_the_weight) {
    std::int64_t const width = 7;
    bmae::RmsNorm const norm{.weight = oracle::normal({width}, 1), .epsilon = 1e-6};
    at::Tensor const x = oracle::normal({2, 3, width}, 2) * 5 + 1;   // rows that are not centered stay so
    at::Tensor const y = norm(x);
    BOOST_TEST_REQUIRE((y.sizes() == x.sizes()));
    at::Tensor const in = x.reshape({-1, width}), out = y.reshape({-1, width});
    for (std::int64_t row = 0; row < in.size(0); ++row) {
        double squares = 0;
        for (std::int64_t i = 0; i < width; ++i) { squares += std::pow(in[row][i].item<double>(), 2); }
        double const scale = 1 / std::sqrt(squares / width + norm.epsilon);
        for (std::int64_t i = 0; i < width; ++i) {
            double const expected = in[row][i].item<double>() * scale * norm.weight[i].item<double>();
            BOOST_CHECK_SMALL(out[row][i].item<double>() - expected, 1e-5);
        }
    }
}

BOOST_AUTO_TEST_CASE(a_row_of_zeros_stays_zero) {
    bmae::RmsNorm const norm{.weight = oracle::normal({4}, 1)};
    BOOST_TEST(norm(at::zeros({1, 4})).abs().max().item<double>() == 0);
}

BOOST_AUTO_TEST_SUITE_END()
