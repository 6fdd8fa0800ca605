// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// Distillation, R-Drop and FLOPS: values worked out by hand or in double precision, gradients by finite differences.
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <vector>

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/ops/cross_entropy_loss.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/kl_div.h>
#include <ATen/ops/log_softmax.h>
#include <ATen/ops/softmax.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <boost/test/unit_test.hpp>

#include <bmae/losses/distillation.hpp>
#include <bmae/losses/flops.hpp>
#include <bmae/losses/r_drop.hpp>

BOOST_AUTO_TEST_SUITE(distillation)

namespace {

using namespace bmae;

constexpr double infinity = std::numeric_limits<double>::infinity();

at::Tensor rows(std::vector<double> const& values, std::int64_t columns) {
    return at::tensor(values).to(at::kFloat).view({-1, columns});
}

at::Tensor invented(std::int64_t count, std::int64_t columns, std::uint64_t seed) {
    return at::empty({count, columns}).normal_(0, 1, at::detail::createCPUGenerator(seed));
}

double largest(at::Tensor const& values) { return values.abs().max().item<double>(); }

/// The gradient against central differences of width 2h; losses are fp32, so h is wide and the third derivative is the error.
void check_gradient(at::Tensor const& at_point, std::function<at::Tensor(at::Tensor const&)> const& loss) {
    at::Tensor const point = at_point.detach().clone().requires_grad_(true);
    loss(point).backward();
    constexpr double h = .02;
    for (std::int64_t i = 0; i < point.numel(); ++i) {
        at::Tensor up = at_point.detach().clone();
        at::Tensor down = up.clone();
        up.view(-1)[i].add_(h);
        down.view(-1)[i].sub_(h);
        double const slope = (loss(up).item<double>() - loss(down).item<double>()) / (2 * h);
        BOOST_CHECK_SMALL(slope - point.grad().view(-1)[i].item<double>(), 2e-3);
    }
}

}  // namespace

BOOST_AUTO_TEST_CASE(divergence_by_hand) {
    double const third = std::log(3.);   // softmax of (ln 3, 0) is (3/4, 1/4)
    at::Tensor const teacher = rows({third, 0, 0, 0}, 2);
    at::Tensor const student = rows({0, 0, third, 0}, 2);
    double const first = .75 * std::log(.75 / .5) + .25 * std::log(.25 / .5);
    double const second = .5 * std::log(.5 / .75) + .5 * std::log(.5 / .25);
    BOOST_CHECK_CLOSE(kl_distillation(student, teacher).item<double>(), first + second, 1e-4);
    // a temperature of the teacher alone
    BOOST_CHECK_CLOSE(kl_distillation(student, teacher * 5, 5).item<double>(), first + second, 1e-4);
    BOOST_CHECK_CLOSE(symmetric_divergence(student, teacher).item<double>(), first + second, 1e-4);   // both rows, both ways
}

// As frameworks compute it, divided by B afterwards ("batchmean"); "mean" would divide by B G.
BOOST_AUTO_TEST_CASE(pitfall_20_divergence_is_a_sum_over_queries_and_asks_nothing_of_the_teacher) {
    at::Tensor const teacher = invented(6, 5, 1);
    at::Tensor const student = invented(6, 5, 2);
    double const sum = at::kl_div(at::log_softmax(student, 1), at::softmax(teacher, 1), /*reduction=sum*/ 2).item<double>();
    BOOST_CHECK_CLOSE(kl_distillation(student, teacher).item<double>(), sum, 1e-3);
    check_gradient(student, [&](at::Tensor const& x) { return kl_distillation(x, teacher, 2); });
    // by name: the mean over queries of either is what frameworks call so
    auto const reduced = [&](DivergenceReduction reduction) {
        return kl_distillation(student, teacher, 1, reduction).item<double>() / 6;
    };
    double const over_all = at::kl_div(at::log_softmax(student, 1), at::softmax(teacher, 1), /*reduction=mean*/ 1).item<double>();
    BOOST_CHECK_CLOSE(reduced(DivergenceReduction::batchmean), sum / 6, 1e-3);
    BOOST_CHECK_CLOSE(reduced(DivergenceReduction::mean), over_all, 1e-3);
    check_gradient(student, [&](at::Tensor const& x) { return kl_distillation(x, teacher, 1, DivergenceReduction::mean) * 5; });
    at::Tensor const taught = teacher.clone().requires_grad_(true);
    at::Tensor const learning = student.clone().requires_grad_(true);
    kl_distillation(learning, taught).backward();
    BOOST_CHECK(!taught.grad().defined());
}

