// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include <bmae/evaluation/evaluator.hpp>
#include <bmae/retrieval/run_file.hpp>

#include "../retrieval/files.hpp"
#include "../retrieval/run_of.hpp"

BOOST_AUTO_TEST_SUITE(evaluator)

namespace {

using test::run_of;

std::string four_digits(double value) {
    char text[32];
    std::snprintf(text, sizeof text, "%.4f", value);
    return text;
}

/// The lines of an expected trec_eval output whose measure we also have; returns how many were compared.
std::size_t compare_with(std::filesystem::path const& expected, bmae::Report const& report) {
    std::ifstream file(expected);
    std::string measure, query, value;
    std::size_t compared = 0;
    while (file >> measure >> query >> value) {
        for (std::size_t m = 0; m < report.measures.size(); ++m) {
            if (bmae::trec_name(report.measures[m]) != measure) { continue; }
            double const ours = query == "all" ? report.means[m] : report.value(query, report.measures[m]);
            BOOST_TEST(four_digits(ours) == value, measure << ' ' << query << ": expected " << value << ", got " << ours);
            ++compared;
        }
    }
    return compared;
}

std::vector<std::string> const trec_measures = {
    "map,recip_rank,Rprec,bpref,ndcg,P_5,P_10,P_15,P_20,P_30,P_100,P_200,P_500,P_1000",
    "recall_5,recall_10,recall_15,recall_20,recall_30,recall_100,recall_200,recall_500,recall_1000",
    "ndcg_cut_5,ndcg_cut_10,ndcg_cut_15,ndcg_cut_20,ndcg_cut_30,ndcg_cut_100,ndcg_cut_200,ndcg_cut_500,ndcg_cut_1000",
    "map_cut_5,map_cut_10,map_cut_100,map_cut_1000,success_1,success_5,success_10,p,recall"};

}  // namespace

BOOST_AUTO_TEST_CASE(expected_outputs_of_trec_eval) {
    auto const folder = test::data("trec_eval_fixtures");
    if (folder.empty()) { return; }
    auto const qrels = bmae::read_qrels(folder / "qrels.test");
    auto const whole = bmae::evaluate(qrels, bmae::read_run(folder / "results.test"), trec_measures);
    BOOST_TEST(compare_with(folder / "out.test.a", whole) >= 30U);
    BOOST_TEST(compare_with(folder / "out.test.aq", whole) >= 120U);
    BOOST_TEST(whole.retrieved == 1500U);
    BOOST_TEST(whole.relevant == 561U);
    BOOST_TEST(whole.relevant_retrieved == 131U);
    auto const shortened =
        bmae::evaluate(qrels, bmae::read_run(folder / "results.trunc"), trec_measures, {.missing = bmae::MissingQuery::zero});
    BOOST_TEST(compare_with(folder / "out.test.aqc", shortened) >= 120U);
    auto const commented = bmae::read_qrels(folder / "qrels.test.with-comments", {.comments = true});
    BOOST_TEST(bmae::evaluate(commented, bmae::read_run(folder / "results.test"), trec_measures).means == whole.means);
    std::string const text = whole.trec_text(true);
    BOOST_TEST(test::contains(text, "map                   \t301\t0.0324\n"));
    BOOST_TEST(test::contains(text, "num_rel_ret           \tall\t131\n"));
}

BOOST_AUTO_TEST_CASE(published_figures_of_deep_learning_2019) {
    auto const folder = test::data("trec_dl19");
    if (folder.empty()) { return; }
    auto const qrels = bmae::read_qrels(folder / "qrels.dl19-passage.txt");
    auto const run = bmae::read_run(folder / "run.trec2019-bm25.res.gz");
    auto const report =
        bmae::evaluate(qrels, run, {.relevance_level = 2}, bmae::AveragePrecision{}, bmae::Ndcg{10}, bmae::Recall{1000});
    BOOST_TEST(four_digits(report["map"]) == "0.2903");
    BOOST_TEST(four_digits(report["ndcg@10"]) == "0.4973");
    BOOST_TEST(four_digits(report["recall@1000"]) == "0.7450");
}

BOOST_AUTO_TEST_CASE(published_table_of_covid_round_1) {
    auto const folder = test::data("trec_covid_round1");
    if (folder.empty()) { return; }
    auto const qrels = bmae::read_qrels(folder / "qrels.covid-round1.txt");
    std::ifstream table(folder / "leaderboard.csv");
    std::string line;
    std::size_t compared = 0;
    while (std::getline(table, line)) {
        std::vector<std::string> cells;
        std::istringstream stream(line);
        for (std::string cell; std::getline(stream, cell, ',');) { cells.push_back(cell); }
        auto const path = folder / "runs" / (cells[0] + ".gz");
        if (cells.size() < 11 || !std::filesystem::exists(path)) { continue; }
        auto const report = bmae::evaluate(qrels, bmae::read_run(path), {"ndcg@10", "p@5", "bpref", "map"});
        BOOST_TEST(four_digits(report["ndcg@10"]) == cells[6], cells[0]);
        BOOST_TEST(four_digits(report["p@5"]) == cells[7], cells[0]);
        BOOST_TEST(four_digits(report["bpref"]) == cells[9], cells[0]);
        BOOST_TEST(four_digits(report["map"]) == cells[10], cells[0]);
        ++compared;
    }
    BOOST_TEST(compared == 6U);
}

