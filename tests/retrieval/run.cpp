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
    auto const run = bmae::read_run(folder.file("run", "1 Q0 a 1 0.5 x\n2\tQ0\tb\t1\t-2e-1\tx\n1 Q0 c 2 +.25 x\n2 Q0 a 9 7 x"));
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
    BOOST_TEST(says(good + "\n \n").empty());   // blank lines, as in every other file
    BOOST_TEST(contains(says(good + "# note\n"), "Set `comments`"));
    BOOST_TEST(contains(says(good + std::string("1 Q0 \0 2 1 x\n", 13)), "run:2"));
    BOOST_TEST(contains(says(""), "found an empty file"));
    BOOST_TEST(contains(says(good + "1 Q0 \xff 2 1 x\n"), "run:2: expected UTF-8"));
    BOOST_TEST(contains(says("1 a 0\n", {.format = bmae::RunFormat::msmarco}), "expected a rank from 1 in column 3, found '0'"));
    BOOST_TEST(contains(refusal([&] { bmae::read_run(folder.path("absent")); }), "absent"));
}

BOOST_AUTO_TEST_CASE(shifted_columns_are_refused) {
    test::Folder folder;
    auto const says = [&](std::string const& line) {
        return refusal([&] { bmae::read_run(folder.file("run", "1 Q0 a 1 2.5 x\n" + line + '\n')); });
    };
    BOOST_TEST(contains(says("1 Q0 two words 2 1.5 x"), "found 7 columns"));
    BOOST_TEST(contains(says("1 Q0 doc 7 2 1.5 x"), "found 7 columns"));   // every column could be what it should be
    BOOST_TEST(contains(says("1 Q0 two words 2 1.5"), "run:2: expected a whole number as rank in column 4, found 'words'"));
    BOOST_TEST(contains(says("two words Q0 a 2 1.5"), "expected a whole number as rank in column 4, found 'a'"));
    BOOST_TEST(contains(says("1 Q0 b 2.0 1.5 x"), "found '2.0'"));
    BOOST_TEST(contains(says("1 Q0 b 2 x 1.5"), "expected a finite score in column 5, found 'x'"));
    BOOST_TEST(says("1 Q0 b -1 1.5 x").empty());
}

