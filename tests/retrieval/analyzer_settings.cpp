// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// Options of an analyzer as an index stores them, and those of a language.
#include <fstream>
#include <string>
#include <vector>

#include <boost/test/unit_test.hpp>

#include <nlohmann/json.hpp>

#include <bmae/retrieval/analyzer.hpp>
#include <bmae/retrieval/analyzer_options.hpp>
#include <bmae/retrieval/analyzer_settings.hpp>
#include <bmae/retrieval/language_tools.hpp>
#include <bmae/retrieval/piece_terms.hpp>
#include <bmae/retrieval/scripts.hpp>

#include "scratch_folder.hpp"

BOOST_AUTO_TEST_SUITE(analyzer_settings)

namespace {

using bmae::Analyzer;
using bmae::AnalyzerOptions;
using Terms = std::vector<std::string>;

bmae::AnalyzerOptions stored(AnalyzerOptions const& options) {
    return bmae::analyzer_options_from_json(nlohmann::json::parse(to_json(options).dump()), "settings.json");
}

auto says(std::string const& part) {
    return [part](bmae::InputError const& error) { return std::string(error.what()).find(part) != std::string::npos; };
}

}  // namespace

BOOST_AUTO_TEST_CASE(stored_options_give_the_same_terms) {
    AnalyzerOptions const options{.lower_case = false,
                                  .stop_words = bmae::StopWords::list,
                                  .stemming = bmae::Stemming::english,
                                  .min_characters = 2,
                                  .form = bmae::UnicodeForm::kc,
                                  .bigrams = false,
                                  .language = "en",
                                  .stop_list = {"und", "der"}};
    AnalyzerOptions const again = stored(options);
    BOOST_TEST(to_json(again) == to_json(options));
    std::string const text = "Der Hund und der runners \xe6\xbc\xa2\xe5\xad\x97 a";
    BOOST_TEST(Analyzer(again)(text) == Analyzer(options)(text), boost::test_tools::per_element());
    BOOST_TEST(to_json(stored({})) == to_json(AnalyzerOptions{}));
}

BOOST_AUTO_TEST_CASE(unknown_settings_are_refused_by_name) {
    nlohmann::json settings = to_json(AnalyzerOptions{});
    settings["synonyms"] = true;
    BOOST_CHECK_EXCEPTION(bmae::analyzer_options_from_json(settings, "i.json"), bmae::InputError, says("synonyms"));
    settings = to_json(AnalyzerOptions{});
    settings["stemming"] = "hunspell";
    BOOST_CHECK_EXCEPTION(bmae::analyzer_options_from_json(settings, "i.json"), bmae::InputError, says("hunspell"));
    settings = to_json(AnalyzerOptions{});
    settings["word_breaks"] = "ICU 1.0";
    BOOST_CHECK_THROW(bmae::analyzer_options_from_json(settings, "i.json"), bmae::InputError);
    settings = to_json(AnalyzerOptions{});
    settings.erase("bigrams");
    BOOST_CHECK_EXCEPTION(bmae::analyzer_options_from_json(settings, "i.json"), bmae::InputError, says("bigrams"));
}

BOOST_AUTO_TEST_CASE(options_of_a_language) {
    BOOST_TEST(to_json(bmae::analyzer_for_language("")) == to_json(AnalyzerOptions{}));
    BOOST_TEST((bmae::analyzer_for_language("en").stop_words == bmae::StopWords::english));
    BOOST_TEST((bmae::analyzer_for_language("de").stop_words == bmae::StopWords::none));
    BOOST_TEST((bmae::analyzer_for_language("ja").form == bmae::UnicodeForm::kc));
    BOOST_CHECK_EXCEPTION(bmae::analyzer_for_language("xx"), bmae::InputError, says("\"xx\""));
}

BOOST_AUTO_TEST_CASE(the_script_tells_the_language) {
    auto const language = [](std::string const& text) {
        bmae::ScriptCounts counts;
        counts.add(text);
        return counts.language();
    };
    BOOST_TEST(language("plain English text with one \xe6\xbc\xa2") == "");
    BOOST_TEST(language("\xe6\xbc\xa2\xe5\xad\x97 BM25") == "zh");
    BOOST_TEST(language("\xe6\xbc\xa2\xe5\xad\x97\xe3\x81\x8b\xe3\x81\xaa") == "ja");
    BOOST_TEST(language("\xed\x95\x9c\xea\xb5\xad\xec\x96\xb4") == "ko");
    BOOST_TEST(language("\xe0\xb8\xa0\xe0\xb8\xb2\xe0\xb8\xa9\xe0\xb8\xb2") == "th");
    BOOST_TEST(language("\xd1\x80\xd1\x83\xd1\x81") == "");
    BOOST_TEST(language("") == "");
}

