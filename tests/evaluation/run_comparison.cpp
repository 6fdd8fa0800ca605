// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// Paired tests by hand (against scipy in tests/parity/metrics_parity.py), corrections, and tables of runs.
#include <boost/test/unit_test.hpp>

#include <cmath>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <bmae/evaluation/run_comparison.hpp>
#include <bmae/evaluation/significance.hpp>

#include "../retrieval/files.hpp"

BOOST_AUTO_TEST_SUITE(run_comparison)

namespace {

using Numbers = std::vector<double>;
using bmae::Correction;
using bmae::PairedTest;

bmae::NamedReport report_of(std::string name, std::vector<std::string> queries, Numbers values) {
    bmae::Report report{
        .profile = "trec9", .measures = {"ndcg@10"}, .labels = {"ndcg_cut_10"}, .queries = std::move(queries), .values = values};
    double total = 0;
    for (double const value : values) { total += value; }
    report.means = {total / static_cast<double>(values.size())};
    return {std::move(name), std::move(report)};
}

}  // namespace

BOOST_AUTO_TEST_CASE(paired_tests) {
    auto const near = boost::test_tools::tolerance(1e-12);
    // t = 2 with one degree of freedom: 1 - 2 atan(2) / pi
    BOOST_TEST(*bmae::paired_test(Numbers{0, 0}, Numbers{1, 3}).p == 1 - 2 * std::atan(2.) / std::acos(-1.), near);
    auto const result = bmae::paired_test(Numbers{1, 2, 3, 0}, Numbers{2, 1, 3, 5});
    BOOST_TEST(result.difference == 1.25);
    BOOST_TEST(result.wins == 2U);
    BOOST_TEST(result.ties == 1U);
    BOOST_TEST(result.losses == 1U);
    // differences 1, 2, 4: of the eight signs two give a sum of 7 in absolute value
    BOOST_TEST(*bmae::paired_test(Numbers{0, 0, 0}, Numbers{1, 2, 4}, {.test = PairedTest::randomization}).p == .25);
    Numbers zeros(40), ones(40);
    for (std::size_t i = 0; i < 40; ++i) { ones[i] = i < 30 ? 1 : -1; }
    for (PairedTest const test : {PairedTest::randomization, PairedTest::bootstrap}) {
        auto const p = [&](std::uint64_t seed, unsigned threads) {
            return *bmae::paired_test(zeros, ones, {.test = test, .resamples = 2000, .seed = seed, .threads = threads}).p;
        };
        BOOST_TEST(p(1, 1) == p(1, 3));
        BOOST_TEST(p(1, 1) < .02);
        BOOST_TEST(p(1, 1) >= 1. / 2001);
    }
}

BOOST_AUTO_TEST_CASE(what_is_undefined_has_no_p) {
    BOOST_TEST(!bmae::paired_test(Numbers{}, Numbers{}).p);
    BOOST_TEST(!bmae::paired_test(Numbers{1}, Numbers{2}).p);
    BOOST_TEST(!bmae::paired_test(Numbers{1, 2}, Numbers{1, 2}).p);
    BOOST_TEST(*bmae::paired_test(Numbers{1, 2}, Numbers{2, 3}).p == 0);   // one difference for all: as scipy
    BOOST_CHECK_THROW(bmae::paired_test(Numbers{1}, Numbers{1, 2}), bmae::InputError);
    BOOST_CHECK_THROW(bmae::paired_test(Numbers{1, 2}, Numbers{1, std::numeric_limits<double>::quiet_NaN()}), bmae::InputError);
    BOOST_CHECK_THROW(bmae::paired_test(Numbers{1, 2}, Numbers{1, 3}, {.resamples = 0}), bmae::InputError);
}

BOOST_AUTO_TEST_CASE(corrections) {
    std::vector<std::optional<double>> const p = {.04, std::nullopt, .01, .03};
    auto const near = boost::test_tools::tolerance(1e-15);
    auto const holm = bmae::corrected(p, Correction::holm);
    BOOST_TEST(*holm[2] == .03, near);
    BOOST_TEST(*holm[3] == .06, near);
    BOOST_TEST(*holm[0] == .06, near);   // not below the one before
    BOOST_TEST(!holm[1]);
    BOOST_TEST(*bmae::corrected(p, Correction::bonferroni)[0] == .12, near);
    BOOST_TEST(*bmae::corrected({.6, .7}, Correction::bonferroni)[0] == 1);
    BOOST_TEST(*bmae::corrected(p, Correction::none)[0] == .04);
}

BOOST_AUTO_TEST_CASE(tables_of_runs) {
    std::vector<bmae::NamedReport> const runs = {report_of("bm25_1", {"q1", "q2", "q3"}, {.1, .2, .3}),
                                                 report_of("a|b,c", {"q1", "q2", "q4"}, {.9, .8, .5})};
    auto const comparisons = bmae::compare_runs(runs);
    BOOST_TEST(comparisons.size() == 1U);
    BOOST_TEST(comparisons[0].queries == 2U);   // q1 and q2
    BOOST_TEST(comparisons[0].result.wins == 2U);
    BOOST_TEST(*comparisons[0].corrected == *comparisons[0].result.p);
    using bmae::TableFormat;
    BOOST_TEST(bmae::table_of_runs(runs, comparisons, TableFormat::csv) == "run,ndcg_cut_10\nbm25_1,0.2000\n\"a|b,c\",0.7333\n");
    BOOST_TEST(bmae::table_of_runs(runs, comparisons, TableFormat::text, .2) ==
               "   run     ndcg_cut_10\na  bm25_1  0.2000\nb  a|b,c   0.7333 a\n");
    BOOST_TEST(bmae::table_of_runs(runs, comparisons, TableFormat::markdown, .2) ==
               "|  | run | ndcg_cut_10 |\n|---|---|---|\n| a | bm25_1 | 0.2000 |\n| b | a\\|b,c | 0.7333<sup>a</sup> |\n");
    BOOST_TEST(bmae::table_of_runs(runs, comparisons, TableFormat::latex, .2) ==
               "\\begin{tabular}{lll}\n\\hline\n & run & ndcg\\_cut\\_10 \\\\\n\\hline\na & bm25\\_1 & 0.2000 \\\\\nb & a|b,c & "
               "0.7333$^{a}$ \\\\\n\\hline\n\\end{tabular}\n");
    BOOST_TEST(bmae::values_of_queries(runs) ==
               "query\tmeasure\tbm25_1\ta|b,c\nq1\tndcg_cut_10\t0.100000\t0.900000\nq2\tndcg_cut_10\t0.200000\t0.800000\n");
    auto other = runs;
    other[1].report.measures = {"map"};
    BOOST_CHECK_THROW(bmae::compare_runs(other), bmae::InputError);
}

BOOST_AUTO_TEST_SUITE_END()
