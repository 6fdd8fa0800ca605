// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include <bmae/evaluation/evaluator.hpp>
#include <bmae/evaluation/fusion_tuning.hpp>

#include "../retrieval/files.hpp"
#include "../retrieval/run_of.hpp"

BOOST_AUTO_TEST_SUITE(fusion_tuning)

namespace {

using bmae::FusionMethod;
using bmae::FusionOptions;
using bmae::FusionTuning;
using bmae::Qrels;
using bmae::Run;
using bmae::tune_fusion;

/// Runs over 30 documents of queries q0, q1 ... with judgments that each run knows something of; scores repeat, so that hits are tied.
struct World {
    std::vector<Run> runs = {};
    Qrels qrels = {};

    World(std::size_t count, std::uint32_t seed, std::size_t queries = 12) {
        std::mt19937 random(seed);
        auto const below = [&](std::uint32_t end) { return static_cast<std::uint32_t>(random() % end); };
        std::vector<std::string> ids;
        for (int d = 0; d < 30; ++d) { ids.push_back('d' + std::to_string(d)); }
        std::vector<std::vector<std::int32_t>> grades(queries, std::vector<std::int32_t>(ids.size()));
        for (std::size_t q = 0; q < queries; ++q) {
            for (std::size_t d = 0; d < ids.size(); ++d) {
                grades[q][d] = below(6) == 0 ? static_cast<std::int32_t>(1 + below(3)) : 0;
                if (grades[q][d] > 0 || below(3) == 0) { qrels.add(name(q), ids[d], grades[q][d]); }
            }
        }
        qrels.add("elsewhere", "d1", 1);
        auto const documents = std::make_shared<bmae::IdTable>(ids);
        for (std::size_t r = 0; r < count; ++r) {
            Run& run = runs.emplace_back(documents);
            for (std::size_t q = 0; q < queries + 2; ++q) {   // two that nobody judged
                if (q % 7 == r + 3) { continue; }             // each run lacks some
                std::vector<bmae::Hit> hits;
                for (std::uint32_t d = 0; d < ids.size(); ++d) {
                    if (below(4) == 0) { continue; }
                    auto const signal = q < queries ? static_cast<float>(grades[q][d]) : 0.F;
                    hits.push_back({d, signal * static_cast<float>(r) + static_cast<float>(below(9))});
                }
                run.add(name(q), hits);
            }
        }
    }