BOOST_AUTO_TEST_CASE(profiles_break_ties_by_their_own_rules) {
    auto const run = run_of({{"b", 1.0F}, {"c", 1.0F}, {"a", 1.0F}});
    bmae::Qrels qrels;
    qrels.add("q", "b", 1);
    auto const rank = [&](bmae::Profile const& profile) {
        return 1 / bmae::evaluate(qrels, run, {.profile = profile}, bmae::Mrr{10})["mrr@10"];
    };
    BOOST_TEST(rank(bmae::profiles::trec9) == 2);   // c b a
    BOOST_TEST(rank(bmae::profiles::mteb) == 2);
    BOOST_TEST(rank(bmae::profiles::sentence_transformers) == 2);   // a b c
    BOOST_TEST(rank(bmae::profiles::beir) == 1);                    // b c a
    BOOST_TEST(rank(bmae::profiles::msmarco) == 1);
    auto const report = bmae::evaluate(qrels, run, bmae::Mrr{2});
    BOOST_TEST(report.tied_hits == 2U);
    BOOST_TEST(report.tied_queries == 1U);
}

BOOST_AUTO_TEST_CASE(pitfall_25_float32_makes_ties_that_doubles_do_not) {
    test::Folder folder;
    auto const run = bmae::read_run(folder.file("run", "q Q0 a 1 0.30000001 x\nq Q0 b 2 0.30000000 x\n"));
    bmae::Qrels qrels;
    qrels.add("q", "a", 1);
    BOOST_TEST(bmae::evaluate(qrels, run, {.profile = bmae::profiles::trec9}, bmae::Mrr{})["mrr"] == 0.5);
    BOOST_TEST(bmae::evaluate(qrels, run, {.profile = bmae::profiles::trec10}, bmae::Mrr{})["mrr"] == 1.0);
}

BOOST_AUTO_TEST_CASE(pitfall_26_missing_queries_are_counted_as_asked_and_named) {
    auto const run = run_of({{"a", 1.0F}});
    bmae::Qrels qrels;
    qrels.add("q", "a", 1);
    qrels.add("lost", "a", 1);
    auto const zero = bmae::evaluate(qrels, run, {.missing = bmae::MissingQuery::zero}, bmae::Mrr{});
    BOOST_TEST(zero["mrr"] == 0.5);
    BOOST_TEST(test::contains(zero.summary(), "1 missing in the run and counted as 0"));
    BOOST_TEST(zero.missing_queries == 1U);
    BOOST_TEST(zero.value("lost", "mrr") == 0.0);
    BOOST_TEST(zero.left_out_queries == 0U);
    auto const plain = bmae::evaluate(qrels, run, bmae::Mrr{});   // as trec_eval without flags
    BOOST_TEST(plain["mrr"] == 1.0);
    BOOST_TEST(plain.left_out_queries == 1U);
    BOOST_TEST(test::contains(plain.summary(), "1 missing in the run and left out"));
    for (bmae::Profile const& profile : bmae::profiles::all) {   // each as its tool without settings
        if (profile.name == "ranx") { continue; }
        bool const counts = profile.name == "beir" || profile.name == "msmarco" || profile.name == "sentence-transformers";
        BOOST_TEST(bmae::evaluate(qrels, run, {.profile = profile}, bmae::Mrr{})["mrr"] == (counts ? 0.5 : 1.0), profile.name);
    }
    BOOST_TEST(test::contains(test::refusal([&] { bmae::evaluate(qrels, run, {.profile = bmae::profiles::ranx}, bmae::Mrr{}); }),
                              "lost"));
    BOOST_TEST(bmae::evaluate(qrels, run, {.profile = bmae::profiles::beir}, bmae::Mrr{}, bmae::Recall{5})["mrr"] == 0.5);
    BOOST_TEST(bmae::evaluate(qrels, run, {.profile = bmae::profiles::beir}, bmae::Mrr{}, bmae::Recall{5})["recall@5"] == 1.0);
    BOOST_TEST(test::contains(
        test::refusal([&] { bmae::evaluate(qrels, run, {.missing = bmae::MissingQuery::error}, bmae::Mrr{}); }), "lost"));
    auto const stranger = run_of({{"a", 1.0F}}, "other");
    BOOST_TEST(test::contains(test::refusal([&] { bmae::evaluate(qrels, stranger, bmae::Mrr{}); }), "none of its 1 queries"));
}

