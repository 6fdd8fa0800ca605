// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// alpha-nDCG of judgments by subtopic; random topics are compared with ndeval in tests/parity/metrics_parity.py.
#include <boost/test/unit_test.hpp>

#include <cmath>
#include <string>
#include <vector>

#include <bmae/detail/files.hpp>
#include <bmae/evaluation/diversity.hpp>

#include "../retrieval/files.hpp"
#include "../retrieval/run_of.hpp"
#include "../scratch_folder.hpp"

BOOST_AUTO_TEST_SUITE(diversity)

BOOST_AUTO_TEST_CASE(what_was_said_before_gains_less) {
    using bmae::Subtopics;
    std::vector<Subtopics> const judged = {{0, 1}, {0}, {1}, {2}};
    double const log3 = std::log2(3);
    double const ideal = 2 + 1 / log3 + .5 / 2;   // {0, 1}, {2}, then half of one that was said
    std::vector<Subtopics> const ranked = {{0}, {0, 1}, {}};
    BOOST_TEST(bmae::AlphaNdcg{3}(ranked, judged) == (1 + 1.5 / log3) / ideal, boost::test_tools::tolerance(1e-15));
    std::vector<Subtopics> const twice = {{0}, {0}};
    BOOST_TEST((bmae::AlphaNdcg{.k = 2, .alpha = 1}(twice, judged)) == 1 / (2 + 1 / log3), boost::test_tools::tolerance(1e-15));
    BOOST_TEST((bmae::AlphaNdcg{.k = 2, .alpha = 0}(twice, judged)) == (1 + 1 / log3) / (2 + 1 / log3),
               boost::test_tools::tolerance(1e-15));
    BOOST_TEST(bmae::AlphaNdcg{3}({}, judged) == 0);
    BOOST_TEST(bmae::AlphaNdcg{3}(ranked, {}) == 0);
}

BOOST_AUTO_TEST_CASE(names_are_read_and_written) {
    BOOST_TEST(bmae::alpha_ndcg_from_name("alpha-nDCG@5")->name() == "alpha_ndcg@5");
    BOOST_TEST(bmae::alpha_ndcg_from_name("alpha_ndcg(0.25)@5")->alpha == .25);
    BOOST_TEST(bmae::alpha_ndcg_from_name("alpha_ndcg(0.25)@5")->name() == "alpha_ndcg(0.25)@5");
    BOOST_TEST(!bmae::alpha_ndcg_from_name("ndcg@5"));
    for (char const* const wrong : {"alpha_ndcg", "alpha_ndcg@0", "alpha_ndcg(2)@5", "alpha_ndcg@x"}) {
        BOOST_CHECK_THROW(bmae::alpha_ndcg_from_name(wrong), bmae::InputError);
    }
}

BOOST_AUTO_TEST_CASE(a_run_by_judgments_of_a_file) {
    test::ScratchFolder const scratch;
    bmae::detail::write_file(scratch / "qrels", "q 1 a 1\nq 2 a 1\nq 1 b 2\nq 2 c 0\nlost 1 z 1\n");
    bmae::ReadReport report;
    auto const qrels = bmae::SubtopicQrels::read(scratch / "qrels", {}, report);
    BOOST_TEST(qrels.flat().judgment_count() == 4U);
    auto const run = test::run_of({{"b", 3.0F}, {"a", 2.0F}, {"c", 1.0F}});
    auto const measured = bmae::evaluate_diversity(qrels, run, {{2}, {1}});
    double const log3 = std::log2(3);
    BOOST_TEST(measured["alpha_ndcg@2"] == (1 + 1.5 / log3) / (2 + .5 / log3), boost::test_tools::tolerance(1e-15));
    BOOST_TEST(measured["alpha_ndcg@1"] == .5);
    BOOST_TEST(measured.left_out_queries == 1U);
    BOOST_TEST(bmae::evaluate_diversity(qrels, run, {{1}}, {.missing = bmae::MissingQuery::zero}).means[0] == .25);
    BOOST_TEST((bmae::evaluate_diversity(qrels, run, {{2}}, {.relevance_level = 2}).means[0]) == 1);   // b alone
    auto const refused = [&](char const* text) {
        bmae::detail::write_file(scratch / "qrels", text, bmae::detail::Existing::replace);
        return test::refusal([&] { bmae::SubtopicQrels::read(scratch / "qrels", {}, report); });
    };
    BOOST_TEST(test::contains(refused("q 1 a\n"), "four columns"));
    BOOST_TEST(test::contains(refused("q 1 a x\n"), "four columns"));
    BOOST_TEST(test::contains(refused("q 1 a 1\nq 1 a 0\n"), "one grade"));
    BOOST_TEST(test::contains(refused("\n"), "at least one judgment"));
}

BOOST_AUTO_TEST_SUITE_END()
