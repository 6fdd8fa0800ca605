// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// Packed weights against the same product, attention and layer without them.
#include <cmath>
#include <vector>

#include <ATen/core/grad_mode.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/full.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/softmax.h>
#include <ATen/ops/zeros.h>
#include <boost/test/unit_test.hpp>

#include <bmae/nn/inference_attention.hpp>
#include <bmae/nn/packed_layers.hpp>
#include <bmae/nn/packed_linear.hpp>
#include <bmae/nn/packed_product.hpp>

#include "oracle.hpp"

BOOST_AUTO_TEST_SUITE(packed_layers)

namespace {
using namespace bmae;

at::Tensor floats(std::vector<std::int64_t> const& shape, std::uint64_t seed) {
    return oracle::normal(shape, seed).to(at::kFloat).contiguous();
}

double distance(at::Tensor const& a, at::Tensor const& b) { return (a - b).abs().max().item<double>(); }

Linear packed_linear(std::int64_t in, std::int64_t out, PackedType type) {
    Linear map;
    map.weight = floats({out, in}, 2) * .1;
    map.bias = floats({out}, 3);
    map.pack(type);
    return map;
}
}  // namespace

BOOST_AUTO_TEST_CASE(a_product_with_packed_weights_is_the_product) {
    at::NoGradGuard const no_gradients;
    for (PackedType const type : {PackedType::fp32, PackedType::bf16, PackedType::int8}) {
        if (!can_pack(type)) { continue; }
        for (std::int64_t const in : {1, 7, 32, 61}) {
            for (std::int64_t const out : {1, 16, 64, 70}) {
                Linear const map = packed_linear(in, out, type);
                for (std::int64_t const rows : {0, 1, 5, 6, 13, 200}) {
                    at::Tensor const x = floats({rows, in}, 1);
                    BOOST_TEST_REQUIRE(map.takes(x));
                    double const bound = type == PackedType::fp32 ? 1e-5 : type == PackedType::bf16 ? .03 : .08;
                    if (rows == 0) {
                        BOOST_TEST(map(x).size(1) == out);
                        continue;
                    }
                    BOOST_CHECK_LE(distance(map(x), at::linear(x, map.weight, map.bias)), bound);
                    BOOST_CHECK_LE(distance(map.product(x), at::linear(x, map.weight)), bound);
                }
            }
        }
    }
}

BOOST_AUTO_TEST_CASE(a_row_does_not_depend_on_the_others) {
    at::NoGradGuard const no_gradients;
    for (PackedType const type : {PackedType::fp32, PackedType::bf16, PackedType::int8}) {
        if (!can_pack(type)) { continue; }
        Linear const map = packed_linear(48, 70, type);
        at::Tensor const x = floats({131, 48}, 1);
        at::Tensor const all = map(x);
        for (std::int64_t const row : {0, 5, 64, 130}) {
            BOOST_TEST((map(x.narrow(0, row, 1)) == all.narrow(0, row, 1)).all().item<bool>());
        }
    }
}

BOOST_AUTO_TEST_CASE(a_changed_weight_is_not_answered_with_the_packed_one) {
    if (!can_pack(PackedType::fp32)) { return; }
    Linear map = packed_linear(8, 8, PackedType::fp32);
    at::Tensor const x = floats({3, 8}, 1);
    BOOST_TEST(!map.takes(x));   // with gradients
    at::NoGradGuard const no_gradients;
    BOOST_TEST(map.takes(x));
    BOOST_TEST(!map.takes(x.to(at::kDouble)));
    map.weight.add_(1);
    BOOST_TEST(!map.is_packed());
    BOOST_CHECK_LE(distance(map(x), at::linear(x, map.weight, map.bias)), 1e-6);
    map.pack(PackedType::fp32);
    BOOST_TEST(map.is_packed());
    map.bias = map.bias.clone();
    BOOST_TEST(!map.is_packed());
}

BOOST_AUTO_TEST_CASE(what_is_not_finite_stays_so_or_is_refused) {
    if (!can_pack(PackedType::int8)) { return; }
    at::NoGradGuard const no_gradients;
    Linear map = packed_linear(40, 8, PackedType::int8);
    for (double const bad : {std::nan(""), std::numeric_limits<double>::infinity()}) {
        at::Tensor x = floats({7, 40}, 1);
        x[2][35] = bad;
        at::Tensor const finite = map(x).isfinite().all(1);
        BOOST_TEST(!finite[2].item<bool>());
        BOOST_TEST(finite.sum().item<std::int64_t>() == 6);
    }
    BOOST_CHECK_LE(distance(map(at::zeros({2, 40})), map.bias.expand({2, 8})), 1e-6);
    BOOST_CHECK_LE(distance(map(at::full({2, 40}, 3.0F)), at::linear(at::full({2, 40}, 3.0F), map.weight, map.bias)), .1);
    map.weight[3][3] = std::nan("");
    BOOST_CHECK_THROW(map.pack(PackedType::int8), InputError);
}

BOOST_AUTO_TEST_CASE(attention_for_inference_is_attention) {
    if (!can_pack(PackedType::fp32)) { return; }
    std::int64_t const heads = 2;
    for (std::int64_t const width : {32, 64, 96}) {
        BOOST_TEST(detail::InferenceAttention::fits(width));
        for (std::int64_t const length : {1, 2, 15, 16, 17, 64, 65, 130}) {
            at::Tensor const q = floats({length, heads * width}, 1);
            at::Tensor const k = floats({length, heads * width}, 2);
            at::Tensor const v = floats({length, heads * width}, 3);
            auto const by_head = [&](at::Tensor const& x) { return x.view({-1, heads, width}).transpose(0, 1); };
            at::Tensor const scores = at::matmul(by_head(q), by_head(k).transpose(1, 2)) / std::sqrt(static_cast<double>(width));
            at::Tensor const expected =
                at::matmul(at::softmax(scores, -1), by_head(v)).transpose(0, 1).reshape({length, heads * width});
            detail::InferenceAttention attention;
            auto const run = [&]<PackedType type>(std::int64_t queries) {
                at::Tensor y = at::zeros({queries, heads * width});
                attention.run<type>(q.const_data_ptr<float>(), queries, k.const_data_ptr<float>(), v.const_data_ptr<float>(),
                                    length, heads, width, heads * width, y.mutable_data_ptr<float>());
                return y;
            };
            at::Tensor const y = run.operator()<PackedType::fp32>(length);
            BOOST_CHECK_LE(distance(y, expected), 5e-6);
            BOOST_TEST((run.operator()<PackedType::fp32>(1) == y.narrow(0, 0, 1)).all().item<bool>());
            if (can_pack(PackedType::bf16)) { BOOST_CHECK_LE(distance(run.operator()<PackedType::bf16>(length), expected), .03); }
        }
    }
}

BOOST_AUTO_TEST_SUITE_END()
