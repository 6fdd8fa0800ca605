// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
#include <boost/test/unit_test.hpp>

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include <bmae/retrieval/qrels.hpp>
#include <bmae/retrieval/run.hpp>
#include <bmae/retrieval/run_file.hpp>
#include <bmae/values/draw.hpp>

#include "files.hpp"

using test::contains;
using test::refusal;

BOOST_AUTO_TEST_SUITE(run)

BOOST_AUTO_TEST_CASE(ids_are_numbered_in_order_of_appearance) {
    bmae::IdTable table;
    for (int round = 0; round < 2; ++round) {
        for (std::uint32_t i = 0; i < 5000; ++i) { BOOST_REQUIRE_EQUAL(table.add("document-" + std::to_string(i * 7919)), i); }
    }
    BOOST_TEST(table.size() == 5000U);
    BOOST_TEST(table[3] == "document-" + std::to_string(3 * 7919));
    BOOST_TEST(!table.find("document-1"));
    BOOST_TEST(table.add("") == 5000U);
    BOOST_TEST(*table.find("") == 5000U);
    BOOST_TEST(contains(refusal([] { bmae::IdTable({"a", "b", "a"}); }), "'a' a second time"));
}

BOOST_AUTO_TEST_CASE(scattered_lines_are_gathered) {
    test::Folder folder;
    auto const run =
        bmae::read_run(folder.file("run", "1 Q0 a 1 0.5 x\n2\tQ0\tb\t1\t-2e-1\tx\n1 Q0 c 2 +.25 x more words\n2 Q0 a 9 7 x"));
    BOOST_TEST(run.size() == 2U);
    BOOST_TEST(run.query(1) == "2");
    BOOST_REQUIRE_EQUAL(run.hits(0).size(), 2U);
    BOOST_TEST(run.document(run.hits(0)[1].document) == "c");
    BOOST_TEST(run.hits(0)[1].score == 0.25F);
    BOOST_TEST(run.exact_scores(1)[0] == -0.2);
    BOOST_TEST(*run.find("2") == 1U);
    BOOST_TEST(!run.find("3"));
}

BOOST_AUTO_TEST_CASE(crlf_mark_comments_and_gzip_are_read) {
    test::Folder folder;
    auto const run =
        bmae::read_run(folder.file("run", "\xEF\xBB\xBFq1 Q0 a 1 2 x\r\n# note\r\nq1 Q0 b 2 1 x\r\n"), {.comments = true});
    BOOST_TEST(run.query(0) == "q1");
    BOOST_TEST(run.hit_count() == 2U);
    auto const dl19 = test::data("trec_dl19/run.trec2019-bm25.res.gz");
    if (!dl19.empty()) { BOOST_TEST(bmae::read_run(dl19).hit_count() == 43000U); }
}

BOOST_AUTO_TEST_CASE(malformed_runs_name_the_line) {
    test::Folder folder;
    auto const says = [&](std::string const& content, bmae::RunFileOptions options = {}) {
        return refusal([&] { bmae::read_run(folder.file("run", content), options); });
    };
    std::string const good = "1 Q0 a 1 2.5 x\n";
    BOOST_TEST(contains(says(good + "1 Q0 b 2 2.5\n"), "run:2: expected 6 columns"));
    BOOST_TEST(contains(says(good + "1 Q0 b 2 2.5\n"), "found 5 columns: '1 Q0 b 2 2.5'"));
    for (std::string const score : {"abc", "nan", "NaN", "inf", "-inf", "1e999", "1,5", "1.5x", "0x10", "--1", "1e39"}) {
        BOOST_TEST(contains(says(good + "1 Q0 b 2 " + score + " x\n"),
                            "run:2: expected a finite score in column 5, found '" + score + "'"),
                   score);
    }
    BOOST_TEST(says(good + "1 Q0 b 2 1e-999 x\n").empty());
    BOOST_TEST(
        contains(says(good + "2 Q0 a 1 1 x\n1 Q0 a 2 1 x\n"),
                 "run:3: expected every document once per query, found document 'a' of query '1' again (first on line 1)"));
    BOOST_TEST(contains(says(good + "\n"), "run:2: expected 6 columns 'query Q0 document rank score tag', found an empty line"));
    BOOST_TEST(contains(says(good + "# note\n"), "Set `comments`"));
    BOOST_TEST(contains(says(good + std::string("1 Q0 \0 2 1 x\n", 13)), "run:2"));
    BOOST_TEST(contains(says(""), "found an empty file"));
    BOOST_TEST(contains(says("1 a 0\n", {.format = bmae::RunFormat::msmarco}), "expected a rank from 1 in column 3, found '0'"));
    BOOST_TEST(contains(refusal([&] { bmae::read_run(folder.path("absent")); }), "absent"));
}

