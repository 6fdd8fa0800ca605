// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// Projection and cross-entropy in one against LibTorch's operators.
#include <string>
#include <utility>

#include <ATen/ops/cross_entropy_loss.h>
#include <ATen/ops/full.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/randint.h>
#include <ATen/ops/zeros.h>
#include <boost/test/unit_test.hpp>

#include <bmae/nn/linear_cross_entropy.hpp>

#include "oracle.hpp"

BOOST_AUTO_TEST_SUITE(linear_cross_entropy_)

namespace {
using namespace bmae;
using namespace oracle;

at::Tensor drawn_labels(std::int64_t vocabulary, std::int64_t rows) {
    return at::randint(vocabulary, {rows}, at::make_generator<at::CPUGeneratorImpl>(8), at::TensorOptions(at::kLong));
}
at::Tensor drawn_weights(std::int64_t rows) { return (normal({rows}, 9).abs() + .1).to(at::kFloat); }

Operation total(at::Tensor const& labels, at::Tensor const& weights) {
    return [=](Tensors const& x) { return linear_cross_entropy(x[0], x[1], x[2], labels, weights).total; };
}
Operation total_of_libtorch(at::Tensor const& labels, at::Tensor const& weights) {
    return [=](Tensors const& x) {
        at::Tensor const losses = at::cross_entropy_loss(at::linear(x[0], x[1], x[2]), labels, {}, /*reduction: none*/ 0);
        return (losses * weights.to(losses.scalar_type())).sum();
    };
}

struct ChunksOf64 {
    std::int64_t const before = detail::logits_at_once();
    ChunksOf64() { detail::logits_at_once() = 1; }
    ChunksOf64(ChunksOf64 const&) = delete;
    ~ChunksOf64() { detail::logits_at_once() = before; }
};
}  // namespace

BOOST_AUTO_TEST_CASE(any_vocabulary) {
    for (auto const& [rows, vocabulary] : {std::pair<std::int64_t, std::int64_t>{0, 50}, {1, 1}, {1, 3}, {37, 33}, {70, 1000}}) {
        at::Tensor const labels = drawn_labels(vocabulary, rows);
        at::Tensor const weights = drawn_weights(rows);
        check("cross-entropy", {normal({rows, 24}, 1), normal({vocabulary, 24}, 2), normal({vocabulary}, 3)},
              total(labels, weights), total_of_libtorch(labels, weights));
    }
}

BOOST_AUTO_TEST_CASE(in_chunks) {
    ChunksOf64 const small;
    at::Tensor const labels = drawn_labels(33, 200);
    at::Tensor const weights = drawn_weights(200);
    check("cross-entropy in chunks", {normal({200, 24}, 1), normal({33, 24}, 2), normal({33}, 3)}, total(labels, weights),
          total_of_libtorch(labels, weights));
}

BOOST_AUTO_TEST_CASE(nan_and_infinity_come_through) {
    for (std::int64_t const vocabulary : {1, 5, 16, 35}) {
        at::Tensor const labels = drawn_labels(vocabulary, 3);
        at::Tensor const weights = drawn_weights(3);
        check_special("cross-entropy", {normal({3, 4}, 1), normal({vocabulary, 4}, 2), normal({vocabulary}, 3)},
                      total(labels, weights), total_of_libtorch(labels, weights));
    }
}

BOOST_AUTO_TEST_CASE(row_losses_and_right_predictions_are_those_without_kernels) {
    Settings const settings;
    at::Tensor const rows = normal({50, 16}, 1).to(at::kFloat);
    at::Tensor const weight = normal({70, 16}, 2).to(at::kFloat);
    at::Tensor const labels = drawn_labels(3, 50);
    at::Tensor const weights = drawn_weights(50);
    for (double const number : {0.0, no_number, infinite, -infinite}) {
        for (std::int64_t const place : {0, 2, 40, 69}) {
            at::Tensor const bias = normal({70}, 3).to(at::kFloat);
            bias[place] = number;
            detail::lane_level() = settings.level;
            RowLosses const fast = linear_cross_entropy(rows, weight, bias, labels, weights);
            detail::lane_level() = detail::LaneLevel::plain;
            RowLosses const plain = linear_cross_entropy(rows, weight, bias, labels, weights);
            check_like("losses", fast.losses, plain.losses.to(at::kDouble), true, 1e-5);
            BOOST_CHECK_MESSAGE(at::equal(fast.correct, plain.correct), "bias " << number << " at " << place);
        }
    }
}

BOOST_AUTO_TEST_CASE(many_equal_terms_in_bf16_do_not_stall) {
    ChunksOf64 const small;
    std::int64_t const rows = 64 * 600;   // as many chunks: a sum in bf16 stalls after 256 equal ones
    at::Tensor const x = at::ones({rows, 4}, at::kBFloat16);
    at::Tensor const weight = at::zeros({2, 4}, at::kBFloat16).requires_grad_();
    at::Tensor const bias = at::zeros({2}, at::kBFloat16).requires_grad_();
    linear_cross_entropy(x, weight, bias, at::zeros({rows}, at::kLong), at::ones({rows}, at::kFloat)).total.backward();
    double const expected = -.5 * static_cast<double>(rows);   // fp64
    BOOST_CHECK_CLOSE(weight.grad()[0][0].item<double>(), expected, .5);
    BOOST_CHECK_CLOSE(weight.grad()[1][3].item<double>(), -expected, .5);
    BOOST_CHECK_CLOSE(bias.grad()[0].item<double>(), expected, .5);
}

BOOST_AUTO_TEST_CASE(labels_out_of_range_are_refused) {
    at::Tensor const rows = normal({3, 4}, 1).to(at::kFloat);
    at::Tensor const weight = normal({5, 4}, 2).to(at::kFloat);
    at::Tensor const bias = normal({5}, 3).to(at::kFloat);
    at::Tensor const ones = at::ones({3}, at::kFloat);
    for (std::int64_t const label : {-100, -1, 5, 1 << 30}) {
        at::Tensor const labels = at::zeros({3}, at::kLong);
        labels[1] = label;
        BOOST_CHECK_EQUAL(refusal([&] { linear_cross_entropy(rows, weight, bias, labels, ones); }).substr(0, 48),
                          ("expected labels from 0 to 4, found " + std::to_string(label) + " at index 1.").substr(0, 48));
    }
    BOOST_CHECK_NE(refusal([&] { linear_cross_entropy(rows, weight, bias, at::zeros({4}, at::kLong), ones); }).find("4 labels"),
                   std::string::npos);
    BOOST_CHECK_THROW(linear_cross_entropy(rows, weight, bias.narrow(0, 0, 4), at::zeros({3}, at::kLong), ones), c10::Error);
}

BOOST_AUTO_TEST_SUITE_END()
