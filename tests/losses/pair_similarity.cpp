// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// Losses of scored pairs by hand; tests/parity/pair_losses.py compares them with Sentence Transformers' own.
#include <cmath>
#include <cstdint>
#include <vector>

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/tensor.h>
#include <boost/test/unit_test.hpp>

#include <bmae/losses/pair_similarity.hpp>

BOOST_AUTO_TEST_SUITE(pair_similarity)

namespace {

using namespace bmae;

at::Tensor rows(std::vector<double> const& values, std::int64_t columns) {
    return at::tensor(values).to(at::kFloat).view({-1, columns});
}
at::Tensor numbers(std::vector<double> const& values) { return at::tensor(values).to(at::kFloat); }

}  // namespace

BOOST_AUTO_TEST_CASE(order_is_by_ranking_loss_of_ordered_pairs_alone) {
    at::Tensor const similarities = numbers({.9, .1, .4});
    // labels 0 < 1 = 1: (0, 1) and (0, 2) are ordered, both wrong
    double const expected = std::log(1 + std::exp(2 * (.9 - .1)) + std::exp(2 * (.9 - .4)));
    BOOST_CHECK_CLOSE(ranking_loss(similarities, numbers({0, 1, 1}), 2).item<double>(), expected, 1e-4);
    BOOST_CHECK_CLOSE(ranking_loss(similarities, numbers({-7, 50, 50}), 2).item<double>(), expected, 1e-4);   // any unit
    BOOST_CHECK_EQUAL(ranking_loss(similarities, numbers({3, 3, 3}), 2).item<double>(), 0);
    BOOST_CHECK_CLOSE(pair_similarity_loss(PairLoss::cosent, similarities, numbers({0, 1, 1}), 2).item<double>(), 3 * expected,
                      1e-4);
    BOOST_CHECK_CLOSE(pair_similarity_loss(PairLoss::cosine, similarities, numbers({1, 0, 0}), 2).item<double>(), .01 + .01 + .16,
                      1e-3);
    // large scores do not overflow
    BOOST_CHECK_CLOSE(ranking_loss(numbers({30, -30}), numbers({0, 1}), 20).item<double>(), 1200, 1e-4);
}

BOOST_AUTO_TEST_CASE(similarities_by_hand) {
    at::Tensor const first = rows({3, 4, 0, 0, 1, 0, 0, 0}, 4);
    at::Tensor const second = rows({4, 3, 0, 0, 0, 0, 2, 0}, 4);
    BOOST_CHECK_CLOSE(pair_cosines(first, second)[0].item<double>(), .96, 1e-4);
    BOOST_CHECK_SMALL(pair_cosines(first, second)[1].item<double>(), 1e-7);
    BOOST_CHECK_CLOSE(pair_dots(first, second)[0].item<double>(), 24, 1e-4);
    BOOST_CHECK_CLOSE(pair_distances(first, second)[0].item<double>(), -std::sqrt(2.), 1e-4);
    BOOST_CHECK_CLOSE(pair_distances(first, second)[1].item<double>(), -std::sqrt(5.), 1e-4);
    // (3, 4) / (4, 3) element by element over lengths 5 and 5: (12 + 12) / 25; 1 / (2 i) = -i / 2, scaled to -i
    BOOST_CHECK_CLOSE(pair_angles(first, second)[0].item<double>(), .96, 1e-4);
    BOOST_CHECK_CLOSE(pair_angles(first, second)[1].item<double>(), 1., 1e-4);
    BOOST_CHECK_THROW(pair_angles(rows({1, 2, 3}, 3), rows({1, 2, 3}, 3)), InputError);   // no halves
    BOOST_CHECK_THROW(pair_dots(first, rows({1, 2, 3, 4}, 4)), InputError);
    BOOST_CHECK_THROW(pair_distances(first, rows({1, 2, 3, 4}, 4)), InputError);
}

BOOST_AUTO_TEST_CASE(a_zero_vector_gives_no_nan) {
    at::Tensor const first = rows({0, 0, 1, 2}, 2).requires_grad_(true);
    at::Tensor const second = rows({1, 1, 2, 1}, 2);
    for (PairLoss const loss : {PairLoss::cosent, PairLoss::cosine, PairLoss::angle}) {
        at::Tensor const similarities = loss == PairLoss::angle ? pair_angles(first, second) : pair_cosines(first, second);
        pair_similarity_loss(loss, similarities, numbers({1, 0}), 20).backward();
        BOOST_TEST(first.grad().isfinite().all().item<bool>());
    }
    at::Tensor const same = rows({1, 1, 0, 0}, 2).requires_grad_(true);   // its first row is that of `second`
    pair_similarity_loss(PairLoss::cosent, pair_distances(same, second), numbers({0, 1}), 20).backward();
    BOOST_TEST(same.grad().isfinite().all().item<bool>());
    BOOST_TEST(same.grad()[0].abs().sum().item<double>() == 0);
    BOOST_TEST(same.grad()[1].abs().sum().item<double>() > 0);
}

BOOST_AUTO_TEST_SUITE_END()