BOOST_AUTO_TEST_CASE(three_columns_are_read_as_asked) {
    test::Folder folder;
    auto const path = folder.file("run", "1\ta\t1\n1\tb\t2\n");
    BOOST_TEST(bmae::read_run(path, {.format = bmae::RunFormat::msmarco}).hits(0)[1].score == -2.0F);
    BOOST_TEST(bmae::read_run(path, {.format = bmae::RunFormat::tevatron}).hits(0)[1].score == 2.0F);
}

BOOST_AUTO_TEST_CASE(pitfall_25_scores_come_back_bit_for_bit) {
    test::Folder folder;
    std::vector<std::string> ids;
    std::vector<bmae::Hit> hits;
    bmae::Draw draw({.seed = 3});
    for (std::uint32_t i = 0; i < 20000; ++i) {
        ids.push_back("d" + std::to_string(i));
        float score = std::bit_cast<float>(static_cast<std::uint32_t>(draw()));
        if (i % 2 == 0) { score = static_cast<float>(draw.uniform()); }
        hits.push_back({i, std::isfinite(score) ? score : 0.0F});
    }
    bmae::Run run(std::make_shared<bmae::IdTable>(ids));
    run.add("q", hits);
    run.add("empty", {});
    bmae::write_run(run, folder.path("out"));
    auto const back = bmae::read_run(folder.path("out"));
    BOOST_TEST(back.size() == 1U);   // a TREC run cannot hold a query without hits
    for (std::size_t i = 0; i < hits.size(); ++i) {
        BOOST_REQUIRE_EQUAL(std::bit_cast<std::uint32_t>(back.hits(0)[i].score), std::bit_cast<std::uint32_t>(hits[i].score));
    }
    bmae::write_run(back, folder.path("again"));
    auto const twice = bmae::read_run(folder.path("again"));
    BOOST_TEST(twice.exact_scores(0).back() == back.exact_scores(0).back());
    BOOST_TEST(!refusal([&] { bmae::write_run(run, folder.path("out")); }).empty());   // never over an existing file
}

