// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// links bmae::stemmer
// Stems by libstemmer.
#include <string>
#include <vector>

#include <boost/test/unit_test.hpp>

#include <bmae/retrieval/analyzer.hpp>
#include <bmae/retrieval/analyzer_stemmer.hpp>
#include <bmae/retrieval/snowball_stemmer.hpp>
#include <bmae/values/error.hpp>

BOOST_AUTO_TEST_SUITE(snowball_stemmer)

BOOST_AUTO_TEST_CASE(forms_of_a_word_meet) {
    auto const terms = [](std::string const& language, std::string const& text) {
        return bmae::Analyzer({.stop_words = bmae::StopWords::none, .stemming = bmae::Stemming::snowball, .language = language})(
            text);
    };
    BOOST_TEST(terms("de", "H\xc3\xa4user Hauses") == (std::vector<std::string>{"haus", "haus"}),
               boost::test_tools::per_element());
    BOOST_TEST(terms("fr", "continuellement continuer") == (std::vector<std::string>{"continuel", "continu"}),
               boost::test_tools::per_element());
    for (std::string const word : {"relational", "generously", "skies"}) {
        BOOST_TEST(terms("en", word).front() == bmae::EnglishStemmer()(word));
    }
}

BOOST_AUTO_TEST_CASE(a_language_without_stemmer_is_refused_by_name) {
    bmae::AnalyzerOptions const options{.stemming = bmae::Stemming::snowball, .language = "ja"};
    BOOST_CHECK_EXCEPTION(bmae::Analyzer{options}, bmae::InputError, [](bmae::InputError const& error) {
        return std::string(error.what()).find("'ja'") != std::string::npos;
    });
}

BOOST_AUTO_TEST_SUITE_END()
