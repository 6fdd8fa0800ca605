// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// torch-free
#include <bmae/retrieval/fusion.hpp>

#include <string>
#include <vector>

#include <boost/test/unit_test.hpp>

#include "files.hpp"
#include "run_of.hpp"

BOOST_AUTO_TEST_SUITE(fusion)

namespace {

using bmae::FusionMethod;
using bmae::Normalization;
using bmae::Run;
using test::run_of;

/// "b 0.500 a 0.250 " of one query.
std::string text_of(Run const& run, std::size_t query = 0) {
    std::string text;
    for (std::size_t i = 0; i < run.hits(query).size(); ++i) {
        char score[32];
        std::snprintf(score, sizeof score, "%.3f", run.exact_scores(query)[i]);
        text += std::string(run.document(run.hits(query)[i].document)) + ' ' + score + ' ';
    }
    return text;
}

struct Three {
    Run first = run_of({{"a", 9}, {"b", 5}, {"c", 1}});
    Run second = run_of({{"c", 0.4F}, {"a", 0.2F}});
    Run third = run_of({{"d", 3}, {"a", 3}});
    Run fused(bmae::FusionOptions const& options) const {
        std::vector<Run const*> const runs{&first, &second, &third};
        return bmae::fuse_runs(runs, options);
    }
};

BOOST_AUTO_TEST_CASE(each_method_has_its_sum_and_its_rule_for_a_document_that_a_run_lacks) {
    Three const runs;
    // ranks: a 1 2 2, b 2, c 3 1, d 1 (the order of the run among equal scores)
    BOOST_TEST(text_of(runs.fused({.k = 1})) == "a 1.167 c 0.750 d 0.500 b 0.333 ");
    // min-max: a 1 0 1, b .5, c 0 1, d 1
    BOOST_TEST(text_of(runs.fused({.method = FusionMethod::comb_sum})) == "a 2.000 c 1.000 d 1.000 b 0.500 ");
    BOOST_TEST(text_of(runs.fused({.method = FusionMethod::comb_mnz})) == "a 6.000 c 2.000 d 1.000 b 0.500 ");
    // a run without the document gives it the score of its last hit: 0, 0, 1
    BOOST_TEST(text_of(runs.fused({.method = FusionMethod::weighted, .weights = {.5, .25, .25}})) ==
               "a 0.750 b 0.500 c 0.500 d 0.250 ");
    // z: a 1.225 -1 0, b 0, c -1.225 1, d 0; last hits: -1.225, -1, 0
    BOOST_TEST(text_of(runs.fused({.method = FusionMethod::z_score, .weights = {1, 1, 1}})) ==
               "a 0.225 c -0.225 b -1.000 d -2.225 ");
    BOOST_TEST(text_of(runs.fused({.method = FusionMethod::comb_sum, .normalization = Normalization::none})) ==
               "a 12.200 b 5.000 d 3.000 c 1.400 ");
}

BOOST_AUTO_TEST_CASE(weights_depth_ties_and_queries_of_one_run_alone) {
    Three const runs;
    BOOST_TEST(text_of(runs.fused({.method = FusionMethod::comb_sum, .weights = {0, 0, 2}, .depth = 2})) == "a 2.000 d 2.000 ");
    Run const one = run_of({{"b", 1}, {"a", 1}});
    Run const other = run_of({{"a", 1}}, "r");
    std::vector<Run const*> const two{&one, &other};
    Run const fused = bmae::fuse_runs(two);
    BOOST_REQUIRE(fused.size() == 2U);
    BOOST_TEST(fused.query(1) == "r");
    BOOST_TEST(text_of(fused, 0) == "b 0.016 a 0.016 ");   // ranks 1 and 2: as the run orders them
    BOOST_TEST(text_of(fused, 1) == "a 0.016 ");
    BOOST_TEST(fused.hits(0)[0].score == static_cast<float>(fused.exact_scores(0)[0]));
}

BOOST_AUTO_TEST_CASE(a_product_has_the_documents_of_all_runs_alone) {
    Three const runs;
    BOOST_TEST(text_of(runs.fused({.method = FusionMethod::product})) == "a 5.400 ");   // 9 x .2 x 3
    std::vector<Run const*> const two{&runs.first, &runs.second};
    BOOST_TEST(text_of(bmae::fuse_runs(two, {.method = FusionMethod::product})) == "a 1.800 c 0.400 ");
    // min-max: a 1 and 0, c 0 and 1
    BOOST_TEST(text_of(bmae::fuse_runs(two, {.method = FusionMethod::product, .normalization = Normalization::min_max})) ==
               "a 0.000 c 0.000 ");
    Run const cosines = run_of({{"a", .5F}, {"b", -.25F}});
    Run const distances = run_of({{"a", -1}, {"b", -2}});
    std::vector<Run const*> const one_sign{&runs.first, &cosines};
    BOOST_TEST(text_of(bmae::fuse_runs(one_sign, {.method = FusionMethod::product})) == "a 4.500 b -1.250 ");
    std::vector<Run const*> const both{&distances, &cosines};
    BOOST_TEST(test::contains(test::refusal([&] { bmae::fuse_runs(both, {.method = FusionMethod::product}); }), "below 0"));
    BOOST_TEST(test::contains(test::refusal([&] { runs.fused({.method = FusionMethod::product, .weights = {1, 1, 1}}); }),
                              "no weights with product"));
    BOOST_TEST(test::contains(
        test::refusal([&] { runs.fused({.method = FusionMethod::product, .normalization = Normalization::z_score}); }),
        "multiplies"));
    Run const elsewhere = run_of({{"a", 1}}, "r");
    std::vector<Run const*> const apart{&runs.first, &elsewhere};
    Run const none = bmae::fuse_runs(apart, {.method = FusionMethod::product});
    BOOST_TEST(none.size() == 2U);
    BOOST_TEST(none.hit_count() == 0U);
}

BOOST_AUTO_TEST_CASE(what_cannot_be_fused_is_refused) {
    Three const runs;
    std::vector<Run const*> const one{&runs.first};
    BOOST_TEST(test::contains(test::refusal([&] { bmae::fuse_runs(one); }), "at least two runs"));
    BOOST_TEST(test::contains(test::refusal([&] { runs.fused({.weights = {1, 1}}); }), "each of the 3 runs"));
    BOOST_TEST(test::contains(test::refusal([&] { runs.fused({.weights = {1, -1, 1}}); }), "weights of 0 or more"));
    BOOST_TEST(test::contains(test::refusal([&] { runs.fused({.weights = {0, 0, 0}}); }), "a weight above 0"));
    BOOST_TEST(test::contains(
        test::refusal([&] { runs.fused({.method = FusionMethod::comb_mnz, .normalization = Normalization::z_score}); }),
        "comb-sum"));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