BOOST_AUTO_TEST_CASE(bm25_in_chinese_and_japanese_finds_words_within_sentences) {
    Analyzer const analyzer(bmae::analyzer_for_language("zh"));
    std::string const text = "\xe6\x88\x91\xe5\x9c\xa8\xe5\x8c\x97\xe4\xba\xac\xe3\x80\x82";   // four characters and a full stop
    BOOST_TEST(analyzer(text) == (Terms{"\xe6\x88\x91\xe5\x9c\xa8", "\xe5\x9c\xa8\xe5\x8c\x97", "\xe5\x8c\x97\xe4\xba\xac"}),
               boost::test_tools::per_element());
    BOOST_TEST(analyzer("\xe6\xb0\xb4") == (Terms{"\xe6\xb0\xb4"}), boost::test_tools::per_element());
    // Half and full width meet; Latin words between ideographs are words.
    BOOST_TEST(analyzer("\xef\xbd\xb6\xef\xbe\x9e\xef\xbd\xbd") == analyzer("\xe3\x82\xac\xe3\x82\xb9"),
               boost::test_tools::per_element());
    BOOST_TEST(analyzer("\xe7\x94\xa8"
                        "BM25\xe6\xa3\x80\xe7\xb4\xa2") == (Terms{"\xe7\x94\xa8", "bm25", "\xe6\xa3\x80\xe7\xb4\xa2"}),
               boost::test_tools::per_element());
    AnalyzerOptions whole;
    whole.bigrams = false;
    BOOST_TEST(Analyzer(whole)("\xe6\x88\x91\xe5\x9c\xa8") == (Terms{"\xe6\x88\x91\xe5\x9c\xa8"}),
               boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(composed_and_decomposed_accents_meet) {
    Analyzer const analyzer;
    BOOST_TEST(analyzer("Cafe\xcc\x81") == analyzer("caf\xc3\xa9"), boost::test_tools::per_element());
    BOOST_TEST(analyzer("\xe1\x84\x92\xe1\x85\xa1\xe1\x86\xab\xea\xb5\xad") == analyzer("\xed\x95\x9c\xea\xb5\xad"),
               boost::test_tools::per_element());
    AnalyzerOptions options;
    options.stop_words = bmae::StopWords::list;
    options.stop_list = {"Cafe\xcc\x81"};
    BOOST_TEST(Analyzer(options)("un caf\xc3\xa9") == (Terms{"un"}), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(stop_words_of_a_file) {
    test::ScratchFolder const folder;
    std::ofstream(folder / "stop.txt") << " | a list\nund  | and\n\nder # the\n";
    BOOST_TEST(bmae::read_stop_words(folder / "stop.txt") == (Terms{"und", "der"}), boost::test_tools::per_element());
    std::ofstream(folder / "empty.txt") << "| nothing\n";
    BOOST_CHECK_EXCEPTION(bmae::read_stop_words(folder / "empty.txt"), bmae::InputError, says("stop words"));
}

BOOST_AUTO_TEST_CASE(pieces_of_a_tokenizer_are_terms) {
    test::ScratchFolder const folder;
    std::ofstream(folder / "vocab.txt") << "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nsing\n##ing\nthe\n";
    AnalyzerOptions options;
    options.pieces = bmae::read_piece_terms(folder.path());
    BOOST_TEST(Analyzer(options)("The singing xyz") == (Terms{"the", "sing", "##ing"}), boost::test_tools::per_element());
    AnalyzerOptions const again = stored(options);
    BOOST_TEST(again.pieces->fingerprint() == options.pieces->fingerprint());
    std::ofstream(folder / "vocab.txt") << "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nsing\nthe\n##ing\n";
    BOOST_CHECK_EXCEPTION(stored(options), bmae::InputError, says("fingerprint"));
}

BOOST_AUTO_TEST_SUITE_END()
