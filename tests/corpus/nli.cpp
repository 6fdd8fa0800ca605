// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Tests include/bmae/corpus/{nli,csv}.hpp: pairs and triplets of natural-language inference.
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include <boost/test/unit_test.hpp>

#include <bmae/corpus/nli.hpp>

#include <corpus/scratch.hpp>
#include <corpus/summary.hpp>

BOOST_AUTO_TEST_SUITE(nli)

namespace {

using namespace bmae;
using test::says;
using test::skipping;
using Texts = std::vector<std::string>;

std::string row(std::string const& label, std::string const& premise, std::string const& hypothesis) {
    return R"({"annotator_labels": ["x"], "gold_label": ")" + label + R"(", "pairID": "1", "sentence1": ")" + premise +
           R"(", "sentence2": ")" + hypothesis + "\"}\n";
}

/// Each record as premise, entailment and, in a triplet, contradiction.
std::vector<Texts> rows_of(NliReader& reader) {
    std::vector<Texts> rows;
    for (Record record; reader.next(record);) {
        Texts& texts = rows.emplace_back(Texts{record.text});
        texts.insert(texts.end(), record.queries.begin(), record.queries.end());
    }
    Record more;
    BOOST_TEST(!reader.next(more));
    return rows;
}

void equal(std::vector<Texts> const& found, std::vector<Texts> const& expected) {
    BOOST_TEST_REQUIRE(found.size() == expected.size());
    for (std::size_t i = 0; i < found.size(); ++i) { BOOST_TEST(found[i] == expected[i], boost::test_tools::per_element()); }
}

void refused(std::string const& name, std::string const& content, auto... parts) {
    test::Scratch const scratch;
    NliReader reader(scratch.file(name, content));
    Record record;
    BOOST_CHECK_EXCEPTION(while (reader.next(record)){}, InputError, says(name.c_str(), parts...));
}

}  // namespace

BOOST_AUTO_TEST_CASE(entailments_meet_contradictions_of_their_premise) {
    test::Scratch const scratch;
    std::vector<std::filesystem::path> const files{
        scratch.file("snli.jsonl", row("entailment", "A", "A follows") + row("neutral", "A", "A perhaps") +
                                       row("contradiction", "A", "not A") + "\n" + row("-", "A", "unsure") +
                                       row("contradiction", "B", "not B") + row("-", "C", "unsure")),
        scratch.file("mnli.jsonl.gz", row("entailment", "D", "D follows") + row("entailment", "A", "A follows too") +
                                          row("entailment", "D", "D as well") + row("contradiction", "D", "not D"))};
    NliReader reader(files);
    std::vector<Record> records;
    for (Record record; reader.next(record);) { records.push_back(std::move(record)); }
    BOOST_TEST_REQUIRE(records.size() == 4U);
    NliReader again(files);
    equal(rows_of(again), {{"A", "A follows", "not A"}, {"A", "A follows too"}, {"D", "D follows", "not D"}, {"D", "D as well"}});
    BOOST_TEST(records[0].id == files[0].string() + ":1");
    BOOST_TEST(records[1].id == files[1].string() + ":2");   // of the entailment
    BOOST_TEST(*records[1].file == files[1]);
    BOOST_TEST(records[1].line == 2U);
    ReadReport const& report = reader.report();
    BOOST_TEST(report.records == 4U);
    BOOST_TEST(report.skipped == 0U);
    BOOST_TEST(report.left_out.at("lines without a gold label") == 2U);
    BOOST_TEST(report.left_out.at("neutral lines") == 1U);
    BOOST_TEST(report.left_out.at("premises without an entailment") == 1U);
}

BOOST_AUTO_TEST_CASE(tables_are_read_as_csv) {
    test::Scratch const scratch;
    NliReader triplets(scratch.file("nli.csv",
                                    "sent0,sent1,hard_neg\r\n"
                                    "plain,follows,not so\r\n"
                                    "\"one, two\",\"he said \"\"yes\"\"\",\"a\r\nb\"\r\n"
                                    "\r\n"
                                    "it's 5\" wide,wide,\r\n"));
    equal(rows_of(triplets),
          {{"plain", "follows", "not so"}, {"one, two", "he said \"yes\"", "a\nb"}, {"it's 5\" wide", "wide"}});
    NliReader pairs(scratch.file("pairs.csv", "sent0,sent1\na,\"b\"\n"));
    equal(rows_of(pairs), {{"a", "b"}});
    NliReader empty(scratch.file("empty.csv", "sent0,sent1,hard_neg\n"));
    equal(rows_of(empty), {});
}

BOOST_AUTO_TEST_CASE(malformed_lines_are_refused_with_their_place) {
    std::string const good = row("entailment", "A", "B");
    refused("cut.jsonl", good + "{\"gold_label\": \"ent", "cut.jsonl:2", "a JSON object");
    refused("key.jsonl", good + "{\"gold_label\": \"neutral\", \"sentence1\": \"A\"}\n", ":2", "a string as sentence2",
            "no such key");
    refused("type.jsonl", "{\"gold_label\": 1, \"sentence1\": \"A\", \"sentence2\": \"B\"}\n", ":1", "a JSON number");
    refused("label.jsonl", good + row("maybe", "A", "B"), ":2", "entailment, neutral, contradiction or -", "'maybe'");
    refused("blank.jsonl", row("contradiction", " ", "B"), ":1", "two sentences");
    refused("header.csv", "a,b,c\n1,2,3\n", ":1", "sent0,sent1,hard_neg", "'a,b,c'");
    refused("columns.csv", "sent0,sent1,hard_neg\na,b,c\na,b\n", ":3", "3 columns", "found 2");
    refused("behind.csv", "sent0,sent1,hard_neg\n\"a\"b,c,d\n", ":2", "after a closing quote");
    refused("open.csv", "sent0,sent1,hard_neg\na,b,c\na,\"b\nc,d\n", ":3", "a closing quote", "the end of the file");
    refused("empty.csv", "sent0,sent1,hard_neg\na,,c\n", ":2", "two sentences");
    refused("bytes.jsonl", row("entailment", "A\xff", "B"), ":1", "UTF-8");
}

BOOST_AUTO_TEST_CASE(malformed_lines_can_be_left_out) {
    test::Scratch const scratch;
    NliReader lines(scratch.file("a.jsonl", "{broken\n" + row("maybe", "A", "B") + row("entailment", "A", "B")), skipping);
    equal(rows_of(lines), {{"A", "B"}});
    BOOST_TEST(lines.report().skipped == 2U);
    NliReader table(scratch.file("a.csv", "sent0,sent1,hard_neg\na,b\n\"a\"b,c,d\na,b,c\nd,\"e\nf,g,h\n"), skipping);
    equal(rows_of(table), {{"a", "b", "c"}});
    BOOST_TEST(table.report().skipped == 3U);
}

BOOST_AUTO_TEST_SUITE_END()