BOOST_AUTO_TEST_CASE(malformed_lines_are_skipped_and_counted_by_reason) {
    test::Folder folder;
    bmae::ReadReport report;
    auto const run = bmae::read_run(folder.file("run",
                                                "1 Q0 a 1 2.5 x\n1 Q0 b b 2 x y\n2 Q0 c 1 nan x\n1 Q0 a 2 2 x\n1 Q0 d 3 1 x\n"
                                                "2 Q0 a 1 1 x\n2 Q0 b 2 inf x\n"),
                                    {.malformed = bmae::MalformedLine::skip}, report);
    BOOST_TEST(run.size() == 2U);
    BOOST_REQUIRE_EQUAL(run.hits(0).size(), 2U);
    BOOST_TEST(run.document(run.hits(0)[1].document) == "d");
    BOOST_TEST(run.exact_scores(1)[0] == 1);
    BOOST_TEST(report.skipped == 4U);
    BOOST_TEST(report.reasons.at("a finite score in column 5") == 2U);
    BOOST_TEST(report.reasons.at("every document once per query") == 1U);
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
    for (std::string const blank : {"\xc2\xa0", "\xe3\x80\x80", "\xe2\x80\xa8", "\x0b", "\x1c", "\xc2\x85"}) {   // Python's split
        bmae::Run wide(std::make_shared<bmae::IdTable>(std::vector<std::string>{"d"}));
        wide.add("q" + blank + "1", hits);
        BOOST_TEST(contains(refusal([&] { bmae::write_run(wide, folder.path("x")); }), "a query id without blanks"));
    }
    BOOST_TEST(contains(refusal([&] { bmae::write_run(run, folder.path("x"), {.tag = "two words"}); }), "a tag without blanks"));
    BOOST_TEST(contains(refusal([&] { run.add("q", hits); }), "a second time"));
    std::vector<bmae::Hit> const bad = {{0, std::numeric_limits<float>::quiet_NaN()}};
    BOOST_TEST(contains(refusal([&] { run.add("r", bad); }), "nan"));
    std::vector<bmae::Hit> const outside = {{7, 1.0F}};
    BOOST_TEST(contains(refusal([&] { run.add("r", outside); }), "document number 7"));
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(qrels)

BOOST_AUTO_TEST_CASE(four_layouts_give_the_same_judgments) {
    test::Folder folder;
    for (std::string const content :
         {"1 0 a 1\n2 0 b 1\n1 0 c 1\n", "1\ta\n2\tb\n1\tc\n", "query-id\tcorpus-id\tscore\n1\ta\t1\n2\tb\t1\n1\tc\t1\n",
          "1\ta\t1\r\n2\tb\t1\r\n1\tc\t1\r\n"}) {
        auto const qrels = bmae::read_qrels(folder.file("qrels", content));
        BOOST_REQUIRE_EQUAL(qrels.size(), 2U);
        BOOST_TEST(qrels.query(0) == "1");
        BOOST_REQUIRE_EQUAL(qrels.judgments(0).size(), 2U);
        BOOST_TEST(qrels.document(qrels.judgments(0)[1].document) == "c");
        BOOST_TEST(qrels.judgments(0)[1].grade == 1);
    }
    auto const quoted = bmae::read_qrels(folder.file("qrels", "query-id\tcorpus-id\tscore\n1\t\"a \"\"b\"\"\"\t-2\n"));
    BOOST_TEST(quoted.document(0) == "a \"b\"");
    BOOST_TEST(quoted.judgments(0)[0].grade == -2);
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
    BOOST_TEST(contains(says("1 0 a x\n"), "qrels:1: expected an integer as grade in column 4, found 'x'"));
    BOOST_TEST(contains(says("1 0 a 1.5\n"), "found '1.5'"));
    BOOST_TEST(contains(says("1 0 a 1\n1 0 a 0\n"), "qrels:2: expected one grade of a document for a query"));
    BOOST_TEST(says("1 0 a 1\n1 0 a 0\n", {.first_of_duplicates = true}).empty());
    BOOST_TEST(says("1 0 a 1\n1 0 a 1\n\n").empty());   // the same again, and an empty last line
    for (std::string const empty : {"\ta\t1\n", "1\t\t1\n", "1\ta\t1\n\t\t1\n", "1\ta\t1\n\"\"\ta\t1\n"}) {
        BOOST_TEST(contains(says(empty), "expected two ids, found an empty one"), empty);
    }
    BOOST_TEST(says("1 0 a 1\n1 0 b x\n", {.malformed = bmae::MalformedLine::skip}).empty());
    BOOST_TEST(contains(says("1\n"), "2, 3 or 4 columns"));
    BOOST_TEST(contains(says("1\td\t1\n\"1\td\t1\n"), "qrels:2: expected a closing quote"));
    BOOST_TEST(contains(says(""), "at least one judgment"));
    for (std::string const header : {"query-id\tcorpus-id\tscore\n", "query_id\tdoc_id\trelevance\n",
                                     "query_id doc_id relevance\n", "qid\tpid\n", "qid iter pid rel\n"}) {
        BOOST_TEST(contains(says(header), "at least one judgment"), header);
    }
    BOOST_TEST(contains(says("# c\n1 0 a 1\n"), "Set `comments`"));
    BOOST_TEST(says("# c\n1 0 a 1\n", {.comments = true}).empty());
}

BOOST_AUTO_TEST_CASE(real_files_have_their_counts) {
    auto const scifact = test::data("scifact/beir/qrels/test.tsv");
    auto const marco = test::data("msmarco/qrels.msmarco-passage.dev-subset.txt");
    if (scifact.empty() || marco.empty()) { return; }
    BOOST_TEST(bmae::read_qrels(scifact).size() == 300U);
    BOOST_TEST(bmae::read_qrels(scifact).judgment_count() == 339U);
    BOOST_TEST(bmae::read_qrels(marco).size() == 6980U);
    BOOST_TEST(bmae::read_qrels(marco).judgment_count() == 7437U);
}

BOOST_AUTO_TEST_SUITE_END()
