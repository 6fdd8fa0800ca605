// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// links bmae::icu
// Words of scripts without spaces, cut by a dictionary.
#include <string>
#include <vector>

#include <boost/test/unit_test.hpp>

#include <bmae/retrieval/analyzer_settings.hpp>
#include <bmae/retrieval/bm25.hpp>
#include <bmae/retrieval/icu_word_breaks.hpp>

BOOST_AUTO_TEST_SUITE(icu_word_breaks)

using Terms = std::vector<std::string>;

BOOST_AUTO_TEST_CASE(thai_is_cut_into_words) {
    bmae::Analyzer const analyzer(bmae::analyzer_for_language("th"));
    std::string const language = "\xe0\xb8\xa0\xe0\xb8\xb2\xe0\xb8\xa9\xe0\xb8\xb2";   // "language"
    std::string const thai = "\xe0\xb9\x84\xe0\xb8\x97\xe0\xb8\xa2";                   // "Thai"
    BOOST_TEST(analyzer(language + thai) == (Terms{language, thai}), boost::test_tools::per_element());
    BOOST_TEST(analyzer("BM25 " + thai) == (Terms{"bm25", thai}), boost::test_tools::per_element());
    BOOST_TEST(bmae::language_tools().break_words_version.starts_with("ICU "));
}

BOOST_AUTO_TEST_CASE(bm25_in_thai_finds_a_word_within_a_sentence) {
    std::string const language = "\xe0\xb8\xa0\xe0\xb8\xb2\xe0\xb8\xa9\xe0\xb8\xb2";
    std::string const thai = "\xe0\xb9\x84\xe0\xb8\x97\xe0\xb8\xa2";
    std::string const water = "\xe0\xb8\x99\xe0\xb9\x89\xe0\xb8\xb3";
    std::vector<std::string> const texts{language + thai, water};
    bmae::Bm25Index const index(texts, {"a", "b"}, {.analyzer = bmae::analyzer_for_language("th")});
    auto const hits = index.search(thai, 10);
    BOOST_REQUIRE(hits.size() == 1);
    BOOST_TEST((*index.documents())[hits[0].document] == "a");
    BOOST_TEST(bmae::Bm25Index(texts, {"a", "b"}).search(thai, 10).empty());   // the whole run is one word there
}

BOOST_AUTO_TEST_CASE(settings_name_the_dictionary) {
    auto const settings = to_json(bmae::analyzer_for_language("th"));
    BOOST_TEST(settings["word_breaks"] == bmae::language_tools().break_words_version);
    BOOST_TEST(to_json(bmae::analyzer_options_from_json(settings)) == settings);
}

BOOST_AUTO_TEST_SUITE_END()
