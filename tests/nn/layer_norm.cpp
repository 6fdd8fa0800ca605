// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// Layer normalization, alone and after a block, against LibTorch's operator.
#include <utility>

#include <ATen/ops/layer_norm.h>
#include <ATen/ops/zeros.h>
#include <boost/test/unit_test.hpp>

#include <bmae/nn/layer_norm.hpp>

#include "oracle.hpp"

BOOST_AUTO_TEST_SUITE(layer_norm)

namespace {
using namespace bmae;
using namespace oracle;

LayerNorm norm(at::Tensor const& weight, at::Tensor const& bias) {
    LayerNorm layer;
    layer.weight = weight;
    layer.bias = bias;
    return layer;
}
at::Tensor alone(Tensors const& x) { return norm(x[1], x[2])(x[0]); }
at::Tensor alone_of_libtorch(Tensors const& x) { return at::layer_norm(x[0], {x[1].size(0)}, x[1], x[2], 1e-12); }
Operation block(double rate) {
    return [=](Tensors const& x) {
        ForwardContext context{.training = true, .seed = 6};
        return norm(x[3], x[4]).after_block(x[0], x[1], x[2], rate, context);
    };
}
at::Tensor block_of_libtorch(Tensors const& x) { return at::layer_norm(x[2] + (x[0] + x[1]), {x[3].size(0)}, x[3], x[4], 1e-12); }

Tensors block_inputs(std::int64_t rows, std::int64_t width) {
    return {normal({rows, width}, 1), normal({width}, 2), normal({rows, width}, 3), normal({width}, 4), normal({width}, 5)};
}
}  // namespace

BOOST_AUTO_TEST_CASE(rows_of_any_shape) {
    for (auto const& [rows, width] : {std::pair{1, 5}, {3, 16}, {70, 100}, {0, 8}, {2, 1}}) {
        check("norm", {normal({rows, width}, 1), normal({width}, 2), normal({width}, 3)}, alone, alone_of_libtorch);
        check("block", block_inputs(rows, width), block(0), block_of_libtorch);
        check("block with dropout", block_inputs(rows, width), block(.1));
    }
}

BOOST_AUTO_TEST_CASE(nan_and_infinity_come_through) {
    for (std::int64_t const width : {1, 5, 16, 33}) {
        check_special(
            "norm", {normal({3, width}, 1), normal({width}, 2), normal({width}, 3), normal({3, width}, 4)},
            [](Tensors const& x) { return alone(x) * x[3]; }, [](Tensors const& x) { return alone_of_libtorch(x) * x[3]; });
        check_special("block", block_inputs(3, width), block(0), block_of_libtorch);
        check_special("block with dropout", block_inputs(3, width), block(.3), block(.3));
    }
}

BOOST_AUTO_TEST_CASE(rows_without_columns) {
    at::Tensor const none = at::zeros({3, 0}, at::kFloat);
    at::Tensor const weight = at::zeros({0}, at::kFloat);
    BOOST_CHECK(norm(weight, weight)(none).sizes() == at::IntArrayRef({3, 0}));
}

BOOST_AUTO_TEST_CASE(shapes_that_do_not_fit_are_libtorchs_to_refuse) {
    auto const single = [](std::vector<std::int64_t> const& shape) { return normal(shape, 1).to(at::kFloat); };
    ForwardContext context;
    LayerNorm const layer = norm(single({8}), single({8}));
    BOOST_CHECK_THROW(layer(single({3, 9})), c10::Error);
    BOOST_CHECK_THROW(layer(single({3, 7})), c10::Error);
    BOOST_CHECK_THROW(layer.after_block(single({3, 8}), single({8}), single({2, 8}), 0, context), c10::Error);
    BOOST_CHECK_THROW(layer.after_block(single({3, 8}), single({7}), single({3, 8}), 0, context), c10::Error);
    at::Tensor const wide = single({8, 2}).select(1, 0);   // a weight with gaps between its numbers
    at::Tensor const x = single({3, 8});
    BOOST_CHECK(at::equal(norm(wide, single({8}))(x), norm(wide.contiguous(), single({8}))(x)));
}

BOOST_AUTO_TEST_SUITE_END()