// The teacher's scores are the student's by some factor and offset: nothing is to be learnt.
BOOST_AUTO_TEST_CASE(oracle_l_divergence_and_gradient_are_zero_where_the_teacher_is_the_scaled_student) {
    at::Tensor const raw = invented(8, 6, 3);
    for (double const temperature : {1., .02}) {
        at::Tensor const student = (raw / temperature).requires_grad_(true);
        at::Tensor const loss = kl_distillation(student, student.detach() + 2);
        loss.backward();
        BOOST_CHECK_SMALL(loss.item<double>(), 1e-5);
        BOOST_CHECK_LE(largest(student.grad()), 1e-6);
    }
    at::Tensor const student = raw.clone().requires_grad_(true);
    at::Tensor const loss = kl_distillation(student, raw * 10 - 3, 10);
    loss.backward();
    BOOST_CHECK_SMALL(loss.item<double>(), 1e-5);
    BOOST_CHECK_LE(largest(student.grad()), 1e-6);
    // ... and by another factor something is.
    BOOST_CHECK_GT(kl_distillation(raw, raw * 10, 5).item<double>(), .1);
}

BOOST_AUTO_TEST_CASE(scores_that_do_not_count) {
    at::Tensor const teacher = rows({1, 0, -infinity}, 3);
    at::Tensor const student = rows({0, 1, 0}, 3).requires_grad_(true);
    double const e = std::exp(1.);
    double const p = e / (e + 1);
    double const expected = p * std::log(p / (1 / (e + 2))) + (1 - p) * std::log((1 - p) / (e / (e + 2)));
    at::Tensor const loss = kl_distillation(student, teacher);
    BOOST_CHECK_CLOSE(loss.item<double>(), expected, 1e-4);
    loss.backward();
    BOOST_CHECK(student.grad().isfinite().all().item<bool>());
    BOOST_CHECK_GT(student.grad()[0][2].item<double>(), 0);   // down with the passage that has no share
    // out of both: a group of two
    at::Tensor const smaller = rows({0, 1, -infinity}, 3).requires_grad_(true);
    at::Tensor const left = kl_distillation(smaller, teacher);
    BOOST_CHECK_CLOSE(left.item<double>(), kl_distillation(rows({0, 1}, 2), rows({1, 0}, 2)).item<double>(), 1e-4);
    left.backward();
    BOOST_CHECK(smaller.grad().isfinite().all().item<bool>());
    at::Tensor const both = rows({0, 1, -infinity}, 3).requires_grad_(true);
    symmetric_divergence(both, teacher).backward();
    BOOST_CHECK(both.grad().isfinite().all().item<bool>());
    BOOST_CHECK(std::isnan(kl_distillation(rows({0, 1}, 2), rows({std::nan(""), 0}, 2)).item<double>()));
}

BOOST_AUTO_TEST_CASE(margins_by_hand) {
    at::Tensor const student = rows({3, 1, 0, 1, 1, 1}, 3);
    at::Tensor const teacher = rows({10, 9, 5, 2, 0, 5}, 3);
    // margins 2, 3 against 1, 5 and 0, 0 against 2, -3
    BOOST_CHECK_CLOSE(margin_mse(student, teacher).item<double>(), (1. + 4) / 2 + (4. + 9) / 2, 1e-4);
    BOOST_CHECK_SMALL(margin_mse(student, student + 7).item<double>(), 1e-9);
    check_gradient(student, [&](at::Tensor const& x) { return margin_mse(x, teacher / 5); });
}

