// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// Products of bf16 matrices, widened to fp32 and by LibTorch's own kernels.
#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/ones.h>
#include <boost/test/unit_test.hpp>

#include <bmae/nn/bf16_products.hpp>

#include "oracle.hpp"

BOOST_AUTO_TEST_SUITE(bf16_products)

/// Widens or not, whatever the processor.
struct Widening {
    bool const before = bmae::detail::widens_bf16();
    explicit Widening(bool widens) { bmae::detail::widens_bf16() = widens; }
    Widening(Widening const&) = delete;
    ~Widening() { bmae::detail::widens_bf16() = before; }
};

BOOST_AUTO_TEST_CASE(an_affine_map_and_its_gradients) {
    using namespace oracle;
    for (bool const widens : {false, true}) {
        Widening const widening(widens);
        for (std::vector<std::int64_t> const& shape : {std::vector<std::int64_t>{0, 8}, {1, 8}, {9, 8}, {2, 3, 8}, {8}}) {
            Tensors const inputs{normal(shape, 1), normal({6, 8}, 2), normal({6}, 3)};
            check(
                "affine", inputs, [](Tensors const& x) { return bmae::detail::affine(x[0], x[1], x[2]); },
                [](Tensors const& x) { return at::matmul(x[0], x[1].t()) + x[2]; }, false);
            check(
                "affine without a bias", inputs, [](Tensors const& x) { return bmae::detail::affine(x[0], x[1]); },
                [](Tensors const& x) { return at::matmul(x[0], x[1].t()); }, false);
        }
    }
}

BOOST_AUTO_TEST_CASE(a_product_of_matrices_alone_and_batched) {
    using namespace oracle;
    for (bool const widens : {false, true}) {
        Widening const widening(widens);
        for (Tensors const& inputs :
             {Tensors{normal({5, 7}, 1), normal({7, 3}, 2)}, Tensors{normal({2, 4, 5, 7}, 1), normal({2, 4, 7, 3}, 2)}}) {
            check(
                "matrix product", inputs, [](Tensors const& x) { return bmae::detail::matrix_product(x[0], x[1]); },
                [](Tensors const& x) { return at::matmul(x[0], x[1]); }, false);
        }
        at::NoGradGuard const no_gradient;
        at::Tensor const left = normal({5, 7}, 1).to(at::kBFloat16);
        at::Tensor const right = normal({7, 3}, 2).to(at::kBFloat16);
        at::Tensor product = at::empty({5, 3}, left.options());
        bmae::detail::multiply_into(product, left, right);
        BOOST_TEST(at::equal(product, bmae::detail::matrix_product(left, right)));
    }
}

BOOST_AUTO_TEST_CASE(a_frozen_weight_gets_no_gradient) {
    Widening const widening(true);
    at::Tensor const x = oracle::normal({4, 8}, 1).to(at::kBFloat16).requires_grad_();
    at::Tensor const weight = oracle::normal({6, 8}, 2).to(at::kBFloat16);
    bmae::detail::affine(x, weight).sum().backward();
    BOOST_TEST(x.grad().defined());
    BOOST_TEST(!weight.grad().defined());
}

/// Sums are fp32: a thousand ones added to 256 in bf16, which has 8 bits, would stay 256.
BOOST_AUTO_TEST_CASE(sums_are_not_rounded_on_the_way) {
    for (bool const widens : {false, true}) {
        Widening const widening(widens);
        at::Tensor x = at::ones({1, 1025}, at::kBFloat16);
        x[0][0] = 256;
        BOOST_TEST(bmae::detail::affine(x, at::ones({1, 1025}, at::kBFloat16)).item<float>() == 1280.0F);
    }
}

BOOST_AUTO_TEST_CASE(other_formats_are_multiplied_by_libtorch) {
    Widening const widening(true);
    for (at::ScalarType const type : {at::kFloat, at::kDouble}) {
        at::Tensor const x = oracle::normal({9, 64}, 1).to(type);
        at::Tensor const weight = oracle::normal({33, 64}, 2).to(type);
        at::Tensor const bias = oracle::normal({33}, 3).to(type);
        BOOST_TEST(at::equal(bmae::detail::affine(x, weight, bias), at::linear(x, weight, bias)));
        BOOST_TEST(at::equal(bmae::detail::matrix_product(x, weight.t()), at::matmul(x, weight.t())));
    }
}

BOOST_AUTO_TEST_SUITE_END()
