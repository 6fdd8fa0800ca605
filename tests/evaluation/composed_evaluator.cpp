// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// Metrics composed as types, and metrics of one's own.
#include <boost/test/unit_test.hpp>

#include <cmath>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <bmae/evaluation/composed_evaluator.hpp>
#include <bmae/metrics/classification.hpp>
#include <bmae/metrics/squared_error.hpp>

#include "../retrieval/files.hpp"
#include "../retrieval/run_of.hpp"

BOOST_AUTO_TEST_SUITE(composed_evaluator)

namespace {

/// A metric of one's own: the rank of the last relevant document that was found, 0 without one.
struct LastFound {
    std::string name() const { return "last_found"; }
    double operator()(bmae::RankedGains const& ranked) const {
        double last = 0;
        for (std::size_t i = 0; i < ranked.gains.size(); ++i) {
            if (ranked.is_relevant(ranked.gains[i])) { last = static_cast<double>(i + 1); }
        }
        return last;
    }
};
static_assert(bmae::explain_metric<LastFound>());

/// And one over values: the largest error.
struct LargestError {
    std::string name() const { return "largest_error"; }
    std::optional<double> operator()(std::span<double const> gold, std::span<double const> predicted) const {
        double largest = 0;
        for (std::size_t i = 0; i < gold.size(); ++i) { largest = std::max(largest, std::abs(gold[i] - predicted[i])); }
        return gold.empty() ? std::nullopt : std::optional(largest);
    }
};
static_assert(bmae::explain_value_metric<LargestError>());

}  // namespace

BOOST_AUTO_TEST_CASE(metrics_over_rankings_in_one_pass) {
    bmae::Evaluator<bmae::Mrr, bmae::Recall, bmae::Ndcg, LastFound> const evaluator;
    std::vector<std::int32_t> const gains = {0, 2, bmae::unjudged, 1};
    std::vector<std::int32_t> const ideal = {2, 1, 1};
    bmae::RankedGains const ranked{.gains = gains, .ideal = ideal, .nonrelevant = 1};
    auto const values = evaluator(ranked);
    static_assert(values.size() == 4);
    BOOST_TEST(values[0] == .5);
    BOOST_TEST(values[1] == 2. / 3);
    BOOST_TEST(values[2] == bmae::Ndcg{}(ranked));
    BOOST_TEST(values[3] == 4);

    auto const run = test::run_of({{"b", 3.0F}, {"a", 2.0F}});
    bmae::Qrels qrels;
    qrels.add("q", "a", 1);
    auto const report = bmae::Evaluator(bmae::Mrr{10}, LastFound{})(qrels, run);
    BOOST_TEST(report["mrr@10"] == .5);
    BOOST_TEST(report["last_found"] == 2);
}

BOOST_AUTO_TEST_CASE(metrics_over_values) {
    bmae::Evaluator<bmae::Spearman, bmae::Pearson, bmae::MeanSquaredError, LargestError> const evaluator;
    auto const report = evaluator(std::vector<double>{1, 2, 3}, std::vector<double>{1, 2, 5});
    BOOST_TEST(report.pairs == 3U);
    BOOST_TEST(report["spearman"].value() == 1);
    BOOST_TEST(report["mse"].value() == 4. / 3);
    BOOST_TEST(report["largest_error"].value() == 2);
    BOOST_TEST(!evaluator(std::vector<double>{1, 1}, std::vector<double>{1, 2})["spearman"]);   // constant gold values
    BOOST_TEST(test::contains(test::refusal([&] { return report["f1"]; }), "It holds: spearman, pearson, mse, largest_error."));
    auto const classes = bmae::Evaluator(bmae::Accuracy{}, bmae::F1{}, bmae::Matthews{})(std::vector<double>{0, 1, 1},
                                                                                         std::vector<double>{0, 1, 0});
    BOOST_TEST(classes["accuracy"].value() == 2. / 3);
    BOOST_TEST(classes["f1"].value() == 2. / 3);
}

BOOST_AUTO_TEST_SUITE_END()
