// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// Weights from a normal distribution without its tails.
#include <cmath>

#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <boost/test/unit_test.hpp>

#include <bmae/nn/truncated_normal.hpp>

BOOST_AUTO_TEST_SUITE(truncated_normal)

namespace {
using namespace bmae;

at::Tensor drawn(ParameterRole role, double cutoff, std::uint64_t seed = 1, std::string const& name = "a") {
    at::Tensor value = at::empty({300, 300});
    initialize_truncated(name, value, role, seed, .02, cutoff);
    return value;
}
}  // namespace

BOOST_AUTO_TEST_CASE(weights_lie_within_the_cutoff) {
    at::Tensor const value = drawn(ParameterRole::weight, 2);
    BOOST_TEST(value.abs().max().item<double>() <= 2 * .02 + 1e-9);
    BOOST_TEST(value.abs().max().item<double>() > 1.99 * .02);
    BOOST_CHECK_CLOSE(value.std().item<double>(), .02 * .8796, 1);   // of the normal distribution between -2 and 2
    BOOST_CHECK_SMALL(value.mean().item<double>(), 5 * .02 / 300);
    BOOST_CHECK_CLOSE(drawn(ParameterRole::weight, 0).std().item<double>(), .02, 1);
}

BOOST_AUTO_TEST_CASE(a_function_of_role_seed_and_name) {
    BOOST_TEST(drawn(ParameterRole::bias, 2).abs().max().item<double>() == 0);
    BOOST_TEST((drawn(ParameterRole::norm_scale, 2) - 1).abs().max().item<double>() == 0);
    BOOST_CHECK(drawn(ParameterRole::weight, 2).equal(drawn(ParameterRole::weight, 2)));
    BOOST_CHECK(!drawn(ParameterRole::weight, 2).equal(drawn(ParameterRole::weight, 2, 2)));
    BOOST_CHECK(!drawn(ParameterRole::weight, 2).equal(drawn(ParameterRole::weight, 2, 1, "b")));
}

BOOST_AUTO_TEST_SUITE_END()
