// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// Activations against LibTorch's operators.
#include <utility>

#include <ATen/ops/gelu.h>
#include <ATen/ops/relu.h>
#include <boost/test/unit_test.hpp>

#include <bmae/nn/activation.hpp>

#include "oracle.hpp"

BOOST_AUTO_TEST_SUITE(activation)

namespace {
using namespace bmae;
using namespace oracle;

Operation biased(Activation activation) {
    return [=](Tensors const& x) { return activate(x[0], x[1], activation); };
}
Operation sloped(Operation const& of) {   // the gradient of the activation is the last input times a fixed direction
    return [=](Tensors const& x) { return of(x) * x[2]; };
}
at::Tensor gelu(Tensors const& x) { return at::gelu(x[0] + x[1]); }
at::Tensor relu(Tensors const& x) { return at::relu(x[0] + x[1]); }
at::Tensor gelu_tanh(Tensors const& x) { return at::gelu(x[0] + x[1], "tanh"); }
}  // namespace

BOOST_AUTO_TEST_CASE(biased_activations_are_those_of_libtorch) {
    for (auto const& [rows, width] : {std::pair{1, 1}, {3, 17}, {200, 64}, {0, 8}, {4, 0}}) {
        Tensors const inputs{normal({rows, width}, 1, 3), normal({width}, 2)};
        check("gelu", inputs, biased(Activation::gelu), gelu);
        check("relu", inputs, biased(Activation::relu), relu);
        check("tanh gelu", inputs, biased(Activation::gelu_tanh), gelu_tanh);
    }
}

BOOST_AUTO_TEST_CASE(nan_and_infinity_come_through) {
    for (std::int64_t const width : {1, 5, 16, 33}) {
        Tensors const inputs{normal({3, width}, 1), normal({width}, 2), normal({3, width}, 3)};
        check_special("gelu", inputs, sloped(biased(Activation::gelu)), sloped(gelu));
        check_special("relu", inputs, sloped(biased(Activation::relu)), sloped(relu));
    }
}

BOOST_AUTO_TEST_CASE(a_bias_of_another_width_is_broadcast_or_refused_as_libtorch_does) {
    at::Tensor const x = normal({2, 20}, 1).to(at::kFloat);
    at::Tensor const one = normal({1}, 2).to(at::kFloat);
    BOOST_CHECK((activate(x, one, Activation::gelu) - at::gelu(x + one)).abs().max().item<double>() < 1e-6);
    BOOST_CHECK_THROW(activate(x, normal({7}, 2).to(at::kFloat), Activation::gelu), c10::Error);
}

BOOST_AUTO_TEST_SUITE_END()