BOOST_AUTO_TEST_CASE(what_a_file_cannot_hold_is_refused) {
    test::Folder folder;
    bmae::Run run(std::make_shared<bmae::IdTable>(std::vector<std::string>{"a b"}));
    std::vector<bmae::Hit> const hits = {{0, 1.0F}};
    run.add("q", hits);
    BOOST_TEST(contains(refusal([&] { bmae::write_run(run, folder.path("x")); }), "a document id without blanks"));
    BOOST_TEST(!std::filesystem::exists(folder.path("x")));
    BOOST_TEST(contains(refusal([&] { run.add("q", hits); }), "a second time"));
    std::vector<bmae::Hit> const bad = {{0, std::numeric_limits<float>::quiet_NaN()}};
    BOOST_TEST(contains(refusal([&] { run.add("r", bad); }), "nan"));
    std::vector<bmae::Hit> const outside = {{7, 1.0F}};
    BOOST_TEST(contains(refusal([&] { run.add("r", outside); }), "document number 7"));
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(qrels)

BOOST_AUTO_TEST_CASE(four_layouts_give_the_same_judgements) {
    test::Folder folder;
    for (std::string const content :
         {"1 0 a 1\n2 0 b 1\n1 0 c 1\n", "1\ta\n2\tb\n1\tc\n", "query-id\tcorpus-id\tscore\n1\ta\t1\n2\tb\t1\n1\tc\t1\n",
          "1\ta\t1\r\n2\tb\t1\r\n1\tc\t1\r\n"}) {
        auto const qrels = bmae::read_qrels(folder.file("qrels", content));
        BOOST_REQUIRE_EQUAL(qrels.size(), 2U);
        BOOST_TEST(qrels.query(0) == "1");
        BOOST_REQUIRE_EQUAL(qrels.judgements(0).size(), 2U);
        BOOST_TEST(qrels.document(qrels.judgements(0)[1].document) == "c");
        BOOST_TEST(qrels.judgements(0)[1].grade == 1);
    }
    auto const quoted = bmae::read_qrels(folder.file("qrels", "query-id\tcorpus-id\tscore\n1\t\"a \"\"b\"\"\"\t-2\n"));
    BOOST_TEST(quoted.document(0) == "a \"b\"");
    BOOST_TEST(quoted.judgements(0)[0].grade == -2);
    auto const tabbed = bmae::read_qrels(folder.file("qrels", "query-id\tcorpus-id\tscore\n\"a\tb\"\td\"x\"\t1\n"));
    BOOST_TEST(tabbed.query(0) == "a\tb");
    BOOST_TEST(tabbed.document(0) == "d\"x\"");
}

BOOST_AUTO_TEST_CASE(malformed_qrels_name_the_line) {
    test::Folder folder;
    auto const says = [&](std::string const& content, bmae::QrelsFileOptions options = {}) {
        return refusal([&] { bmae::read_qrels(folder.file("qrels", content), options); });
    };
    BOOST_TEST(contains(says("1 0 a 1\n1 0 b\n"), "qrels:2: expected 4 columns, as on the first line, found 3 columns"));
    BOOST_TEST(contains(says("1 0 a x\n"), "qrels:1: expected an integer grade in column 4, found 'x'"));
    BOOST_TEST(contains(says("1 0 a 1.5\n"), "found '1.5'"));
    BOOST_TEST(contains(says("1 0 a 1\n1 0 a 0\n"), "qrels:2: expected every document judged once per query"));
    BOOST_TEST(says("1 0 a 1\n1 0 a 0\n", {.first_of_duplicates = true}).empty());
    BOOST_TEST(contains(says("1\n"), "2, 3 or 4 columns"));
    BOOST_TEST(contains(says("1\td\t1\n\"1\td\t1\n"), "qrels:2: expected a closing quote"));
    BOOST_TEST(contains(says(""), "an empty file"));
    BOOST_TEST(contains(says("query-id\tcorpus-id\tscore\n"), "an empty file"));
    BOOST_TEST(contains(says("# c\n1 0 a 1\n"), "Set `comments`"));
    BOOST_TEST(says("# c\n1 0 a 1\n", {.comments = true}).empty());
}

BOOST_AUTO_TEST_CASE(real_files_have_their_counts) {
    auto const scifact = test::data("scifact/beir/qrels/test.tsv");
    auto const marco = test::data("msmarco/qrels.msmarco-passage.dev-subset.txt");
    if (scifact.empty() || marco.empty()) { return; }
    BOOST_TEST(bmae::read_qrels(scifact).size() == 300U);
    BOOST_TEST(bmae::read_qrels(scifact).judgement_count() == 339U);
    BOOST_TEST(bmae::read_qrels(marco).size() == 6980U);
    BOOST_TEST(bmae::read_qrels(marco).judgement_count() == 7437U);
}

BOOST_AUTO_TEST_SUITE_END()
