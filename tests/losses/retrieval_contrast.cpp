// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// Contrasts of queries and passages against loops over pairs in double precision.
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/ops/cross_entropy_loss.h>
#include <ATen/ops/dot.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/logsumexp.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <boost/test/unit_test.hpp>

#include <bmae/losses/retrieval_contrast.hpp>

BOOST_AUTO_TEST_SUITE(retrieval_contrasts)

namespace {

using namespace bmae;
using Pairs = std::vector<std::int64_t>;

at::Tensor invented(std::int64_t rows, std::uint64_t seed) {
    return at::empty({rows, 5}).normal_(0, 1, at::detail::createCPUGenerator(seed)).requires_grad_(true);
}

/// B queries, G passages each, the own one somewhere in its group.
struct Batch {
    std::int64_t count;
    std::int64_t group;
    at::Tensor queries = invented(count, 1);
    at::Tensor passages = invented(count * group, 2);
    Pairs targets = {};

    Batch(std::int64_t b, std::int64_t g) : count(b), group(g) {
        for (std::int64_t i = 0; i < b; ++i) { targets.push_back(i * g + i % g); }
    }
    [[nodiscard]] at::Tensor query(std::int64_t i) const { return queries[i].to(at::kDouble); }
    [[nodiscard]] at::Tensor passage(std::int64_t c) const { return passages[c].to(at::kDouble); }
    [[nodiscard]] at::Tensor own(std::int64_t i) const { return passage(targets[static_cast<std::size_t>(i)]); }
};

/// q . p or -|q - p|.
at::Tensor score(at::Tensor const& q, at::Tensor const& p, RowScore how) {
    return how == RowScore::product ? at::dot(q, p) : -(q - p).square().sum().sqrt();
}

/// -log softmax of the first of some scores.
at::Tensor minus_log_first(std::vector<at::Tensor> const& scores) {
    at::Tensor const row = at::stack(scores);
    return at::logsumexp(row, {0}) - row[0];
}

/// The four blocks one pair after another.
at::Tensor four_blocks_by_pairs(Batch const& batch, Pairs const& excluded, double temperature, RowScore how) {
    std::set<std::pair<std::int64_t, std::int64_t>> answers;   // (query, column) that belong together
    for (std::size_t e = 0; e < excluded.size(); e += 2) { answers.emplace(excluded[e], excluded[e + 1]); }
    auto const known = [&](std::int64_t i, std::int64_t j) {
        return answers.contains({i, batch.targets[static_cast<std::size_t>(j)]});
    };
    at::Tensor sum = at::zeros({}, at::kDouble);
    for (std::int64_t i = 0; i < batch.count; ++i) {
        std::vector<at::Tensor> scores = {score(batch.query(i), batch.own(i), how) / temperature};
        for (std::int64_t c = 0; c < batch.passages.size(0); ++c) {
            if (c == batch.targets[static_cast<std::size_t>(i)] || answers.contains({i, c})) { continue; }
            scores.push_back(score(batch.query(i), batch.passage(c), how) / temperature);
        }
        for (std::int64_t j = 0; j < batch.count; ++j) {
            if (j == i) { continue; }
            if (!known(j, i)) { scores.push_back(score(batch.own(i), batch.query(j), how) / temperature); }
            if (known(i, j) || known(j, i)) { continue; }
            scores.push_back(score(batch.query(i), batch.query(j), how) / temperature);
            scores.push_back(score(batch.own(i), batch.own(j), how) / temperature);
        }
        sum = sum + minus_log_first(scores);
    }
    return sum;
}

at::Tensor both_ways_by_pairs(Batch const& batch, Pairs const& excluded, double temperature, RowScore how) {
    std::set<std::pair<std::int64_t, std::int64_t>> answers;
    for (std::size_t e = 0; e < excluded.size(); e += 2) { answers.emplace(excluded[e], excluded[e + 1]); }
    at::Tensor sum = at::zeros({}, at::kDouble);
    for (std::int64_t i = 0; i < batch.count; ++i) {
        auto const own = batch.targets[static_cast<std::size_t>(i)];
        std::vector<at::Tensor> there = {score(batch.query(i), batch.own(i), how) / temperature};
        std::vector<at::Tensor> back = there;
        for (std::int64_t c = 0; c < batch.passages.size(0); ++c) {
            if (c == own || answers.contains({i, c})) { continue; }
            there.push_back(score(batch.query(i), batch.passage(c), how) / temperature);
        }
        for (std::int64_t j = 0; j < batch.count; ++j) {
            if (j == i || answers.contains({j, own})) { continue; }
            back.push_back(score(batch.own(i), batch.query(j), how) / temperature);
        }
        sum = sum + (minus_log_first(there) + minus_log_first(back)) / 2;
    }
    return sum;
}

std::vector<at::Tensor> take_gradients(Batch& batch) {
    std::vector<at::Tensor> gradients;
    for (at::Tensor* const value : {&batch.queries, &batch.passages}) {
        gradients.push_back(value->grad().clone());
        value->mutable_grad() = at::Tensor();
    }
    return gradients;
}

double distance(at::Tensor const& a, at::Tensor const& b) { return (a - b).abs().max().item<double>(); }

/// Value and gradients of one of the contrasts are those of the loops.
template <class ByPairs>
void check(RetrievalContrast contrast, ByPairs&& by_pairs) {
    for (auto const& [count, group] : {std::pair{4, 3}, std::pair{2, 1}, std::pair{5, 2}, std::pair{1, 4}}) {
        Batch batch(count, group);
        for (auto const& [temperature, how] :
             {std::pair{1., RowScore::product}, {.3, RowScore::product}, {1., RowScore::distance}, {.3, RowScore::distance}}) {
            Pairs excluded;
            if (count > 2) {   // query 0 also answers to the own passage of query 1 and to a hard negative of query 2
                excluded = {0, batch.targets[1], 0, 2 * group + (batch.targets[2] + 1) % group};
            }
            ContrastiveLoss const loss =
                retrieval_contrast(contrast, batch.queries, batch.passages, batch.targets, excluded, temperature, {}, how);
            at::Tensor const expected = by_pairs(batch, excluded, temperature, how);
            BOOST_CHECK_CLOSE(loss.sum.item<double>(), expected.item<double>(), 1e-3);
            loss.sum.backward();
            std::vector<at::Tensor> const gradients = take_gradients(batch);
            expected.backward();
            std::vector<at::Tensor> const by_loops = take_gradients(batch);
            for (std::size_t i = 0; i < 2; ++i) { BOOST_CHECK_LE(distance(gradients[i], by_loops[i]), 1e-4); }
        }
    }
}

}  // namespace

