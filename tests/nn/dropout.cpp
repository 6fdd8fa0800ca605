// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// Keyed dropout: its factors, and x times its factors.
#include <algorithm>
#include <vector>

#include <ATen/ops/ones.h>
#include <boost/test/unit_test.hpp>

#include <bmae/nn/dropout.hpp>

#include "oracle.hpp"

BOOST_AUTO_TEST_SUITE(dropout_)

namespace {
using namespace bmae;
using namespace oracle;

at::Tensor dropped(Tensors const& x) {
    ForwardContext context{.training = true, .seed = 5};
    return dropout(x[0], .1, context);
}
/// The factors that `dropped` multiplies by, times x, in LibTorch's operations.
at::Tensor multiplied(Tensors const& x) { return x[0] * dropped({at::ones(x[0].sizes(), at::kFloat)}).to(x[0].scalar_type()); }
}  // namespace

BOOST_AUTO_TEST_CASE(any_shape) {
    for (std::int64_t const count : {0, 1, 15, 1000, 40000}) { check("dropout", {normal({count}, 1)}, dropped, multiplied); }
    check("dropout of a matrix", {normal({7, 33}, 1)}, dropped, multiplied);
}

BOOST_AUTO_TEST_CASE(nan_and_infinity_come_through) {
    for (std::int64_t const count : {1, 5, 33}) { check_special("dropout", {normal({count}, 1)}, dropped, multiplied); }
}

BOOST_AUTO_TEST_CASE(a_run_without_training_keeps_all) {
    ForwardContext context{.training = false, .seed = 5};
    at::Tensor const x = normal({50}, 1);
    BOOST_CHECK(at::equal(dropout(x, .5, context), x));
    BOOST_CHECK_EQUAL(context.next_site, 0);   // and draws no key
}

BOOST_AUTO_TEST_CASE(a_share_of_p_is_dropped_and_the_rest_scaled) {
    ForwardContext context{.training = true, .seed = 5};
    at::Tensor const y = dropout(at::ones({20000}, at::kFloat), .25, context);
    double const kept = y.ne(0).sum().item<double>();
    BOOST_CHECK(kept > 14700 && kept < 15300);
    BOOST_CHECK_CLOSE(y.max().item<double>(), 1 / .75, 1e-4);
    BOOST_CHECK(!at::equal(y, dropout(at::ones({20000}, at::kFloat), .25, context)));   // each site has a key of its own
}

BOOST_AUTO_TEST_SUITE_END()