    static std::string name(std::size_t q) { return 'q' + std::to_string(q); }
    [[nodiscard]] std::vector<Run const*> pointers() const {
        std::vector<Run const*> list;
        for (Run const& run : runs) { list.push_back(&run); }
        return list;
    }
    /// As `bmae evaluate` measures the fused run.
    [[nodiscard]] double mean(FusionOptions options, std::vector<double> weights, std::string const& measure) const {
        options.weights = std::move(weights);
        return bmae::evaluate(qrels, bmae::fuse_runs(pointers(), options), {measure}).means.front();
    }
};

BOOST_AUTO_TEST_CASE(two_runs_get_the_best_weights_of_the_grid) {
    std::vector<std::pair<FusionOptions, std::string>> const cases{
        {{.method = FusionMethod::weighted}, "ndcg@10"},
        {{.method = FusionMethod::weighted, .normalization = bmae::Normalization::none, .depth = 4}, "ndcg@5"},
        {{.method = FusionMethod::weighted, .normalization = bmae::Normalization::z_score, .depth = 3}, "map"},
        {{.method = FusionMethod::z_score}, "mrr"},
        {{.method = FusionMethod::comb_sum}, "recall@5"},
        {{.method = FusionMethod::comb_mnz}, "bpref"},
        {{.method = FusionMethod::reciprocal_rank}, "ndcg@3"}};
    for (std::uint32_t seed = 0; seed < 4; ++seed) {
        World const world(2, seed);
        for (auto const& [options, measure] : cases) {
            FusionTuning const tuned = tune_fusion(world.pointers(), world.qrels, measure, options, 1 + seed % 2);
            bool const by_ranks = options.method == FusionMethod::reciprocal_rank;
            double best = -1;
            double nearest = 9;
            for (double const k : bmae::tuned_rank_constants) {
                if (!by_ranks && k != 60) { continue; }
                FusionOptions with = options;
                with.k = k;
                for (int step = 0; step <= 20; ++step) {
                    double const mean = world.mean(with, {step / 20., (20 - step) / 20.}, measure);
                    double const distance = std::abs(step - 10) / 20.;
                    if (mean > best + 1e-10) { nearest = 9; }
                    if (mean > best - 1e-10) { nearest = std::min(nearest, distance); }
                    best = std::max(best, mean);
                }
            }
            BOOST_TEST(std::abs(tuned.best.value - best) < 1e-10, to_string(options.method) << ' ' << measure);
            BOOST_TEST(std::abs(tuned.best.weights[0] - .5) <= nearest + 1e-12, to_string(options.method));
            FusionOptions chosen = options;
            chosen.k = tuned.best.constant;
            BOOST_TEST(world.mean(chosen, tuned.best.weights, measure) == tuned.best.value);
            BOOST_TEST(tuned.measure == bmae::evaluate(world.qrels, world.runs[0], {measure}).measures.front());
            BOOST_TEST(tuned.judged_queries == 12U);
            BOOST_TEST(tuned.other_queries == 2U);
        }
    }
}

BOOST_AUTO_TEST_CASE(three_runs_ascend_from_equal_weights) {
    for (std::uint32_t seed = 0; seed < 4; ++seed) {
        World const world(3, seed);
        for (FusionMethod const method : {FusionMethod::weighted, FusionMethod::reciprocal_rank}) {
            FusionOptions const options{.method = method};
            FusionTuning const tuned = tune_fusion(world.pointers(), world.qrels, "ndcg@10", options);
            FusionOptions chosen = options;
            chosen.k = tuned.best.constant;
            BOOST_TEST(world.mean(chosen, tuned.best.weights, "ndcg@10") == tuned.best.value);
            BOOST_TEST(tuned.best.value >= world.mean(options, {1 / 3., 1 / 3., 1 / 3.}, "ndcg@10"));
            double best = -1;
            for (int i = 0; i <= 20; ++i) {
                for (int j = 0; i + j <= 20; ++j) {
                    best = std::max(best, world.mean(options, {i / 20., j / 20., (20 - i - j) / 20.}, "ndcg@10"));
                }
            }
            BOOST_TEST(tuned.best.value >= best - .02, best << " by brute force, " << tuned.best.value);
            FusionTuning const again = tune_fusion(world.pointers(), world.qrels, "ndcg@10", options, 1);
            BOOST_TEST(again.best.weights == tuned.best.weights, boost::test_tools::per_element());
            BOOST_TEST(again.best.value == tuned.best.value);
        }
    }
}

BOOST_AUTO_TEST_CASE(runs_alone_are_measured_over_the_same_queries) {
    World const world(3, 7);
    FusionTuning const tuned = tune_fusion(world.pointers(), world.qrels, "ndcg@10", {});
    for (std::size_t r = 0; r < world.runs.size(); ++r) {
        auto const report = bmae::evaluate(world.qrels, world.runs[r], {"ndcg@10"}, {.missing = bmae::MissingQuery::zero});
        // `elsewhere` counts there, which no run has
        double const expected = report.means.front() * static_cast<double>(report.queries.size()) / 12;
        BOOST_TEST(std::abs(tuned.run_means[r] - expected) < 1e-12);
    }
}

BOOST_AUTO_TEST_CASE(what_cannot_be_tuned_is_refused) {
    World const world(2, 1);
    auto const refused = [&](std::string const& measure, FusionOptions const& options, Qrels const& qrels) {
        return test::refusal([&] { tune_fusion(world.pointers(), qrels, measure, options); });
    };
    BOOST_TEST(test::contains(refused("ndcg@10", {.method = FusionMethod::product}, world.qrels), "product, which has none"));
    BOOST_TEST(test::contains(refused("ndcg@10", {.weights = {1, 1}}, world.qrels), "given weights"));
    BOOST_TEST(test::contains(refused("ndcg@10,map", {}, world.qrels), "one measure to tune by"));
    BOOST_TEST(test::contains(refused("ndgc@10", {}, world.qrels), "the name of a measure"));
    BOOST_TEST(test::contains(
        refused("map", {.method = FusionMethod::comb_mnz, .normalization = bmae::Normalization::z_score}, world.qrels),
        "comb-sum"));
    Qrels others;
    others.add("elsewhere", "d1", 1);
    BOOST_TEST(test::contains(refused("ndcg@10", {}, others), "none of their 14 queries among the 1 judged"));
    std::vector<Run const*> const one{&world.runs[0]};
    BOOST_TEST(test::contains(test::refusal([&] { tune_fusion(one, world.qrels, "map", {}); }), "at least two runs"));
    Run const empty;
    std::vector<Run const*> const none{&empty, &empty};
    BOOST_TEST(test::contains(test::refusal([&] { tune_fusion(none, world.qrels, "map", {}); }), "none of their 0 queries"));
    // an empty run beside another adds nothing
    std::vector<Run const*> const beside{&world.runs[0], &empty};
    FusionTuning const tuned = tune_fusion(beside, world.qrels, "ndcg@10", {.method = FusionMethod::weighted});
    BOOST_TEST(tuned.best.value >= tuned.run_means[0]);
    BOOST_TEST(tuned.run_means[1] == 0);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
