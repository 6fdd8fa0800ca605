// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <stdexcept>
#include <string>
#include <vector>

#include <bmae/detail/files.hpp>
#include <bmae/retrieval/analyzer_settings.hpp>
#include <bmae/retrieval/bm25.hpp>
#include <bmae/retrieval/index_folder.hpp>
#include <bmae/retrieval/lexical_index.hpp>
#include <bmae/retrieval/lexical_index_builder.hpp>
#include <bmae/values/draw.hpp>

#include "indexes.hpp"

BOOST_AUTO_TEST_SUITE(lexical_index)

namespace {

using test::contains;
using test::refusal;
using test::same;

using bmae::InputError;
using bmae::LexicalIndex;
using bmae::LexicalIndexBuilder;

struct Collection {
    std::vector<std::string> ids = {};
    std::vector<std::string> texts = {};
};

/// Words with falling frequency; ids in no order.
Collection invented(std::size_t count, std::uint64_t seed) {
    bmae::Draw draw({.seed = seed});
    Collection collection;
    for (std::size_t i = 0; i < count; ++i) {
        std::string text;
        for (std::size_t n = 3 + draw.below(30); n != 0; --n) {
            double const u = draw.uniform();
            text += "w" + std::to_string(static_cast<int>(u * u * u * 300)) + ' ';
        }
        collection.ids.push_back("d" + std::to_string((i * 7919) % count));
        collection.texts.push_back(text);
    }
    return collection;
}

void build(std::filesystem::path const& folder, Collection const& collection, bmae::LexicalIndexOptions options = {}) {
    LexicalIndexBuilder builder(folder, options);
    for (std::size_t i = 0; i < collection.ids.size(); ++i) { builder.add(collection.ids[i], collection.texts[i]); }
    builder.commit();
}

std::vector<std::string> const queries = {"w0 w3 w3", "w250 w1", "unheard", "", "w7 w8 w9 w10 w299"};

}  // namespace

BOOST_AUTO_TEST_CASE(scores_and_ties_are_those_of_the_index_in_memory) {
    test::ScratchFolder const scratch;
    Collection const collection = invented(3000, 1);
    for (bool const quantize : {false, true}) {
        bmae::Bm25Options const options{.k1 = 1.2, .b = .75, .quantize_lengths = quantize, .threads = 2};
        bmae::Bm25Index const memory(collection.texts, collection.ids, options);
        for (std::size_t const bytes : {std::size_t{1} << 14, std::size_t{1} << 24}) {   // many parts and ranges; one of each
            auto const folder = scratch.path() / (std::to_string(bytes) + (quantize ? "q" : ""));
            build(folder, collection, {.bm25 = options, .memory = bytes});
            LexicalIndex const disk = LexicalIndex::open(folder, bmae::Verify::full, 2);
            BOOST_TEST(disk.size() == memory.size());
            BOOST_TEST(disk.term_count() == memory.term_count());
            BOOST_TEST(disk.options().k1 == 1.2);
            for (std::size_t const k : {1U, 10U, 5000U}) { BOOST_TEST(same(disk.search(queries, k), memory.search(queries, k))); }
            auto const hits = disk.search("w0 w3", 3);
            BOOST_TEST(hits.size() == 3U);
            BOOST_TEST(collection.ids[hits[0].document] == disk.documents().id(hits[0].document));
        }
    }
}

BOOST_AUTO_TEST_CASE(ids_in_order_need_no_table_and_texts_are_kept_where_asked) {
    test::ScratchFolder const scratch;
    Collection const collection{{"a", "b", "c"}, {"one two", "two three", "three four"}};
    build(scratch.path() / "plain", collection);
    build(scratch.path() / "texts", collection, {.store_texts = true});
    bmae::IndexFolder const plain(scratch.path() / "plain");
    BOOST_TEST(plain.kind() == "bm25");
    BOOST_TEST(!plain.has("order"));
    BOOST_TEST(!plain.has("texts"));
    LexicalIndex const index = LexicalIndex::open(scratch.path() / "texts");
    BOOST_TEST(index.documents().has_texts());
    BOOST_TEST(index.documents().text(2) == "three four");
    BOOST_TEST(index.search("four", 5).size() == 1U);
    BOOST_TEST(bmae::IndexFolder::is_index(scratch.path() / "plain"));
    BOOST_TEST(!bmae::IndexFolder::is_index(scratch.path()));
}

