// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// Gated activations against LibTorch's operators.
#include <utility>

#include <ATen/ops/gelu.h>
#include <ATen/ops/relu.h>
#include <ATen/ops/zeros.h>
#include <boost/test/unit_test.hpp>

#include <bmae/nn/gated_activation.hpp>

#include "oracle.hpp"

BOOST_AUTO_TEST_SUITE(gated_activations)

namespace {
using namespace bmae;
using namespace oracle;

Operation gated(Activation activation) {
    return [=](Tensors const& x) { return gated_activation(x[0], activation); };
}
template <class Function>
Operation by_halves(Function function) {
    return [=](Tensors const& x) {
        std::int64_t const width = x[0].size(1) / 2;
        return function(x[0].narrow(1, 0, width)) * x[0].narrow(1, width, width);
    };
}
auto const gelu = [](at::Tensor const& x) { return at::gelu(x); };
}  // namespace

BOOST_AUTO_TEST_CASE(rows_of_any_width) {
    for (auto const& [rows, width] : {std::pair{1, 1}, {3, 16}, {40, 33}, {0, 8}, {70, 48}}) {
        check("gelu", {normal({rows, 2 * width}, 1)}, gated(Activation::gelu), by_halves(gelu));
        check("tanh", {normal({rows, 2 * width}, 1)}, gated(Activation::gelu_tanh),
              by_halves([](at::Tensor const& x) { return at::gelu(x, "tanh"); }));
        check("relu", {normal({rows, 2 * width}, 1)}, gated(Activation::relu),
              by_halves([](at::Tensor const& x) { return at::relu(x); }));
    }
}

BOOST_AUTO_TEST_CASE(nan_and_infinity_come_through) {
    for (std::int64_t const width : {1, 5, 16, 33}) {
        check_special("gelu", {normal({3, 2 * width}, 1)}, gated(Activation::gelu), by_halves(gelu));
    }
}

BOOST_AUTO_TEST_CASE(an_odd_number_of_columns_is_refused) {
    BOOST_CHECK_THROW(gated_activation(at::zeros({2, 5}), Activation::gelu), InputError);
    BOOST_CHECK_THROW(gated_activation(at::zeros({6}), Activation::gelu), InputError);
}

BOOST_AUTO_TEST_SUITE_END()
