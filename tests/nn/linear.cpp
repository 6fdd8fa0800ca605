// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// The affine map.
#include <ATen/ops/matmul.h>
#include <boost/test/unit_test.hpp>

#include <bmae/nn/linear.hpp>

#include "oracle.hpp"

BOOST_AUTO_TEST_SUITE(linear)

BOOST_AUTO_TEST_CASE(with_and_without_its_bias) {
    using namespace oracle;
    for (std::int64_t const rows : {0, 1, 9}) {
        auto const of = [](Tensors const& x) {
            bmae::Linear linear;
            linear.weight = x[1];
            linear.bias = x[2];
            return linear;
        };
        Tensors const inputs{normal({rows, 8}, 1), normal({6, 8}, 2), normal({6}, 3)};
        check(
            "linear", inputs, [&](Tensors const& x) { return of(x)(x[0]); },
            [](Tensors const& x) { return at::matmul(x[0], x[1].t()) + x[2]; }, false);
        check(
            "product", inputs, [&](Tensors const& x) { return of(x).product(x[0]); },
            [](Tensors const& x) { return at::matmul(x[0], x[1].t()); }, false);
    }
}

BOOST_AUTO_TEST_SUITE_END()
