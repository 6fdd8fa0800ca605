// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// Small networks between pooling and a loss, against LibTorch's operators.
#include <ATen/ops/relu.h>
#include <ATen/ops/tanh.h>
#include <ATen/ops/var.h>
#include <boost/test/unit_test.hpp>

#include <bmae/nn/projection.hpp>

#include "oracle.hpp"

BOOST_AUTO_TEST_SUITE(projection)

namespace {
using namespace oracle;

bmae::Shape eight_wide() {
    bmae::Shape config;
    config.width = 8;
    return config;
}
at::Tensor normalized(at::Tensor const& x) { return (x - x.mean(0)) / (x.var(0, /*unbiased=*/false) + 1e-5).sqrt(); }
at::Tensor batch_norm_projection(Tensors const& x) {
    bmae::BatchNormProjection projection(eight_wide());
    projection.first = x[1];
    projection.norm_weight = x[2];
    projection.norm_bias = x[3];
    projection.second = x[4];
    return projection(x[0]);
}
}  // namespace

BOOST_AUTO_TEST_CASE(tanh_of_an_affine_map) {
    check(
        "tanh", {normal({5, 8}, 1), normal({8, 8}, 2), normal({8}, 3)},
        [](Tensors const& x) {
            bmae::TanhProjection projection(eight_wide());
            projection.dense.weight = x[1];
            projection.dense.bias = x[2];
            return projection(x[0]);
        },
        [](Tensors const& x) { return at::tanh(x[0].mm(x[1].t()) + x[2]); }, false);
}

BOOST_AUTO_TEST_CASE(batch_norm_between_two_maps) {
    Tensors const inputs{normal({7, 8}, 1), normal({16, 8}, 2), normal({16}, 3), normal({16}, 4), normal({8, 16}, 5)};
    Tensors const found = run(batch_norm_projection, inputs, at::kFloat);
    Tensors const wanted =
        run([](Tensors const& x) { return normalized(at::relu(normalized(x[0].mm(x[1].t())) * x[2] + x[3]).mm(x[4].t())); },
            rounded(inputs, at::kFloat), at::kDouble);
    for (std::size_t i = 0; i < wanted.size(); ++i) { check_like("batch norm", found[i], wanted[i], true, 1e-4); }
}

BOOST_AUTO_TEST_CASE(a_batch_of_one_has_no_statistics) {
    Tensors const inputs{normal({1, 8}, 1), normal({16, 8}, 2), normal({16}, 3), normal({16}, 4), normal({8, 16}, 5)};
    at::Tensor const wanted = at::relu(inputs[0].mm(inputs[1].t())).mm(inputs[4].t());
    BOOST_CHECK((batch_norm_projection(inputs) - wanted).abs().max().item<double>() < 1e-9);
}

BOOST_AUTO_TEST_SUITE_END()
