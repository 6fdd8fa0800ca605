// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// Fresh parameters.
#include <string>

#include <ATen/ops/empty.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/zeros.h>
#include <boost/test/unit_test.hpp>

#include <bmae/nn/initialize.hpp>
#include <bmae/nn/layer_norm.hpp>
#include <bmae/nn/linear.hpp>

#include "oracle.hpp"

BOOST_AUTO_TEST_SUITE(initialize_)

namespace {
using namespace bmae;

struct Network {
    Linear dense{100, 400};
    LayerNorm norm{400, 1e-12};
    template <class Visit>
    void for_each_parameter(std::string const& prefix, Visit&& visit) {
        dense.for_each_parameter(prefix + ".dense", visit);
        norm.for_each_parameter(prefix + ".LayerNorm", visit);
    }
};
}  // namespace

BOOST_AUTO_TEST_CASE(each_scheme_draws_what_it_says) {
    Network network;
    initialize(network, "a", 1, Initialization::bert, .02);
    BOOST_CHECK_CLOSE(network.dense.weight.std().item<double>(), .02, 2);
    BOOST_CHECK_SMALL(network.dense.weight.mean().item<double>(), 5e-4);
    BOOST_CHECK(at::equal(network.dense.bias, at::zeros({400})));
    initialize(network, "a", 1, Initialization::fan_in);
    for (at::Tensor const& drawn : {network.dense.weight, network.dense.bias}) {
        BOOST_CHECK(drawn.abs().max().item<double>() <= .1 + 1e-7);   // 1 / sqrt(100)
        BOOST_CHECK(drawn.abs().max().item<double>() > .098);
    }
    BOOST_CHECK(at::equal(network.norm.weight, at::ones({400})));
    BOOST_CHECK(at::equal(network.norm.bias, at::zeros({400})));
}

BOOST_AUTO_TEST_CASE(a_parameter_depends_on_seed_and_name_alone) {
    Network first;
    Network second;
    initialize(first, "a", 1);
    initialize(second, "a", 1);
    BOOST_CHECK(at::equal(first.dense.weight, second.dense.weight));
    initialize(second, "b", 1);
    BOOST_CHECK(!at::equal(first.dense.weight, second.dense.weight));
    initialize(second, "a", 2);
    BOOST_CHECK(!at::equal(first.dense.weight, second.dense.weight));
    copy_parameters(first, second);
    BOOST_CHECK(at::equal(first.dense.weight, second.dense.weight));
    BOOST_CHECK_NE(first.dense.weight.data_ptr(), second.dense.weight.data_ptr());
}

BOOST_AUTO_TEST_SUITE_END()