BOOST_AUTO_TEST_CASE(groups_that_do_not_fit_are_refused_and_no_query_is_zero) {
    at::Tensor const two = at::zeros({2, 2});
    for (at::Tensor const& other : {at::zeros({2, 3}), at::zeros({1, 2}), at::zeros({2})}) {
        BOOST_CHECK_THROW(kl_distillation(two, other), InputError);
        BOOST_CHECK_THROW(margin_mse(other, two), InputError);
        BOOST_CHECK_THROW(symmetric_divergence(two, other), InputError);
    }
    BOOST_CHECK_THROW(kl_distillation(at::zeros({2, 1}), at::zeros({2, 1})), InputError);   // 0 for any student
    BOOST_CHECK_THROW(margin_mse(at::zeros({2, 1}), at::zeros({2, 1})), InputError);
    BOOST_CHECK_THROW(kl_distillation(two, two, 0), InputError);
    at::Tensor const none = at::zeros({0, 4});
    BOOST_CHECK_EQUAL(kl_distillation(none, none).item<double>(), 0);
    BOOST_CHECK_EQUAL(margin_mse(none, none).item<double>(), 0);
    BOOST_CHECK_EQUAL(symmetric_divergence(none, none).item<double>(), 0);
}

BOOST_AUTO_TEST_CASE(r_drop_adds_what_two_passes_disagree_on) {
    at::Tensor const first = invented(5, 4, 4);
    at::Tensor const second = invented(5, 4, 5);
    std::vector<std::int64_t> const targets = {0, 3, 1, 1, 2};
    at::Tensor const right = at::tensor(targets);
    auto const entropy = [&](at::Tensor const& x) { return at::cross_entropy_loss(x, right, {}, 2).item<double>(); };
    double const mean = (entropy(first) + entropy(second)) / 2;
    double const apart = (kl_distillation(first, second).item<double>() + kl_distillation(second, first).item<double>()) / 2;
    BOOST_CHECK_CLOSE(r_drop(first, second, targets).sum.item<double>(), mean + apart, 1e-3);
    BOOST_CHECK_CLOSE(r_drop(first, second, targets, .5).sum.item<double>(), mean + apart / 2, 1e-3);
    BOOST_CHECK_CLOSE(r_drop(first, first, targets).sum.item<double>(), entropy(first), 1e-3);
    BOOST_CHECK_EQUAL(r_drop(first, second, targets).correct.item<double>(), first.argmax(1).eq(right).sum().item<double>());
    check_gradient(first, [&](at::Tensor const& x) { return r_drop(x, second, targets).sum; });
    check_gradient(second, [&](at::Tensor const& x) { return r_drop(first, x, targets).sum; });
}

BOOST_AUTO_TEST_CASE(flops_by_hand) {
    // means of |w|: 1, 0, 2
    BOOST_CHECK_CLOSE(flops(rows({2, 0, -1, 0, 0, 3}, 3)).item<double>(), 1. + 0 + 4, 1e-4);
    // the same weight costs less where texts use different words
    BOOST_CHECK_CLOSE(flops(rows({1, 0, 1, 0}, 2)).item<double>(), 1., 1e-4);
    BOOST_CHECK_CLOSE(flops(rows({1, 0, 0, 1}, 2)).item<double>(), .5, 1e-4);
    BOOST_CHECK_EQUAL(flops(at::zeros({0, 7})).item<double>(), 0);
    check_gradient(invented(3, 4, 6).abs() + .1, [](at::Tensor const& x) { return flops(x); });
}

BOOST_AUTO_TEST_SUITE_END()