BOOST_AUTO_TEST_CASE(analyzer_settings_are_kept_and_obeyed) {
    test::ScratchFolder const scratch;
    bmae::AnalyzerOptions const analyzer{.stop_words = bmae::StopWords::none, .stemming = bmae::Stemming::english};
    BOOST_TEST(to_json(bmae::analyzer_options_from_json(to_json(analyzer))) == to_json(analyzer));
    build(scratch.path() / "index", {{"a", "b"}, {"the ships", "a shipping line"}}, {.bm25 = {.analyzer = analyzer}});
    LexicalIndex const index = LexicalIndex::open(scratch.path() / "index");
    BOOST_TEST(index.search("ship", 5).size() == 2U);
    BOOST_TEST(index.search("the", 5).size() == 1U);
    auto later = to_json(analyzer);
    later["from_a_later_version"] = true;
    BOOST_TEST(
        contains(refusal([&] { bmae::analyzer_options_from_json(later); }), "settings of an analyzer that this version knows"));
}

BOOST_AUTO_TEST_CASE(what_cannot_be_indexed_is_refused_and_leaves_nothing) {
    test::ScratchFolder const scratch;
    auto const folder = scratch.path() / "index";
    BOOST_TEST(contains(refusal([&] { build(folder, {}); }), "at least one document"));
    BOOST_TEST(contains(refusal([&] { build(folder, {{"a", "a"}, {"x", "y"}}); }), "'a' a second time"));
    BOOST_TEST(contains(refusal([&] { build(folder, {{""}, {"x"}}); }), "an empty id"));
    BOOST_TEST(contains(refusal([&] { build(folder, {{"a"}, {"x"}}, {.bm25 = {.k1 = -1}}); }), "k1 >= 0"));
    BOOST_TEST(std::filesystem::is_empty(scratch.path()));
    build(folder, {{"a"}, {"x"}});
    BOOST_TEST(contains(refusal([&] { build(folder, {{"a"}, {"x"}}); }), "a new or empty output folder"));
    BOOST_TEST(LexicalIndex::open(folder).size() == 1U);
    // Documents without a term are documents: they count in the mean length.
    build(scratch.path() / "empty", {{"a", "b"}, {"", "the"}});
    BOOST_TEST(LexicalIndex::open(scratch.path() / "empty").search("the", 5).empty());
}

BOOST_AUTO_TEST_CASE(a_progress_that_throws_stops_the_work) {
    test::ScratchFolder const scratch;
    BOOST_CHECK_THROW(build(scratch.path() / "index", invented(50, 2),
                            {.on_progress = [](std::size_t, std::size_t) { throw std::runtime_error("stop"); }}),
                      std::runtime_error);
    BOOST_TEST(std::filesystem::is_empty(scratch.path()));
}

BOOST_AUTO_TEST_CASE(damage_is_named_by_its_file_and_never_reads_outside) {
    test::ScratchFolder const scratch;
    auto const whole = scratch.path() / "whole";
    build(whole, invented(200, 3), {.store_texts = true});
    test::check_damage(whole, 50, [&](std::filesystem::path const& folder, bmae::Verify verify) {
        static_cast<void>(LexicalIndex::open(folder, verify).search(queries, 300));
    });
    std::filesystem::remove(whole / "postings");
    BOOST_TEST(contains(refusal([&] { static_cast<void>(LexicalIndex::open(whole)); }), "postings"));
}

BOOST_AUTO_TEST_CASE(other_versions_and_other_folders_are_refused) {
    test::ScratchFolder const scratch;
    auto const folder = scratch.path() / "index";
    build(folder, {{"a"}, {"x"}});
    std::string manifest = bmae::detail::read_file(folder / "manifest.json");
    manifest.replace(manifest.find("\"version\": 1"), 12, "\"version\": 9");
    bmae::detail::write_file(folder / "manifest.json", manifest, bmae::detail::Existing::replace);
    BOOST_TEST(contains(refusal([&] { static_cast<void>(LexicalIndex::open(folder)); }), "version 9"));
    BOOST_TEST(contains(refusal([&] { static_cast<void>(LexicalIndex::open(scratch.path())); }), "manifest.json"));
    BOOST_TEST(contains(refusal([&] { static_cast<void>(LexicalIndex::open(scratch.path() / "none")); }), "none"));
}

BOOST_AUTO_TEST_SUITE_END()