BOOST_AUTO_TEST_CASE(beir_leaves_out_the_query_itself) {
    auto const run = run_of({{"q", 2.0F}, {"a", 1.0F}});
    bmae::Qrels qrels;
    qrels.add("q", "a", 1);
    auto const report = bmae::evaluate(qrels, run, {.profile = bmae::profiles::beir}, bmae::Ndcg{10});
    BOOST_TEST(report["ndcg@10"] == 1.0);
    BOOST_TEST(report.own_hits == 1U);
    BOOST_TEST(report.own_queries == 1U);
    BOOST_TEST(test::contains(report.summary(), "1 hits whose id is their query's dropped, in 1 queries"));
    auto const kept = bmae::evaluate(qrels, run, bmae::Mrr{});
    BOOST_TEST(kept["mrr"] == 0.5);
    BOOST_TEST(kept.own_hits == 0U);
    BOOST_TEST(!test::contains(kept.summary(), "dropped"));
}

BOOST_AUTO_TEST_CASE(grades_below_zero_are_unjudged_and_hopeless_queries_count) {
    auto const run = run_of({{"a", 3.0F}, {"b", 2.0F}, {"c", 1.0F}});
    bmae::Qrels qrels;
    qrels.add("q", "a", -2);
    qrels.add("q", "b", 0);
    qrels.add("r", "b", 0);
    auto const report = bmae::evaluate(qrels, run, bmae::Ndcg{10}, bmae::Mrr{});
    BOOST_TEST(report["ndcg@10"] == 0.0);
    BOOST_TEST(report.queries_without_relevant == 2U);
    BOOST_TEST(report.unjudged_share == 2.0 / 3, boost::test_tools::tolerance(1e-12));
    BOOST_TEST(report.left_out_queries == 1U);   // r
    BOOST_TEST(bmae::evaluate(qrels, run, {.profile = bmae::profiles::sentence_transformers}, bmae::Mrr{}).queries.empty());
    BOOST_TEST(test::contains(test::refusal([&] { return report["ndcg@5"]; }), "It holds: ndcg@10, mrr."));
}

BOOST_AUTO_TEST_CASE(measures_keep_the_names_that_were_asked_for) {
    auto const run = run_of({{"a", 1.0F}});
    bmae::Qrels qrels;
    qrels.add("q", "a", 1);
    auto const report = bmae::evaluate(qrels, run, {"ndcg_cut_10,P_5,mrr@10"});
    BOOST_TEST((report.labels == std::vector<std::string>{"ndcg_cut_10", "P_5", "mrr@10"}));
    BOOST_TEST((report.measures == std::vector<std::string>{"ndcg@10", "p@5", "mrr@10"}));
    BOOST_TEST(report["P_5"] == report["p@5"]);
}

BOOST_AUTO_TEST_CASE(ranx_cuts_gains_below_the_level_and_has_an_order_of_its_own) {
    std::vector<std::pair<std::string, float>> hits;
    for (int i = 0; i < 40; ++i) { hits.emplace_back("d" + std::to_string(i), static_cast<float>(i % 2)); }
    auto const run = run_of(hits);
    bmae::Qrels qrels;
    qrels.add("q", "d1", 1);
    qrels.add("q", "d3", 2);
    auto const measure = [&](bmae::Profile const& profile) {
        return bmae::evaluate(qrels, run, {.profile = profile, .relevance_level = 2}, bmae::Ndcg{40})["ndcg@40"];
    };
    // With level 2 the grade of d1 is no gain; trec_eval counts it.
    BOOST_TEST(measure(bmae::profiles::trec10) != measure(bmae::profiles::ranx));
    bmae::detail::Ranking ranking;
    bmae::detail::GradeTable grades;
    grades.assign(*run.documents(), qrels, qrels.judgments(0));
    ranking.assign(bmae::detail::RunHits(run, 0, grades), true, bmae::TieOrder::ranx, hits.size());
    std::vector<double> scores;
    for (auto const& hit : ranking.hits()) { scores.push_back(hit.score); }
    BOOST_TEST(std::is_sorted(scores.rbegin(), scores.rend()));
    BOOST_TEST(scores.size() == 40U);
}

BOOST_AUTO_TEST_CASE(threads_do_not_change_the_report) {
    auto const folder = test::data("trec_dl19");
    if (folder.empty()) { return; }
    auto const qrels = bmae::read_qrels(folder / "qrels.dl19-passage.txt");
    auto const run = bmae::read_run(folder / "run.trec2019-bm25.res.gz");
    auto const one = bmae::evaluate(qrels, run, trec_measures, {.threads = 1});
    auto const four = bmae::evaluate(qrels, run, trec_measures, {.threads = 4});
    BOOST_TEST(one.values == four.values);
    BOOST_TEST(one.means == four.means);
    BOOST_TEST(one.summary() == four.summary());
}

BOOST_AUTO_TEST_CASE(unknown_profiles_list_the_known_ones) {
    BOOST_TEST(bmae::profile_from_name("msmarco").name == "msmarco");
    BOOST_TEST(test::contains(test::refusal([] { bmae::profile_from_name("trec"); }),
                              "trec9, trec10, pytrec_eval, beir, mteb, msmarco, sentence-transformers, ranx"));
}

BOOST_AUTO_TEST_SUITE_END()
