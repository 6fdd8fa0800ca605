// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
#include <bmae/corpus/beir.hpp>

#include <string>
#include <vector>

#include <boost/test/unit_test.hpp>

#include <corpus/scratch.hpp>

BOOST_AUTO_TEST_SUITE(beir)

namespace {

namespace fs = std::filesystem;
using bmae::InputError;
using bmae::JudgmentLayout;
using test::says;

/// query document grade of each pair.
std::vector<std::string> pairs_of(bmae::JudgedPairs const& judged) {
    std::vector<std::string> found;
    for (bmae::JudgedPair const& pair : judged.pairs) {
        found.push_back(pair.query_id + ' ' + pair.document_id + ' ' + std::to_string(pair.grade));
    }
    return found;
}

/// The least that a set of judgments must be able to do.
struct PairCounter {
    void add(std::string_view, std::string_view, std::int32_t grade) { sum += grade; }
    int sum = 0;
};

void write_collection(test::Scratch const& scratch) {
    scratch.file("corpus.jsonl.gz", R"({"_id": "d1", "title": "T", "text": " one "})"
                                    "\n"
                                    R"({"_id": "d2", "text": "two"})");
    scratch.file("queries.jsonl", R"({"_id": 1, "text": "q one"})"
                                  "\n"
                                  R"({"_id": "2", "text": "q two"})"
                                  "\n"
                                  R"({"_id": "3", "text": "unjudged"})");
    scratch.file("qrels/test.tsv", "query-id\tcorpus-id\tscore\n2\td2\t1\n1\td1\t2\n1\td9\t0\n");
}

}  // namespace

BOOST_AUTO_TEST_CASE(a_small_collection) {
    test::Scratch const scratch;
    write_collection(scratch);
    auto const collection = bmae::BeirCollection::open(scratch.path());
    BOOST_TEST(collection.ids() == (std::vector<std::string>{"d1", "d2"}), boost::test_tools::per_element());
    BOOST_TEST(collection.texts() == (std::vector<std::string>{"T  one", "two"}), boost::test_tools::per_element());
    BOOST_TEST(collection.queries().ids() == (std::vector<std::string>{"1", "2", "3"}), boost::test_tools::per_element());
    BOOST_TEST(collection.queries("test").ids() == (std::vector<std::string>{"1", "2"}), boost::test_tools::per_element());
    bmae::JudgedPairs const judged = collection.judged_pairs("test");
    BOOST_TEST(pairs_of(judged) == (std::vector<std::string>{"2 d2 1", "1 d1 2", "1 d9 0"}), boost::test_tools::per_element());
    BOOST_TEST(judged.report.warnings == 1U);   // d9 is not in the corpus
    BOOST_TEST(collection.qrels<PairCounter>("test").sum == 3);
    BOOST_CHECK_EXCEPTION(static_cast<void>(collection.judged_pairs("dev")), InputError, says("split 'dev'", "the splits test"));
}

BOOST_AUTO_TEST_CASE(what_can_be_wrong_with_a_folder) {
    test::Scratch const scratch;
    BOOST_CHECK_EXCEPTION(bmae::BeirCollection::open(scratch.path()), InputError, says("corpus.jsonl", "nothing of that name"));
    write_collection(scratch);
    scratch.file("qrels/test.tsv", "query-id\tcorpus-id\tscore\n7\td1\t1\n1\td1\t1\n");
    BOOST_CHECK_EXCEPTION(static_cast<void>(bmae::BeirCollection::open(scratch.path()).judged_pairs("test")), InputError,
                          says("test.tsv:2", "query '7', which it lacks"));
    bmae::JudgedPairs const judged =
        bmae::BeirCollection::open(scratch.path(), {.malformed = bmae::MalformedLine::skip}).judged_pairs("test");
    BOOST_TEST(pairs_of(judged) == (std::vector<std::string>{"1 d1 1"}), boost::test_tools::per_element());
    BOOST_TEST(judged.report.skipped == 1U);
    scratch.file("corpus.jsonl", "{}");
    BOOST_CHECK_EXCEPTION(bmae::BeirCollection::open(scratch.path()), InputError, says("a plain and a gzip one"));
    fs::remove(scratch / "corpus.jsonl.gz");
    scratch.file("corpus.jsonl", "");
    BOOST_CHECK_EXCEPTION(bmae::BeirCollection::open(scratch.path()), InputError, says("at least one record"));
    scratch.file("corpus.jsonl", R"({"_id": "a", "text": "1"})"
                                 "\n"
                                 R"({"_id": "a", "text": "2"})");
    BOOST_CHECK_EXCEPTION(bmae::BeirCollection::open(scratch.path()), InputError, says("corpus.jsonl:2", "corpus.jsonl:1"));
}