BOOST_AUTO_TEST_CASE(four_blocks_are_one_softmax_over_all_pairs) { check(RetrievalContrast::four_block, four_blocks_by_pairs); }

BOOST_AUTO_TEST_CASE(symmetric_is_the_mean_of_both_directions) { check(RetrievalContrast::symmetric, both_ways_by_pairs); }

// With one query the blocks of pairs are empty: what is left is the cross-entropy over its own passages.
BOOST_AUTO_TEST_CASE(oracle_k_four_blocks_of_one_query_are_cross_entropy_over_its_group) {
    Batch batch(1, 6);
    ContrastiveLoss const loss = four_block_contrast(batch.queries, batch.passages, batch.targets, {}, .02);
    at::Tensor const scores = batch.queries.matmul(batch.passages.t()) / .02;
    at::Tensor const expected = at::cross_entropy_loss(scores, at::tensor(batch.targets));
    BOOST_CHECK_CLOSE(loss.sum.item<double>(), expected.item<double>(), 1e-4);
    BOOST_CHECK_EQUAL(loss.correct.item<double>(), scores.argmax(1).item<std::int64_t>() == batch.targets[0] ? 1 : 0);
    loss.sum.backward();
    std::vector<at::Tensor> const gradients = take_gradients(batch);
    expected.backward();
    std::vector<at::Tensor> const by_torch = take_gradients(batch);
    for (std::size_t i = 0; i < 2; ++i) { BOOST_CHECK_LE(distance(gradients[i], by_torch[i]), 1e-4); }
}

// Two queries, two passages, all of length 1, by hand: q0 = p0 = (1, 0), q1 = p1 = (0, 1).
BOOST_AUTO_TEST_CASE(values_by_hand) {
    at::Tensor const unit = at::tensor({1.F, 0.F, 0.F, 1.F}).view({2, 2});
    Pairs const targets = {0, 1};
    double const e = std::exp(1.);
    // own 1 among one score of each block, all 0
    BOOST_CHECK_CLOSE(four_block_contrast(unit, unit, targets, {}, 1).sum.item<double>(), 2 * std::log((e + 4) / e), 1e-4);
    BOOST_CHECK_CLOSE(symmetric_info_nce(unit, unit, targets, {}, 1).sum.item<double>(), 2 * std::log((e + 1) / e), 1e-4);
    BOOST_CHECK_CLOSE(info_nce(unit, unit, targets, {}, 1).sum.item<double>(), 2 * std::log((e + 1) / e), 1e-4);
    // p1 answers q0: query 0 keeps its own and p0 . q1, query 1 its own and q1 . p0
    double const excluded = four_block_contrast(unit, unit, targets, Pairs{0, 1}, 1).sum.item<double>();
    BOOST_CHECK_CLOSE(excluded, std::log((e + 1) / e) + std::log((e + 1) / e), 1e-4);
}

