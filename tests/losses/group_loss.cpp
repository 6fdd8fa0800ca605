// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Tests include/bmae/losses/group_loss.hpp.
#include <cmath>
#include <cstdint>
#include <functional>
#include <limits>
#include <vector>

#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/binary_cross_entropy_with_logits.h>
#include <ATen/ops/kl_div.h>
#include <ATen/ops/log_sigmoid.h>
#include <ATen/ops/sin.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <boost/test/unit_test.hpp>

#include <bmae/losses/group_loss.hpp>

BOOST_AUTO_TEST_SUITE(group_losses)

namespace {

using namespace bmae;

at::Tensor rows(std::vector<float> const& values, std::int64_t width) { return at::tensor(values).view({-1, width}); }

at::Tensor invented(std::int64_t count, std::int64_t width, double phase) {
    return at::sin(at::arange(count * width, at::kFloat) * 1.7 + phase).view({count, width}) * 3;
}

double value(GroupLoss loss, at::Tensor const& scores, double margin = 1) {
    return group_loss(loss, scores, margin).sum.item<double>();
}

at::Tensor gradient(at::Tensor const& at, std::function<at::Tensor(at::Tensor const&)> const& loss) {
    at::Tensor const point = at.detach().clone().requires_grad_(true);
    loss(point).backward();
    return point.grad();
}

}  // namespace

BOOST_AUTO_TEST_CASE(each_loss_by_hand) {
    at::Tensor const scores = rows({1, 0, 2, 0, -3, 0.5F}, 3);
    auto const softplus = [](double x) { return std::log1p(std::exp(x)); };
    double const first = softplus(-1) + softplus(0) + softplus(2);
    double const second = softplus(0) + softplus(-3) + softplus(.5);
    BOOST_CHECK_CLOSE(value(GroupLoss::pointwise, scores), (first + second) / 3, 1e-4);
    double const near = (0 + 2.) / 2;   // margin 1: 1 - 1 + 0, 1 - 1 + 2
    double const far = (0 + 1.5) / 2;   // 1 - 0 - 3 is below 0, 1 - 0 + .5
    BOOST_CHECK_CLOSE(value(GroupLoss::margin, scores), near + far, 1e-4);
    BOOST_CHECK_CLOSE(value(GroupLoss::margin, scores, 4), (3. + 5) / 2 + (1. + 4.5) / 2, 1e-4);
    double const sum = std::log(std::exp(1) + 1 + std::exp(2)) - 1 + std::log(1 + std::exp(-3) + std::exp(.5));
    BOOST_CHECK_CLOSE(value(GroupLoss::softmax, scores), sum, 1e-4);
    for (auto const loss : {GroupLoss::softmax, GroupLoss::pointwise, GroupLoss::margin}) {
        BOOST_CHECK_EQUAL(group_loss(loss, scores).correct.item<double>(), 0);
        BOOST_CHECK_EQUAL(group_loss(loss, rows({1, 0, 0, 0, -1, -2}, 3)).correct.item<double>(), 2);
    }
}

BOOST_AUTO_TEST_CASE(pointwise_is_binary_cross_entropy_with_its_gradient) {
    at::Tensor const scores = invented(5, 4, .3);
    at::Tensor labels = at::zeros({5, 4});
    labels.select(1, 0).fill_(1);
    auto const theirs = [&](at::Tensor const& x) { return at::binary_cross_entropy_with_logits(x, labels) * 5; };   // mean of all
    BOOST_CHECK_CLOSE(value(GroupLoss::pointwise, scores), theirs(scores).item<double>(), 1e-4);
    at::Tensor const ours = gradient(scores, [](at::Tensor const& x) { return pointwise_cross_entropy(x); });
    BOOST_CHECK_SMALL((ours - gradient(scores, theirs)).abs().max().item<double>(), 1e-6);
}

BOOST_AUTO_TEST_CASE(extreme_scores_give_finite_losses_and_gradients) {
    at::Tensor const wrong = rows({-1e4F, 1e4F, 50}, 3);
    BOOST_CHECK_CLOSE(value(GroupLoss::pointwise, wrong), (1e4 + 1e4 + 50) / 3, 1e-3);
    for (auto const loss : {GroupLoss::softmax, GroupLoss::pointwise, GroupLoss::margin}) {
        for (at::Tensor const& scores : {wrong, wrong.neg(), at::zeros({1, 3})}) {
            at::Tensor const slope = gradient(scores, [&](at::Tensor const& x) { return group_loss(loss, x).sum; });
            BOOST_CHECK(std::isfinite(value(loss, scores)));
            BOOST_CHECK(slope.isfinite().all().item<bool>());
        }
        BOOST_CHECK(std::isnan(value(loss, rows({0, std::numeric_limits<float>::quiet_NaN(), 1}, 3))));
        BOOST_CHECK_THROW(value(loss, at::zeros({2, 1})), InputError);   // nothing to be told apart from
    }
}

BOOST_AUTO_TEST_CASE(two_passes_agree_by_the_distribution_of_the_loss) {
    at::Tensor const first = invented(4, 3, .1);
    at::Tensor const second = invented(4, 3, .9);
    // The divergence of Bernoulli distributions, as frameworks compute it.
    auto const both = [](at::Tensor const& x) { return at::stack({at::log_sigmoid(x), at::log_sigmoid(x.neg())}); };
    auto const theirs = [&](at::Tensor const& x) {
        at::Tensor const p = both(x);
        at::Tensor const q = both(second);
        return (at::kl_div(p, q, /*reduction=sum*/ 2, /*log_target=*/true) + at::kl_div(q, p, 2, true)) / 2 / 3;
    };
    auto const ours = [&](at::Tensor const& x) { return group_divergence(GroupLoss::pointwise, x, second); };
    BOOST_CHECK_CLOSE(ours(first).item<double>(), theirs(first).item<double>(), 1e-3);
    BOOST_CHECK_SMALL((gradient(first, ours) - gradient(first, theirs)).abs().max().item<double>(), 1e-5);
    BOOST_CHECK_EQUAL(ours(second).item<double>(), 0);
    BOOST_CHECK_EQUAL(group_divergence(GroupLoss::softmax, first, second).item<double>(),
                      symmetric_divergence(first, second).item<double>());
    // A common shift of a group changes no softmax, but what is said of each pair.
    BOOST_CHECK_SMALL(group_divergence(GroupLoss::softmax, first, first + 2).item<double>(), 1e-5);
    BOOST_CHECK_GT(group_divergence(GroupLoss::pointwise, first, first + 2).item<double>(), .1);
    BOOST_CHECK(std::isfinite(group_divergence(GroupLoss::pointwise, first * 1e4, second * -1e4).item<double>()));
    BOOST_CHECK_THROW(group_divergence(GroupLoss::margin, first, second), InputError);
    BOOST_CHECK_THROW(group_divergence(GroupLoss::pointwise, first, at::zeros({4, 2})), InputError);
}

BOOST_AUTO_TEST_CASE(a_margin_is_a_number_above_zero) {
    BOOST_CHECK_NO_THROW(require_margin(.5));
    for (double const bad : {0., -1., std::nan(""), std::numeric_limits<double>::infinity()}) {
        BOOST_CHECK_THROW(require_margin(bad), InputError);
    }
}

BOOST_AUTO_TEST_SUITE_END()
