// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// Files of scored pairs, and what is refused in them.
#include <boost/test/unit_test.hpp>

#include <string>
#include <vector>

#include <bmae/corpus/sts_files.hpp>

#include "../retrieval/files.hpp"

BOOST_AUTO_TEST_SUITE(sts_files)

using bmae::StsFormat;

BOOST_AUTO_TEST_CASE(real_files_have_their_published_counts) {
    auto const root = test::data("sts12");
    if (root.empty()) { return; }
    auto const count = [&](char const* file, StsFormat format) {
        return bmae::read_sts_pairs(root.parent_path() / file, format).gold.size();
    };
    BOOST_TEST(count("sts12/STS.input.MSRpar.txt", StsFormat::sts) == 750U);
    BOOST_TEST(count("sts14/STS.input.deft-news.txt", StsFormat::sts) == 300U);
    BOOST_TEST(count("sts_benchmark/senteval/sts-test.csv", StsFormat::stsb) == 1379U);
    BOOST_TEST(count("sts_benchmark/raw/sts-train.csv", StsFormat::stsb) == 5749U);
    BOOST_TEST(count("sick/SICK_test_annotated.txt", StsFormat::sick) == 4927U);
    auto const pairs = bmae::read_sts_pairs(root / "STS.input.MSRpar.txt", StsFormat::sts);
    BOOST_TEST(pairs.name == "STS.input.MSRpar");
    BOOST_TEST(pairs.first.size() == 750U);
    BOOST_TEST(pairs.gold.size() == pairs.second.size());
}

BOOST_AUTO_TEST_CASE(each_format) {
    test::Folder folder;
    folder.file("STS.gs.x.txt", "1.5\r\n\r\n5\n");
    auto const sts = bmae::read_sts_pairs(folder.file("STS.input.x.txt", "a\tb\nc\td\n\"e\tf\n"), StsFormat::sts);
    BOOST_TEST((sts.gold == std::vector<double>{1.5, 5}));
    BOOST_TEST((sts.first == std::vector<std::string>{"a", "\"e"}));
    BOOST_TEST(sts.unscored == 1U);
    auto const tsv = bmae::read_sts_pairs(folder.file("t.tsv", "a\tb\t.5\n"), StsFormat::tsv);
    BOOST_TEST((tsv.gold == std::vector<double>{.5}));
    auto const jsonl = bmae::read_sts_pairs(
        folder.file("t.jsonl", "{\"sentence1\": \"a\", \"sentence2\": \"b\", \"score\": 3, \"id\": 1}\n"), StsFormat::jsonl);
    BOOST_TEST((jsonl.second == std::vector<std::string>{"b"}));
}

BOOST_AUTO_TEST_CASE(malformed_files_are_refused) {
    test::Folder folder;
    auto const refused = [&](std::string const& text, StsFormat format, std::string_view says) {
        auto const path = folder.file("STS.input.bad.txt", text);
        std::string const message = test::refusal([&] { bmae::read_sts_pairs(path, format); });
        BOOST_TEST(test::contains(message, says), message << " for " << text);
    };
    folder.file("STS.gs.bad.txt", "1\n2\n");
    refused("a\tb\n", StsFormat::sts, "as many scores as pairs");
    refused("a\tb\nc\td\ne\tf\n", StsFormat::sts, "more");
    refused("a\nb\tc\n", StsFormat::sts, "1 columns");
    refused("a\t\n", StsFormat::sts, "an empty one");
    refused("a\tb\tnan\n", StsFormat::tsv, "a finite gold score");
    refused("a\tb\tinf\n", StsFormat::tsv, "a finite gold score");
    refused("a\tb\n", StsFormat::tsv, "2");
    refused("a\tb\t1\t2\n", StsFormat::tsv, "4");
    refused("", StsFormat::tsv, "at least one scored pair");
    refused("main\tf\ty\t1\t3.0\ta\n", StsFormat::stsb, "7 columns or more");
    refused("a\tb\tc\n", StsFormat::sick, "a header with sentence_A");
    refused("{\"sentence1\": \"a\"}\n", StsFormat::jsonl, "the number score");
    refused("{\"sentence1\": \"a\", \"score\": 1}\n", StsFormat::jsonl, "the string sentence2");
    refused("[]\n", StsFormat::jsonl, "a JSON object");
    BOOST_TEST(test::contains(test::refusal([&] { bmae::read_sts_pairs(folder.file("x.txt", "a\tb\n"), StsFormat::sts); }),
                              "STS.input.NAME.txt"));
}

BOOST_AUTO_TEST_SUITE_END()
