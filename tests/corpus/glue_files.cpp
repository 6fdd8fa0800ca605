// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
#include <boost/test/unit_test.hpp>

#include <string>

#include <bmae/corpus/glue_files.hpp>

#include "scratch.hpp"

BOOST_AUTO_TEST_SUITE(glue_files)

BOOST_AUTO_TEST_CASE(columns_of_each_task) {
    test::Scratch const scratch;
    for (char const* const part : {"train.tsv", "dev.tsv"}) {
        scratch.file(std::string("CoLA/") + part, "gj04\t1\t\tShe  sings .\ngj04\t0\t*\tSings \"she .\n");
        scratch.file(std::string("MRPC/") + part,
                     "\xef\xbb\xbfQuality\t#1 ID\t#2 ID\t#1 String\t#2 String\r\n1\t7\t8\tOne.\tTwo.\r\n");
        scratch.file(std::string("QQP/") + part, "id\tqid1\tqid2\tquestion1\tquestion2\tis_duplicate\n5\t1\t2\tWho?\tWhat?\t0\n");
        scratch.file(std::string("STS-B/") + part,
                     "index\tgenre\tfilename\tyear\told_index\tsource1\tsource2\tsentence1\tsentence2\tscore\n"
                     "0\tg\tf\ty\t1\tn\tn\tA plane.\tA ship.\t3.800\n");
    }
    auto const cola = bmae::read_glue_task(scratch.path(), "cola");
    BOOST_TEST(cola.train.texts == (std::vector<std::string>{"She sings .", "Sings \"she ."}), boost::test_tools::per_element());
    BOOST_TEST(cola.dev.targets == (std::vector<double>{1, 0}), boost::test_tools::per_element());
    BOOST_TEST(cola.train.seconds.empty());
    auto const mrpc = bmae::read_glue_task(scratch / "MRPC", "mrpc");
    BOOST_TEST(mrpc.train.seconds[0] == "Two.");
    BOOST_TEST(mrpc.train.targets.size() == 1U);
    BOOST_TEST(bmae::read_glue_task(scratch.path(), "qqp").train.texts[0] == "Who?");
    auto const stsb = bmae::read_glue_task(scratch.path(), "stsb");
    BOOST_TEST(stsb.labels == 1U);
    BOOST_TEST(stsb.dev.targets[0] == 3.8);
}

BOOST_AUTO_TEST_CASE(what_is_no_such_task) {
    test::Scratch const scratch;
    auto const refused = [&](std::string_view name, auto... words) {
        BOOST_CHECK_EXCEPTION(bmae::read_glue_task(scratch.path(), name), bmae::InputError, test::says(words...));
    };
    refused("rte", "cola, mrpc, stsb, qqp");
    refused("cola", "train.tsv");
    scratch.file("train.tsv", "a\t1\t\tx\na\t2\t\ty\n");
    scratch.file("dev.tsv", "a\t1\t\tx\n");
    refused("cola", "train.tsv:2", "a class 0 or 1");
    auto const skipped = bmae::read_glue_task(scratch.path(), "cola", {.malformed = bmae::MalformedLine::skip});
    BOOST_TEST(skipped.train.targets.size() == 1U);
    BOOST_TEST(skipped.report.skipped == 1U);
    scratch.file("train.tsv", "a\t1\tx\n");
    refused("cola", "4 columns");
    scratch.file("train.tsv", "\n");
    refused("cola", "at least one row");
}

BOOST_AUTO_TEST_CASE(real_files) {
    auto const mrpc = test::data_folder("mrpc");
    if (mrpc.empty()) { return; }
    auto const task = bmae::read_glue_task(mrpc, "mrpc");
    BOOST_TEST(task.train.targets.size() == 3576U);
    BOOST_TEST(task.dev.targets.size() == 500U);
    BOOST_TEST(bmae::read_glue_task(test::data_folder("sts_benchmark"), "stsb").train.targets.size() == 5749U);
}

BOOST_AUTO_TEST_SUITE_END()
