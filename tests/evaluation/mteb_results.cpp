// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
#include <boost/test/unit_test.hpp>

#include <string>
#include <string_view>

#include <bmae/corpus/collection_folders.hpp>
#include <bmae/detail/files.hpp>
#include <bmae/evaluation/mteb_results.hpp>

#include "../scratch_folder.hpp"

BOOST_AUTO_TEST_SUITE(mteb_results)

namespace {

std::string refusal(std::filesystem::path const& path) {
    try {
        bmae::read_mteb_result(path);
    } catch (bmae::InputError const& error) { return error.what(); }
    return {};
}

}  // namespace

BOOST_AUTO_TEST_CASE(written_and_read) {
    test::ScratchFolder const scratch;
    bmae::Report report;
    report.measures = {"ndcg@10", "map@100", "mrr@10", "p@5", "recall@100", "success@1", "bpref"};
    report.labels = report.measures;
    report.means = {.5, .25, .125, .75, .875, .625, .1};
    auto const json = bmae::mteb_result("SciFact", "test", report);
    bmae::detail::write_file(scratch / "SciFact.json", json.dump());
    auto const result = bmae::read_mteb_result(scratch / "SciFact.json");
    BOOST_TEST(result.task == "SciFact");
    BOOST_TEST(result.main_score("test") == .5);
    auto const& scores = result.scores.at("test");
    BOOST_TEST(scores.at("map_at_100") == .25);
    BOOST_TEST(scores.at("mrr_at_10") == .125);
    BOOST_TEST(scores.at("precision_at_5") == .75);
    BOOST_TEST(scores.at("recall_at_100") == .875);
    BOOST_TEST(scores.at("hit_rate_at_1") == .625);
    BOOST_TEST(scores.size() == 7U);   // with main_score; bpref has no name there
    BOOST_TEST(json["scores"]["test"][0]["hf_subset"] == "default");
    BOOST_TEST(json["scores"]["test"][0]["languages"][0] == "eng-Latn");
    BOOST_CHECK_THROW(bmae::mteb_result("SciFact", "test", report, "bpref"), bmae::InputError);
    BOOST_CHECK_THROW(static_cast<void>(result.main_score("dev")), bmae::InputError);
}

BOOST_AUTO_TEST_CASE(files_of_version_1_and_what_is_none) {
    test::ScratchFolder const scratch;
    bmae::detail::write_file(
        scratch / "old.json",
        R"({"mteb_dataset_name": "NQ", "dev": {"ndcg_at_10": 0.5, "evaluation_time": 3}, "mteb_version": "1.1"})");
    BOOST_TEST(bmae::read_mteb_result(scratch / "old.json").main_score("dev") == .5);
    bmae::detail::write_file(
        scratch / "subsets.json",
        R"({"task_name": "T", "scores": {"test": [{"main_score": 1, "hf_subset": "a"}, {"main_score": 2, "hf_subset": "b"}]}})");
    BOOST_TEST(refusal(scratch / "subsets.json").find("2 subsets") != std::string::npos);
    bmae::detail::write_file(scratch / "none.json", R"({"model": "x"})");
    BOOST_TEST(refusal(scratch / "none.json").find("mteb_dataset_name") != std::string::npos);
    bmae::detail::write_file(scratch / "empty.json", R"({"task_name": "T", "scores": {}})");
    BOOST_TEST(refusal(scratch / "empty.json").find("scores of a split") != std::string::npos);
    bmae::detail::write_file(scratch / "text.json", R"({"task_name": "T", "scores": {"test": [{"main_score": "high"}]}})");
    BOOST_TEST(refusal(scratch / "text.json").find("main_score") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(names_of_tasks) {
    auto const named = [](std::string const& collection, std::string const& split, std::string const& task,
                          std::string const& theirs) {
        bmae::MtebTask const found = bmae::mteb_task(collection, split);
        BOOST_TEST(found.name == task);
        BOOST_TEST(found.split == theirs);
    };
    named("fiqa", "test", "FiQA2018", "test");
    named("msmarco", "dev", "MSMARCO", "dev");
    named("cqadupstack/android", "test", "CQADupstackAndroidRetrieval", "test");
    named("NanoNQ", "test", "NanoNQRetrieval", "train");
    named("NanoClimateFEVER", "test", "NanoClimateFeverRetrieval", "train");
    named("NanoQuoraRetrieval", "test", "NanoQuoraRetrieval", "train");
    named("NanoOwn", "test", "NanoOwn", "test");
    for (std::string_view const name : bmae::nanobeir_names) { BOOST_TEST(bmae::mteb_task(name, "test").split == "train"); }
    BOOST_TEST(bmae::mteb_name("ndcg@10") == "ndcg_at_10");
    BOOST_TEST(bmae::mteb_name("map").empty());
}

BOOST_AUTO_TEST_SUITE_END()
