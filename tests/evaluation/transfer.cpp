// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// Classifiers on fixed vectors; folds and accuracies beside scikit-learn and torch are compared in tests/parity/transfer_parity.py.
#include <boost/test/unit_test.hpp>

#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include <bmae/evaluation/logistic_regression.hpp>
#include <bmae/evaluation/transfer.hpp>
#include <bmae/values/draw.hpp>

#include "../retrieval/files.hpp"

BOOST_AUTO_TEST_SUITE(transfer)

namespace {

/// Points around one center per class.
bmae::LabeledVectors clusters(Eigen::Index count, std::int32_t classes, std::uint64_t seed) {
    bmae::LabeledVectors data{.rows = bmae::FeatureMatrix(count, 4)};
    bmae::Draw draw({.seed = seed});
    for (Eigen::Index i = 0; i < count; ++i) {
        auto const label = static_cast<std::int32_t>(i % classes);
        for (Eigen::Index j = 0; j < 4; ++j) { data.rows(i, j) = static_cast<float>(draw.uniform() - .5 + (j == label ? 2 : 0)); }
        data.labels.push_back(label);
    }
    return data;
}

bmae::TransferOptions few_folds(bmae::TransferSolver solver) {
    return {.solver = solver, .folds = 3, .batch_rows = 8, .threads = 2};
}

}  // namespace

BOOST_AUTO_TEST_CASE(the_optimum_has_no_gradient) {
    for (std::int32_t const classes : {2, 3}) {
        auto const data = clusters(90, classes, 1);
        auto const model = bmae::fit_logistic(data.rows, data.labels, classes, {.inverse_strength = .5});
        BOOST_TEST(model.weights.rows() == (classes == 2 ? 1 : 3));
        Eigen::VectorXd point((classes == 2 ? 1 : 3) * 5), gradient(point.size());
        for (Eigen::Index c = 0; c < model.weights.rows(); ++c) {
            point.segment(c * 5, 4) = model.weights.row(c).transpose().cast<double>();
            point[c * 5 + 4] = static_cast<double>(model.bias[c]);
        }
        classes == 2 ? bmae::detail::binary_loss(data.rows, data.labels, point, gradient)
                     : bmae::detail::softmax_loss(data.rows, data.labels, classes, point, gradient);
        for (Eigen::Index c = 0; c < model.weights.rows(); ++c) { gradient.segment(c * 5, 4) += point.segment(c * 5, 4) / .5; }
        BOOST_TEST(gradient.cwiseAbs().maxCoeff() < 5e-3);   // of 90 rows
        auto const predicted = model.predict(data.rows);
        BOOST_TEST(bmae::detail::share_correct(predicted, data.labels) > .8);
    }
}

BOOST_AUTO_TEST_CASE(folds_are_stratified) {
    std::vector<std::int32_t> const labels = {1, 1, 1, 0, 0, 0, 0, 1, 0, 1, 0};
    auto const folds = bmae::detail::stratified_folds(labels, 3, 1111);
    std::vector<std::vector<int>> counts(3, std::vector<int>(2));
    for (std::size_t i = 0; i < labels.size(); ++i) { ++counts[folds[i]][static_cast<std::size_t>(labels[i])]; }
    for (auto const& fold : counts) {
        BOOST_TEST(fold[0] >= 1);
        BOOST_TEST(fold[1] >= 1);
    }
}

BOOST_AUTO_TEST_CASE(both_solvers_learn_and_do_not_depend_on_threads) {
    auto const data = clusters(120, 2, 2);
    auto const train = clusters(120, 3, 3), test = clusters(60, 3, 4);
    for (auto const solver : {bmae::TransferSolver::senteval, bmae::TransferSolver::convex}) {
        auto options = few_folds(solver);
        std::size_t fits = 0, total = 0;
        options.on_progress = [&](std::size_t done, std::size_t all) {
            fits = done;
            total = all;
        };
        auto const nested = bmae::transfer_by_folds(data, options);
        BOOST_TEST(fits == total);
        BOOST_TEST(nested.test > 75);
        BOOST_TEST(nested.fold_tests.size() == 3U);
        options.threads = 1;
        BOOST_TEST(bmae::transfer_by_folds(data, options).fold_tests == nested.fold_tests);
        auto const given = bmae::transfer_to_test(train, test, options);
        BOOST_TEST(given.test > 60);
        BOOST_TEST(given.predicted.size() == 60U);
    }
}

BOOST_AUTO_TEST_CASE(folds_with_one_class_are_refused) {
    auto data = clusters(12, 2, 5);
    BOOST_TEST(
        test::contains(test::refusal([&] { bmae::transfer_by_folds(data); }), "Take fewer folds"));   // 6 of each, 10 folds
    data.labels.assign(12, 0);
    BOOST_TEST(test::contains(test::refusal([&] { bmae::transfer_by_folds(data, {.folds = 2}); }), "two classes or more"));
    BOOST_CHECK_THROW(bmae::fit_logistic(data.rows, data.labels, 2), bmae::InputError);
    auto const train = clusters(12, 2, 5), other = clusters(6, 3, 5);
    BOOST_CHECK_THROW(bmae::transfer_to_test(train, other, {.folds = 2}), bmae::InputError);
}

BOOST_AUTO_TEST_SUITE_END()