// A duplicate: query, own passage and another query are one vector, whose distances of 0 have no gradient.
BOOST_AUTO_TEST_CASE(equal_vectors_have_finite_gradients_by_distance) {
    at::Tensor const queries = at::tensor({1.F, 2.F, 1.F, 2.F, 0.F, 1.F}).view({3, 2}).requires_grad_(true);
    at::Tensor const passages = at::tensor({1.F, 2.F, 3.F, 0.F, 5.F, 1.F}).view({3, 2}).requires_grad_(true);
    for (auto const contrast : {RetrievalContrast::info_nce, RetrievalContrast::symmetric, RetrievalContrast::four_block,
                                RetrievalContrast::pairwise_margin}) {
        ContrastiveLoss const loss =
            retrieval_contrast(contrast, queries, passages, Pairs{0, 1, 2}, {}, .5, {}, RowScore::distance);
        BOOST_TEST(std::isfinite(loss.sum.item<double>()));
        loss.sum.backward();
        for (at::Tensor const& one : {queries, passages}) {
            BOOST_TEST(one.grad().isfinite().all().item<bool>());
            BOOST_TEST(one.grad().abs().sum().item<double>() > 0);
        }
    }
    // by hand: distances 0 and 2 of one query
    at::Tensor const two = at::tensor({0.F, 0.F, 2.F, 0.F}).view({2, 2});
    BOOST_CHECK_CLOSE(info_nce(two.narrow(0, 0, 1), two, Pairs{0}, {}, .5, {}, RowScore::distance).sum.item<double>(),
                      std::log(1 + std::exp(-4.)), 1e-3);   // 1 - .98 in fp32
}

// Two queries that resemble each other more than their passages: right in the first block, which alone is counted.
BOOST_AUTO_TEST_CASE(pitfall_21_only_the_first_block_is_counted) {
    at::Tensor const queries = at::tensor({3.F, .5F, 3.F, -.5F}).view({2, 2});
    at::Tensor const passages = at::tensor({1.F, 1.F, 1.F, -1.F}).view({2, 2});
    ContrastiveLoss const loss = four_block_contrast(queries, passages, Pairs{0, 1}, {}, 1);
    BOOST_CHECK_EQUAL(loss.correct.item<double>(), 2);
    BOOST_CHECK_EQUAL(loss.correct.item<double>(), info_nce(queries, passages, Pairs{0, 1}, {}, 1).correct.item<double>());
}

// Ties: the mean of equal scores is the logarithm of their number.
BOOST_AUTO_TEST_CASE(pitfall_21_equal_scores_and_smoothing_leave_out_the_diagonals) {
    at::Tensor const ones = at::ones({3, 2});
    Pairs const targets = {0, 1, 2};
    double const four = 3 * std::log(3. + 3 * 2);
    BOOST_CHECK_CLOSE(four_block_contrast(ones, ones, targets, {}, 1).sum.item<double>(), four, 1e-4);
    // the diagonals count in no mean
    BOOST_CHECK_CLOSE(four_block_contrast(ones, ones, targets, {}, 1, {.label_smoothing = .1}).sum.item<double>(), four, 1e-4);
    BOOST_CHECK_CLOSE(symmetric_info_nce(ones, ones, targets, {}, 1).sum.item<double>(), 3 * std::log(3.), 1e-4);
}

