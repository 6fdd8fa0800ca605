// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// SentEval's tasks: counts, order of rows, and what is refused.
#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <filesystem>
#include <string>
#include <vector>

#include <bmae/corpus/senteval_files.hpp>

#include "../retrieval/files.hpp"

BOOST_AUTO_TEST_SUITE(senteval_files)

BOOST_AUTO_TEST_CASE(tasks_have_their_published_counts) {
    auto const root = test::data("transfer_mr").parent_path();
    if (root.empty()) { return; }
    auto const task = [&](std::string_view name) { return bmae::read_transfer_task(root, name); };
    BOOST_TEST(task("mr").train.texts.size() == 10662U);
    BOOST_TEST(task("cr").train.texts.size() == 3775U);
    BOOST_TEST(task("subj").train.texts.size() == 10000U);
    auto const trec = task("trec");
    BOOST_TEST(trec.train.texts.size() == 5452U);
    BOOST_TEST(trec.test.texts.size() == 500U);
    BOOST_TEST(std::count(trec.test.labels.begin(), trec.test.labels.end(), 5) == 113);   // NUM
    auto const mrpc = task("mrpc");
    BOOST_TEST(mrpc.train.texts.size() == 4076U);
    BOOST_TEST(mrpc.train.seconds.size() == 4076U);
    BOOST_TEST(mrpc.test.texts.size() == 1725U);
}

BOOST_AUTO_TEST_CASE(rows_are_ordered_by_words_then_class) {
    test::Folder folder;
    std::filesystem::create_directories(folder.path("SST/binary"));
    for (char const* part : {"train", "dev", "test"}) {
        folder.file(std::string("SST/binary/sentiment-") + part, "three words  here\t0\na b\t1\nc\td\t0\n\xe9t\xe9 x\t1\n");
    }
    auto const task = bmae::read_transfer_task(folder.path("."), "sst2");
    BOOST_TEST(
        (task.test.texts == std::vector<std::string>{"c d", "a b", "\u00e9t\u00e9 x", "three words here"}));   // ISO-8859-1
    BOOST_TEST((task.dev.labels == std::vector<std::int32_t>{0, 1, 1, 0}));
}

BOOST_AUTO_TEST_CASE(malformed_tasks_are_refused) {
    test::Folder folder;
    auto const refused = [&](std::string_view name, std::string_view says) {
        std::string const message = test::refusal([&] { bmae::read_transfer_task(folder.path("."), name); });
        BOOST_TEST(test::contains(message, says), message);
    };
    refused("mr", "rt-polarity.pos");
    refused("sick", "mr, cr, subj, mpqa, sst2, trec, mrpc");
    folder.file("rt-polarity.pos", "good\n\n");
    refused("mr", "rt-polarity.neg");
    folder.file("rt-polarity.neg", "bad\n");
    BOOST_TEST((bmae::read_transfer_task(folder.path("."), "mr").train.texts == std::vector<std::string>{".", "bad", "good"}));
    folder.file("train_5500.label", "ANIMAL:x what ?\n");
    refused("trec", "COARSE");
    folder.file("msr_paraphrase_train.txt", "Quality\t#1 ID\t#2 ID\t#1 String\t#2 String\n2\t1\t2\ta\tb\n");
    refused("mrpc", "the class 0 or 1");
    folder.file("msr_paraphrase_train.txt", "1\t1\t2\ta\n");
    refused("mrpc", "5 columns");
}

BOOST_AUTO_TEST_SUITE_END()
