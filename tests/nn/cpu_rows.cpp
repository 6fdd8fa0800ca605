// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// Row kernels by themselves, on every instruction set, against LibTorch's operators in double.
#include <cmath>
#include <cstdint>
#include <vector>

#include <ATen/ops/cross_entropy_loss.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/full.h>
#include <ATen/ops/gelu.h>
#include <ATen/ops/layer_norm.h>
#include <ATen/ops/zeros.h>
#include <boost/test/unit_test.hpp>

#include <bmae/nn/cpu_rows.hpp>

#include "oracle.hpp"

BOOST_AUTO_TEST_SUITE(cpu_rows)

namespace {
using namespace bmae;
using namespace oracle;

/// Calls `each(width, place, number)` for all instruction sets, odd widths and special numbers.
template <class Each>
void with_special(Each const& each) {
    Settings const settings;
    for (auto const level : {detail::LaneLevel::plain, detail::LaneLevel::avx2, detail::LaneLevel::avx512}) {
        if (level > settings.level) { continue; }
        detail::lane_level() = level;
        for (std::int64_t const width : {1, 3, 16, 31, 64, 67}) {
            for (double const number : special) {
                for (std::int64_t const place : {std::int64_t{0}, width / 2, width - 1}) { each(width, place, number); }
            }
        }
    }
}
float* data(at::Tensor const& tensor) { return tensor.mutable_data_ptr<float>(); }
}  // namespace

BOOST_AUTO_TEST_CASE(gelu_and_its_gradient) {
    with_special([](std::int64_t width, std::int64_t place, double number) {
        at::Tensor const x = normal({1, width}, 1).to(at::kFloat);
        at::Tensor const bias = normal({width}, 2).to(at::kFloat);
        x[0][place] = number;
        at::Tensor const y = at::zeros({1, width}, at::kFloat);
        detail::gelu_rows(data(x), data(bias), width, 0, 1, data(y));
        Tensors const wanted = run([](Tensors const& in) { return at::gelu(in[0] + in[1]); },
                                   {x.to(at::kDouble), bias.to(at::kDouble)}, at::kDouble);
        check_like("gelu", y, wanted[0], true, 1e-6);
        at::Tensor const gradient = normal({1, width}, 99).to(at::kFloat);
        at::Tensor const sums = at::zeros({width}, at::kFloat);
        detail::gelu_rows_backward(data(x), data(bias), data(gradient), width, 0, 1, data(y), data(sums));
        check_like("gelu's gradient", y, wanted[1], true, 1e-6);
        check_like("gelu's gradient of the bias", sums, wanted[2], true, 1e-6);
    });
}

BOOST_AUTO_TEST_CASE(cross_entropy_and_its_gradient) {
    with_special([](std::int64_t width, std::int64_t place, double number) {
        for (std::int64_t const label : {std::int64_t{0}, width / 2, width - 1}) {
            at::Tensor const logits = normal({1, width}, 1).to(at::kFloat);
            at::Tensor const bias = normal({width}, 2).to(at::kFloat);
            logits[0][place] = number;
            at::Tensor const target = at::full({1}, label, at::kLong);
            Tensors const wanted = run([&](Tensors const& in) { return at::cross_entropy_loss(in[0] + in[1], target, {}, 0); },
                                       {logits.to(at::kDouble), bias.to(at::kDouble)}, at::kDouble);
            at::Tensor const sums = at::zeros({width}, at::kFloat);
            at::Tensor const best = (logits + bias).argmax(1);
            auto const weight = static_cast<float>(normal({1}, 99).item<double>());
            auto const found = detail::cross_entropy_row(data(logits), data(bias), width, label, &weight, data(sums));
            check_like("loss", at::full({1}, found.loss, at::kDouble), wanted[0], true, 1e-6);
            check_like("gradient of the logits", logits, wanted[1], true, 1e-6);
            check_like("gradient of the bias", sums, wanted[2], true, 1e-6);
            BOOST_CHECK_EQUAL(found.correct, best.item<std::int64_t>() == label);
        }
    });
}

BOOST_AUTO_TEST_CASE(norm_forward) {
    with_special([](std::int64_t width, std::int64_t place, double number) {
        at::Tensor const x = normal({2, width}, 1).to(at::kFloat);
        at::Tensor const scale = normal({width}, 2).to(at::kFloat);
        at::Tensor const shift = normal({width}, 3).to(at::kFloat);
        x[0][place] = number;
        at::Tensor const y = at::zeros({2, width}, at::kFloat);
        std::vector<float> means(2);
        std::vector<float> inverses(2);
        detail::NormRows<float> const rows{
            .x = data(x), .scale = data(scale), .shift = data(shift), .width = width, .epsilon = 1e-6F};
        rows.forward(0, 2, nullptr, means.data(), inverses.data(), data(y));
        check_like("norm", y, at::layer_norm(x.to(at::kDouble), {width}, scale.to(at::kDouble), shift.to(at::kDouble), 1e-6),
                   true, 5e-5);
    });
}

BOOST_AUTO_TEST_CASE(bf16_parts_are_added_in_fp32) {
    std::vector<float> sum(19, 0);
    for (int i = 0; i < 1000; ++i) {
        std::vector<std::uint16_t> part(19, c10::BFloat16(1.0F).x);
        part[18] = c10::BFloat16(NAN).x;
        detail::add_and_zero(part.data(), sum.data(), 19);
        BOOST_REQUIRE(part == std::vector<std::uint16_t>(19, 0));
    }
    BOOST_CHECK_EQUAL(sum[0], 1000.0F);
    BOOST_CHECK_EQUAL(sum[17], 1000.0F);
    BOOST_CHECK(std::isnan(sum[18]));
    detail::add_and_zero(nullptr, nullptr, 0);
}

BOOST_AUTO_TEST_SUITE_END()