BOOST_AUTO_TEST_CASE(one_candidate_is_refused_no_query_is_zero_and_nan_is_seen) {
    at::Tensor const one = at::ones({1, 4});
    for (RetrievalContrast const contrast :
         {RetrievalContrast::info_nce, RetrievalContrast::symmetric, RetrievalContrast::four_block}) {
        BOOST_CHECK_THROW(retrieval_contrast(contrast, one, one, Pairs{0}, {}, 1), InputError);
        ContrastiveLoss const none = retrieval_contrast(contrast, at::zeros({0, 4}), at::ones({2, 4}), {}, {}, 1);
        BOOST_CHECK_EQUAL(none.sum.item<double>(), 0);
        BOOST_CHECK_EQUAL(none.correct.item<double>(), 0);
        at::Tensor const broken = at::tensor({std::numeric_limits<float>::quiet_NaN(), 0.F, 1.F, 0.F}).view({2, 2});
        BOOST_CHECK(std::isnan(retrieval_contrast(contrast, broken, at::ones({2, 2}), Pairs{0, 1}, {}, 1).sum.item<double>()));
    }
    // one query with two passages: the second direction is 0
    at::Tensor const two = at::tensor({1.F, 0.F, 0.F, 1.F}).view({2, 2});
    BOOST_CHECK_CLOSE(symmetric_info_nce(two.narrow(0, 0, 1), two, Pairs{0}, {}, 1).sum.item<double>(),
                      std::log(1 + std::exp(-1.)) / 2, 1e-4);
}

BOOST_AUTO_TEST_CASE(names) {
    BOOST_CHECK_EQUAL(std::string(to_string(RetrievalContrast::info_nce)), "info_nce");
    BOOST_CHECK_EQUAL(std::string(to_string(RetrievalContrast::symmetric)), "symmetric");
    BOOST_CHECK_EQUAL(std::string(to_string(RetrievalContrast::four_block)), "four_block");
}

BOOST_AUTO_TEST_CASE(margins_between_a_passage_and_each_of_its_negatives) {
    constexpr float never = -std::numeric_limits<float>::infinity();
    at::Tensor const scores = at::tensor({2.F, 1.5F, 0.F, never, 1.F, 3.F}).view({2, 3}).requires_grad_(true);
    ContrastiveLoss const loss = pairwise_margin(scores, Pairs{0, 1}, 1);
    // (max(0, 1 - 2 + 1.5) + 0) / 2, and of the second row one negative: 1 - 1 + 3
    BOOST_CHECK_CLOSE(loss.sum.item<double>(), .25 + 3, 1e-4);
    BOOST_CHECK_EQUAL(loss.correct.item<double>(), 1);
    loss.sum.backward();
    BOOST_TEST(scores.grad().isfinite().all().item<bool>());
    BOOST_CHECK_CLOSE(scores.grad()[0][0].item<double>(), -.5, 1e-4);
    BOOST_CHECK_EQUAL(scores.grad()[1][0].item<double>(), 0);
    Batch const batch(4, 2);
    ContrastiveLoss const named =
        retrieval_contrast(RetrievalContrast::pairwise_margin, batch.queries, batch.passages, batch.targets, {}, 1);
    BOOST_TEST(named.sum.item<double>() > 0);
    BOOST_TEST((retrieval_contrast_from("pairwise_margin") == RetrievalContrast::pairwise_margin));
    BOOST_CHECK_THROW(pairwise_margin(scores.narrow(1, 0, 1), Pairs{0, 0}, 1), InputError);
}

BOOST_AUTO_TEST_CASE(candidates_too_near_to_the_own_one_are_left_out_at_any_sign) {
    constexpr float never = -std::numeric_limits<float>::infinity();
    at::Tensor const scores = at::tensor({2.F, 1.9F, 0.F, 3.F, /**/ -2.F, -2.1F, -5.F, never}).view({2, 4});
    auto const left = [&](double margin, bool relative) {
        at::Tensor const masked = without_near_candidates(scores, Pairs{0, 0}, margin, relative);
        std::vector<std::int64_t> columns;
        for (std::int64_t i = 0; i < 2; ++i) {
            for (std::int64_t j = 0; j < 4; ++j) {
                if (masked[i][j].isneginf().item<bool>()) { columns.push_back(10 * i + j); }
            }
        }
        return columns;
    };
    BOOST_TEST(left(.5, false) == Pairs({1, 3, 11, 13}), boost::test_tools::per_element());   // -2.1 >= -2.5
    BOOST_TEST(left(.1, true) == Pairs({1, 3, 11, 13}), boost::test_tools::per_element());    // 1.9 >= 1.8, -2.1 >= -2.2
    BOOST_TEST(left(.02, true) == Pairs({3, 13}), boost::test_tools::per_element());
    BOOST_TEST(left(-1.5, false) == Pairs({13}), boost::test_tools::per_element());            // none is that far above
    BOOST_TEST(left(100, false) == Pairs({1, 3, 11, 13}), boost::test_tools::per_element());   // the lowest of each row stays
}

BOOST_AUTO_TEST_SUITE_END()
