// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// Layer normalization without a shift against LibTorch's operator.
#include <utility>

#include <ATen/ops/layer_norm.h>
#include <ATen/ops/zeros.h>
#include <boost/test/unit_test.hpp>

#include <bmae/nn/unshifted_norm.hpp>

#include "oracle.hpp"

BOOST_AUTO_TEST_SUITE(unshifted_norm)

namespace {
using namespace bmae;
using namespace oracle;

at::Tensor ours(Tensors const& x) {
    UnshiftedNorm norm;
    norm.weight = x[1];
    return norm(x[0]);
}
at::Tensor of_libtorch(Tensors const& x) { return at::layer_norm(x[0], {x[1].size(0)}, x[1], {}, 1e-5); }
}  // namespace

BOOST_AUTO_TEST_CASE(rows_of_any_shape) {
    for (auto const& [rows, width] : {std::pair{1, 5}, {3, 16}, {70, 100}, {0, 8}}) {
        check("norm", {normal({rows, width}, 1), normal({width}, 2)}, ours, of_libtorch);
    }
}

BOOST_AUTO_TEST_CASE(without_a_weight_it_is_the_identity) {
    UnshiftedNorm norm;
    at::Tensor const x = normal({3, 4}, 1);
    BOOST_CHECK(norm(x).is_same(x));
    int visited = 0;
    norm.for_each_parameter("n", [&](std::string const&, at::Tensor&, bool) { ++visited; });
    BOOST_TEST(visited == 0);
}

BOOST_AUTO_TEST_SUITE_END()
