// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// Scores of rows against double precision: values, gradients, equal and nearly equal rows, rows in several parts.
#include <cmath>
#include <cstdint>
#include <limits>

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <boost/test/unit_test.hpp>

#include <bmae/losses/row_scores.hpp>

BOOST_AUTO_TEST_SUITE(row_scores_of_vectors)

namespace {

using namespace bmae;

at::Tensor invented(std::int64_t rows, std::int64_t width, std::uint64_t seed) {
    return at::empty({rows, width}).normal_(0, 1, at::detail::createCPUGenerator(seed));
}

at::Tensor leaf(at::Tensor const& value, at::ScalarType type = at::kFloat) {
    return value.detach().to(type, false, true).requires_grad_(true);
}

/// -|q - p| of all rows by differences in double, whose gradient is 0 where they are equal.
at::Tensor in_double(at::Tensor const& first, at::Tensor const& second) {
    at::Tensor const squares = (first.unsqueeze(1) - second.unsqueeze(0)).square().sum(2);
    at::Tensor const equal = squares.eq(0);
    return -squares.masked_fill(equal, 1).sqrt().masked_fill(equal, 0);
}

double apart(at::Tensor const& a, at::Tensor const& b) {
    return (a.to(at::kDouble) - b.to(at::kDouble)).abs().max().item<double>();
}

}  // namespace

BOOST_AUTO_TEST_CASE(values_by_hand) {
    at::Tensor const first = at::tensor({0.F, 0.F, 3.F, 4.F}).view({2, 2});
    at::Tensor const second = at::tensor({3.F, 4.F, 6.F, 8.F, 0.F, -1.F}).view({3, 2});
    BOOST_TEST(row_scores(first, second, RowScore::distance)
                   .equal(at::tensor({-5.F, -10.F, -1.F, 0.F, -5.F, -std::sqrt(34.F)}).view({2, 3})));
    BOOST_TEST(row_scores(first, second, RowScore::product).equal(at::tensor({0.F, 0.F, 0.F, 25.F, 50.F, -4.F}).view({2, 3})));
    BOOST_TEST(paired_scores(first, second.narrow(0, 0, 2), RowScore::distance).equal(at::tensor({-5.F, -5.F})));
    BOOST_TEST(paired_scores(first, second.narrow(0, 0, 2), RowScore::product).equal(at::tensor({0.F, 50.F})));
    at::Tensor const groups = at::cat({second, second}).view({2, 3, 2});
    BOOST_TEST(
        paired_scores(groups, first.unsqueeze(1), RowScore::distance).equal(row_scores(first, second, RowScore::distance)));
    BOOST_TEST((row_scores(at::zeros({0, 2}), second, RowScore::distance).sizes() == at::IntArrayRef({0, 3})));
    float const none = std::numeric_limits<float>::quiet_NaN();
    BOOST_TEST(row_scores(at::tensor({none, 0.F}).view({1, 2}), second, RowScore::distance).isnan().all().item<bool>());
}

// Nearly equal rows: |q|^2 - 2 q . p + |p|^2 would have no correct digit.
BOOST_AUTO_TEST_CASE(distances_and_gradients_keep_their_digits) {
    for (std::int64_t const width : {3, 16, 768}) {
        at::Tensor const q = invented(5, width, 1) + 8;
        at::Tensor p = at::cat({q.narrow(0, 0, 1), q.narrow(0, 1, 1) + 1e-4 * invented(1, width, 2), invented(9, width, 3)});
        at::Tensor const first = leaf(q);
        at::Tensor const second = leaf(p);
        at::Tensor const exact_first = leaf(q, at::kDouble);
        at::Tensor const exact_second = leaf(p, at::kDouble);
        at::Tensor const found = row_scores(first, second, RowScore::distance);
        at::Tensor const exact = in_double(exact_first, exact_second);
        at::Tensor const relative = (found.to(at::kDouble) - exact).abs() / exact.abs().clamp_min(1e-12);
        BOOST_TEST(relative.max().item<double>() < 2e-6);   // as the header says
        BOOST_TEST(found[0][0].item<double>() == 0);
        at::Tensor const weights = invented(5, 11, 4);
        (found * weights).sum().backward();
        (exact * weights).sum().backward();
        BOOST_TEST(apart(first.grad(), exact_first.grad()) < 5e-6);
        BOOST_TEST(apart(second.grad(), exact_second.grad()) < 5e-6);
    }
}

// A duplicate text: a distance of 0 has no gradient; it is 0 by definition and never NaN.
BOOST_AUTO_TEST_CASE(equal_rows_have_the_gradient_0) {
    at::Tensor const value = invented(1, 16, 5);
    for (bool const paired : {false, true}) {
        at::Tensor const first = leaf(value);
        at::Tensor const second = leaf(value);
        at::Tensor const score =
            paired ? paired_scores(first, second, RowScore::distance) : row_scores(first, second, RowScore::distance);
        BOOST_TEST(score.abs().sum().item<double>() == 0);
        score.sum().backward();
        BOOST_TEST(first.grad().abs().sum().item<double>() == 0);
        BOOST_TEST(second.grad().abs().sum().item<double>() == 0);
    }
    at::Tensor const one = leaf(value);   // a vector with itself
    row_scores(one, one, RowScore::distance).sum().backward();
    BOOST_TEST(one.grad().abs().sum().item<double>() == 0);
}

// Vectors of an encoder in bf16 are compared in fp32.
BOOST_AUTO_TEST_CASE(bf16_vectors_have_fp32_distances) {
    at::Tensor const first = leaf(invented(3, 64, 6), at::kBFloat16);
    at::Tensor const second = invented(4, 64, 7).to(at::kBFloat16);
    at::Tensor const scores = row_scores(first, second, RowScore::distance);
    BOOST_TEST((scores.scalar_type() == at::kFloat));
    BOOST_TEST(apart(scores, in_double(first.detach().to(at::kDouble), second.to(at::kDouble))) < 1e-5);
    scores.sum().backward();
    BOOST_TEST(first.grad().isfinite().all().item<bool>());
}

// More differences than are held at once: the rows are compared part by part, with the same values and gradients.
BOOST_AUTO_TEST_CASE(many_rows_are_compared_in_parts) {
    std::int64_t const width = 1024;
    at::Tensor const q = invented(5, width, 8);
    at::Tensor const first = leaf(q);
    at::Tensor const second = leaf(at::ones({40000, width}));   // 40 Mi differences per row
    at::Tensor const scores = row_scores(first, second, RowScore::distance);
    BOOST_TEST(apart(scores.select(1, 0), in_double(q.to(at::kDouble), at::ones({1, width}, at::kDouble)).squeeze(1)) < 1e-4);
    scores.select(1, 0).sum().backward();
    at::Tensor const alone = leaf(q);
    row_scores(alone, at::ones({1, width}), RowScore::distance).sum().backward();
    BOOST_TEST(apart(first.grad(), alone.grad()) < 1e-6);
    BOOST_TEST(second.grad()[1].abs().sum().item<double>() == 0);
}

BOOST_AUTO_TEST_SUITE_END()
