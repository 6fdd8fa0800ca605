// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
#include <boost/test/unit_test.hpp>

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include <bmae/corpus/collection_folders.hpp>

#include "scratch.hpp"

BOOST_AUTO_TEST_SUITE(collection_folders)

namespace {

std::vector<std::string> names(std::vector<bmae::NamedCollection> const& all) {
    std::vector<std::string> names;
    for (auto const& each : all) { names.push_back(each.name); }
    return names;
}

}  // namespace

BOOST_AUTO_TEST_CASE(folders_of_collections_and_a_group) {
    test::Scratch const scratch;
    for (char const* const name : {"scifact", "arguana", "cqadupstack/android", "cqadupstack/tex"}) {
        scratch.file(std::string(name) + "/queries.jsonl", "");
        scratch.file(std::string(name) + "/qrels/test.tsv", "");
    }
    scratch.file("notes/readme.txt", "");
    scratch.file(".hidden/queries.jsonl", "");
    auto const all = bmae::list_collections(scratch.path());
    BOOST_TEST(names(all) == (std::vector<std::string>{"arguana", "cqadupstack/android", "cqadupstack/tex", "scifact"}),
               boost::test_tools::per_element());
    BOOST_TEST(all[1].group == "cqadupstack");
    BOOST_TEST(all[3].group.empty());
    BOOST_TEST(bmae::mean_over_collections(all, {.1, .2, .4, .5}) == (.1 + .3 + .5) / 3);
    BOOST_TEST(bmae::mean_over_collections({}, {}) == 0);
}

BOOST_AUTO_TEST_CASE(the_split_is_named_or_dev) {
    test::Scratch const scratch;
    for (char const* const file : {"msmarco/qrels/dev.tsv", "msmarco/qrels/train.tsv", "scifact/qrels/test.tsv"}) {
        scratch.file(file, "");
    }
    bmae::NamedCollection const msmarco{.name = "msmarco", .path = scratch / "msmarco"},
        scifact{.name = "scifact", .path = scratch / "scifact"};
    BOOST_TEST(bmae::split_of(msmarco, "test") == "dev");
    BOOST_TEST(bmae::split_of(msmarco, "train") == "train");
    BOOST_TEST(bmae::split_of(scifact, "test") == "test");
    BOOST_CHECK_EXCEPTION(bmae::split_of(scifact, "dev"), bmae::InputError, test::says("the splits test"));
}

BOOST_AUTO_TEST_CASE(what_is_no_folder_of_collections) {
    test::Scratch const scratch;
    scratch.file("one/queries.jsonl", "");
    scratch.file("nano/NanoNQ/queries/train-00000-of-00001.parquet", "");
    scratch.file("nano/NanoNQ/corpus/train-00000-of-00001.parquet", "");
    scratch.file("nano/NanoNQ/qrels/train-00000-of-00001.parquet", "");
    auto const says = [&](std::string const& name, std::string const& words) {
        BOOST_CHECK_EXCEPTION(bmae::list_collections(scratch / name), bmae::InputError, test::says(words));
    };
    says("one", "one collection");
    says("absent", "found none");
    says("nano", "Parquet");
    says("nano", "nanobeir.py " + (scratch / "nano").string());
    for (char const* const part : {"queries", "corpus", "qrels"}) {   // all collections in one repository
        scratch.file("whole/" + std::string(part) + "/NanoNQ-00000-of-00001.parquet", "");
    }
    says("whole", "nanobeir.py " + (scratch / "whole").string());
}

BOOST_AUTO_TEST_CASE(the_mean_over_nanobeir_has_its_name) {
    std::vector<bmae::NamedCollection> all;
    for (std::string_view const name : bmae::nanobeir_names) { all.push_back({.name = std::string(name)}); }
    BOOST_TEST(bmae::name_of_mean(all) == "NanoBEIR");
    all.push_back({.name = "scifact"});
    BOOST_TEST(bmae::name_of_mean(all) == "mean");
    BOOST_TEST(bmae::count_nanobeir(all) == 13U);
    BOOST_TEST(bmae::name_of_mean({}) == "mean");
}

BOOST_AUTO_TEST_SUITE_END()
