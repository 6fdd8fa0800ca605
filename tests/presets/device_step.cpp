// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// The watch for operators that wait sees them, in a step and in its backward pass.
#include <set>
#include <stdexcept>
#include <string>

#include <ATen/core/Tensor.h>
#include <ATen/ops/ones.h>
#include <boost/test/unit_test.hpp>

#include "device_step.hpp"

BOOST_AUTO_TEST_SUITE(device_step)

BOOST_AUTO_TEST_CASE(a_number_that_is_read_is_seen) {
    at::Tensor const x = at::ones({3});
    BOOST_TEST(test::waits_on_a_device([&] { x.sum().item<float>(); }) == std::set<std::string>{"aten::_local_scalar_dense"});
    BOOST_TEST(test::waits_on_a_device([&] { x.nonzero(); }) == std::set<std::string>{"aten::nonzero"});
    BOOST_TEST(test::waits_on_a_device([&] { x.mul(2); }).empty());
}

BOOST_AUTO_TEST_CASE(the_cpu_is_a_cpu_again_afterwards) {
    bool there = true;
    test::waits_on_a_device([&] { there = bmae::detail::is_on_host(at::ones({1})); });
    BOOST_TEST(!there);
    BOOST_TEST(bmae::detail::is_on_host(at::ones({1})));
    BOOST_CHECK_THROW(test::waits_on_a_device([] { throw std::runtime_error("in the step"); }), std::runtime_error);
    BOOST_TEST(bmae::detail::is_on_host(at::ones({1})));
}

BOOST_AUTO_TEST_SUITE_END()
