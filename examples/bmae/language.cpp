// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// torch-free
#include "language.hpp"

#include <filesystem>

#include <bmae/retrieval/analyzer_settings.hpp>
#include <bmae/retrieval/language_tools.hpp>
#include <bmae/retrieval/piece_terms.hpp>
#include <bmae/values/error.hpp>

#if defined(BMAE_PROGRAM_HAS_ICU)   // set by CMake where the library is
#include <bmae/retrieval/icu_word_breaks.hpp>
#endif
#if defined(BMAE_PROGRAM_HAS_STEMMER)
#include <bmae/retrieval/snowball_stemmer.hpp>
#endif

namespace bmae::program {

namespace {

void set_stop_words(std::string const& given, AnalyzerOptions& analyzer) {
    if (given.empty()) { return; }   // those of the language
    if (given == "none" || given == "english") {
        analyzer.stop_words = given == "none" ? StopWords::none : StopWords::english;
        return;
    }
    if (!std::filesystem::exists(given)) {
        throw InputError(Diagnostic{.file = {},
                                    .expected = "--stopwords english, none or a file with a word per line",
                                    .found = '"' + given + '"',
                                    .hint = "No file of that name is there either."});
    }
    analyzer.stop_words = StopWords::list;
    analyzer.stop_list = read_stop_words(given);
}

/// The options of the language that the scripts tell; what needs a dictionary without one is said.
AnalyzerOptions detected(ScriptCounts const& scripts) {
    bool const has_dictionary = language_tools().break_words != nullptr;
    if (scripts.needs_dictionary() && !has_dictionary) {
        warn(
            "the texts have Thai, Lao, Khmer or Myanmar, whose words this program was built without: a phrase is one term. Build "
            "it with ICU (libicu-dev), or take --terms tokenizer");
        return {};
    }
    std::string const language = scripts.language();
    AnalyzerOptions analyzer = analyzer_for_language(language);
    analyzer.word_breaks = scripts.needs_dictionary();
    if (!language.empty()) { say("bm25: the texts are of the language " + language + "; --language names another"); }
    return analyzer;
}

}  // namespace

AnalyzerOptions analyzer_by(TermOptions const& options, ScriptCounts const& scripts) {
    auto const refuse = [](std::string expected, std::string found) {
        return InputError(Diagnostic{.file = {}, .expected = std::move(expected), .found = std::move(found)});
    };
    if (options.terms == "tokenizer") {
        if (options.tokenizer.empty()) { throw refuse("--tokenizer with --terms tokenizer", "none"); }
        return {.pieces = read_piece_terms(std::filesystem::absolute(options.tokenizer))};
    }
    if (options.terms != "words") { throw refuse("--terms words or tokenizer", '"' + options.terms + '"'); }
    AnalyzerOptions analyzer = options.language.empty() ? detected(scripts) : analyzer_for_language(options.language);
    set_stop_words(options.stopwords, analyzer);
    if (!options.stem) { return analyzer; }
    bool const english = analyzer.language.empty() || analyzer.language == "en";
    if (!english) { require_stemmer(analyzer.language); }
    analyzer.stemming = english ? Stemming::english : Stemming::snowball;
    return analyzer;
}

}  // namespace bmae::program