BOOST_AUTO_TEST_CASE(judgments_of_beir) {
    test::Scratch const scratch;
    auto const read = [&](std::string const& text, bmae::ReadOptions options = {}) {
        return read_judged_pairs(scratch.file("q.tsv", text), JudgmentLayout::beir, options);
    };
    bmae::JudgedPairs const without_header = read("1\td1\t1\r\n2\td2\t0\r\n");
    BOOST_TEST(pairs_of(without_header) == (std::vector<std::string>{"1 d1 1", "2 d2 0"}), boost::test_tools::per_element());
    BOOST_TEST(without_header.report.warnings == 1U);
    BOOST_TEST(without_header.report.messages.front().find("header") != std::string::npos);
    BOOST_TEST(read("query-id\tcorpus-id\tscore\n1\td1\t1\n").report.warnings == 0U);
    BOOST_TEST(pairs_of(read("h\th\th\n\"a\tb\"\t\"say \"\"x\"\"\"\t1\n5\"\td\"x\"\t1\n")) ==
                   (std::vector<std::string>{"a\tb say \"x\" 1", "5\" d\"x\" 1"}),
               boost::test_tools::per_element());
    BOOST_CHECK_EXCEPTION(read("h\th\th\n1\td1\t1\n1\td1\t2\n"), InputError, says("q.tsv:3", "2 here and 1 at line 2"));
    BOOST_TEST(read("h\th\th\n1\td1\t1\n1\td1\t1\n").report.warnings == 1U);
    for (std::string const bad : {"1 d1 1", "1\td1", "1\td1\t1\tx", "1\td1\tyes", "1\td1\t1.5", "1\td1\t", "\td1\t1", "1\t\t1",
                                  "\"1\td1\t1", "1\td1\t99999999999"}) {
        BOOST_CHECK_EXCEPTION(read("h\th\th\n" + bad + "\n2\td\t1\n"), InputError, says("q.tsv:2: expected"));
        bmae::JudgedPairs const kept = read("h\th\th\n" + bad + "\n2\td\t1\n", {.malformed = bmae::MalformedLine::skip});
        BOOST_TEST(kept.pairs.size() == 1U);
        BOOST_TEST(kept.report.skipped == 1U);
    }
    BOOST_CHECK_EXCEPTION(read(""), InputError, says("at least one judgment"));
    BOOST_CHECK_EXCEPTION(read("query-id\tcorpus-id\tscore\n"), InputError, says("at least one judgment"));
}

BOOST_AUTO_TEST_CASE(judgments_of_msmarco) {
    test::Scratch const scratch;
    auto const read = [&](std::string const& text) {
        return read_judged_pairs(scratch.file("q", text), JudgmentLayout::msmarco);
    };
    BOOST_TEST(pairs_of(read("1\t0\t77\t1\n2 0 78 3\n")) == (std::vector<std::string>{"1 77 1", "2 78 3"}),
               boost::test_tools::per_element());
    BOOST_TEST(pairs_of(read("1\t77\n2\t0\n")) == (std::vector<std::string>{"1 77 1", "2 0 1"}),
               boost::test_tools::per_element());
    BOOST_CHECK_EXCEPTION(read("1\t77\t1\n"), InputError, says("q:1", "3 in"));
    if (fs::path const folder = test::data_folder("msmarco"); !folder.empty()) {
        BOOST_TEST(read_judged_pairs(folder / "qrels.msmarco-passage.dev-subset.txt", JudgmentLayout::msmarco).pairs.size() ==
                   7437U);
    }
}

BOOST_AUTO_TEST_CASE(scifact) {
    fs::path const folder = test::data_folder("scifact/beir");
    if (folder.empty()) { return; }
    auto const collection = bmae::BeirCollection::open(folder);
    BOOST_TEST(collection.documents().size() == 5183U);
    BOOST_TEST(collection.queries().size() == 1109U);
    BOOST_TEST(collection.judged_pairs("test").pairs.size() == 339U);
    BOOST_TEST(collection.judged_pairs("train").pairs.size() == 919U);
    BOOST_TEST(collection.queries("test").size() == 300U);
    BOOST_TEST(collection.queries("train").size() == 809U);
    BOOST_TEST(collection.judged_pairs("test").report.warnings == 0U);
}

BOOST_AUTO_TEST_SUITE_END()
