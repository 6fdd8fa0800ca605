// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// The options of an analyzer as JSON, for indexes on disk, and the usual ones of a language.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <filesystem>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include <bmae/detail/json_text.hpp>
#include <bmae/detail/lines.hpp>
#include <bmae/detail/whole_files.hpp>
#include <bmae/retrieval/analyzer.hpp>
#include <bmae/retrieval/analyzer_options.hpp>
#include <bmae/retrieval/language_tools.hpp>
#include <bmae/retrieval/piece_terms.hpp>
#include <bmae/retrieval/scripts.hpp>
#include <bmae/text/unicode_form.hpp>
#include <bmae/values/error.hpp>

namespace bmae {

namespace detail {

template <class T, std::size_t N>
T value_of(std::array<std::pair<T, std::string_view>, N> const& names, std::string const& name, char const* key,
           std::string const& file) {
    auto const found = std::find_if(names.begin(), names.end(), [&](auto const& entry) { return entry.second == name; });
    if (found != names.end()) { return found->first; }
    std::string known;
    for (auto const& [value, text] : names) { known += (known.empty() ? "" : ", ") + std::string(text); }
    throw InputError(Diagnostic{.file = file,
                                .expected = std::string("one of ") + known + " at \"" + key + '"',
                                .found = '"' + name + '"',
                                .hint = "Read the index with the version of bmae that made it, or build it again."});
}

template <class T, std::size_t N>
std::string name_of(std::array<std::pair<T, std::string_view>, N> const& names, T value) {
    return std::string(std::find_if(names.begin(), names.end(), [&](auto const& entry) { return entry.first == value; })->second);
}

inline constexpr std::array<std::pair<StopWords, std::string_view>, 3> stop_word_names{
    {{StopWords::none, "none"}, {StopWords::english, "english"}, {StopWords::list, "list"}}};
inline constexpr std::array<std::pair<Stemming, std::string_view>, 3> stemming_names{
    {{Stemming::none, "none"}, {Stemming::english, "english"}, {Stemming::snowball, "snowball"}}};
inline constexpr std::array<std::pair<UnicodeForm, std::string_view>, 5> form_names{{{UnicodeForm::none, "none"},
                                                                                     {UnicodeForm::c, "NFC"},
                                                                                     {UnicodeForm::kc, "NFKC"},
                                                                                     {UnicodeForm::d, "NFD"},
                                                                                     {UnicodeForm::kd, "NFKD"}}};

}  // namespace detail

/// All options, as an index stores them. Two analyzers give the same terms where these are equal.
inline nlohmann::json to_json(AnalyzerOptions const& options) {
    nlohmann::json json{{"lower_case", options.lower_case},
                        {"stop_words", detail::name_of(detail::stop_word_names, options.stop_words)},
                        {"stop_list", options.stop_list},
                        {"stemming", detail::name_of(detail::stemming_names, options.stemming)},
                        {"min_characters", options.min_characters},
                        {"unicode_form", detail::name_of(detail::form_names, options.form)},
                        {"bigrams", options.bigrams},
                        {"word_breaks", options.word_breaks ? nlohmann::json(language_tools().break_words_version) : nullptr},
                        {"language", options.language},
                        {"tokenizer", nullptr}};
    if (options.pieces) {
        json["tokenizer"] = {{"folder", options.pieces->folder()}, {"fingerprint", options.pieces->fingerprint()}};
    }
    return json;
}

/// The options that `to_json` wrote; a tokenizer is read from its folder again.
/// \param file    the source, for errors
/// \param folder  what relative folders of a tokenizer are relative to
/// \throws InputError  at an unknown key or value, at a tool that this program lacks or has in another version, and at
///                     another tokenizer than the stored one
inline AnalyzerOptions analyzer_options_from_json(nlohmann::json const& json, std::string const& file = {},
                                                  std::filesystem::path const& folder = {}) {
    auto const refuse = [&](std::string expected, std::string found) {
        return InputError(Diagnostic{.file = file,
                                     .expected = std::move(expected),
                                     .found = std::move(found),
                                     .hint = "Read the index with the program that made it, or build it again."});
    };
    nlohmann::json const known = to_json(AnalyzerOptions{});
    if (!json.is_object()) { throw refuse("the settings of an analyzer", json.dump().substr(0, 60)); }
    for (auto const& [key, value] : json.items()) {
        if (!known.contains(key)) { throw refuse("settings of an analyzer that this version knows", '"' + key + '"'); }
    }
    AnalyzerOptions options;
    try {
        options.lower_case = json.at("lower_case").get<bool>();
        options.stop_words =
            detail::value_of(detail::stop_word_names, json.at("stop_words").get<std::string>(), "stop_words", file);
        options.stop_list = json.at("stop_list").get<std::vector<std::string>>();
        options.stemming = detail::value_of(detail::stemming_names, json.at("stemming").get<std::string>(), "stemming", file);
        options.min_characters = detail::whole_number<std::size_t>(json.at("min_characters"), "min_characters");
        options.form = detail::value_of(detail::form_names, json.at("unicode_form").get<std::string>(), "unicode_form", file);
        options.bigrams = json.at("bigrams").get<bool>();
        options.language = json.at("language").get<std::string>();
        nlohmann::json const& breaks = json.at("word_breaks");
        options.word_breaks = !breaks.is_null();
        if (options.word_breaks) {
            require_word_breaks();
            std::string const own = language_tools().break_words_version;
            if (breaks != own) { throw refuse("words cut by " + own + ", which this program has", breaks.dump()); }
        }
        if (nlohmann::json const& tokenizer = json.at("tokenizer"); !tokenizer.is_null()) {
            options.pieces = read_piece_terms(folder / tokenizer.at("folder").get<std::string>());
            auto const stored = tokenizer.at("fingerprint").get<std::string>();
            if (options.pieces->fingerprint() != stored) {
                throw refuse("the tokenizer of the index, with the fingerprint " + stored,
                             options.pieces->fingerprint() + " in " + options.pieces->folder());
            }
        }
    } catch (nlohmann::json::exception const& error) {
        throw refuse("the settings of an analyzer", error.what());
    } catch (std::out_of_range const& error) { throw refuse("the settings of an analyzer", error.what()); }
    return options;
}

/// Languages that `analyzer_for_language` knows.
inline std::vector<std::string> const& analyzer_languages() {
    static std::vector<std::string> const codes = {"ar", "ca", "da", "de", "el", "en", "es", "eu", "fi", "fr", "ga", "hi",
                                                   "hu", "hy", "id", "it", "ja", "km", "ko", "lo", "lt", "my", "ne", "nl",
                                                   "no", "pt", "ro", "ru", "sr", "sv", "ta", "th", "tr", "yi", "zh"};
    return codes;
}

/// The usual options of a language: English stop words for "en" and where no language is told, none otherwise; compatibility
/// forms and pairs of characters for "zh", "ja" and "ko"; words by a dictionary for "th", "lo", "km" and "my".
/// \throws InputError  at an unknown language, and where a dictionary is needed and this program has none
inline AnalyzerOptions analyzer_for_language(std::string const& language) {
    AnalyzerOptions options{.language = language};
    if (language.empty() || language == "en") { return options; }
    auto const is_one_of = [&](std::vector<std::string> const& codes) {
        return std::find(codes.begin(), codes.end(), language) != codes.end();
    };
    if (!is_one_of(analyzer_languages())) {
        std::string known;
        for (std::string const& code : analyzer_languages()) { known += (known.empty() ? "" : " ") + code; }
        throw InputError(
            Diagnostic{.file = {},
                       .expected = "one of the languages " + known,
                       .found = '"' + language + '"',
                       .hint = "For another language that puts spaces between words, leave it out and give its stop words."});
    }
    options.stop_words = StopWords::none;
    bool const by_dictionary = is_one_of({"th", "lo", "km", "my"});
    if (by_dictionary || is_one_of({"zh", "ja", "ko"})) { options.form = UnicodeForm::kc; }
    if (by_dictionary) {
        require_word_breaks();
        options.word_breaks = true;
    }
    return options;
}

/// Reads stop words: one per line; what follows "|" or "#" is a comment, as in Snowball's lists.
/// \throws InputError  where there is none
inline std::vector<std::string> read_stop_words(std::filesystem::path const& file) {
    std::string const content = detail::read_file(file, std::uint64_t{1} << 26);
    std::vector<std::string> words;
    for (std::size_t at = 0; at < content.size();) {
        std::size_t const end = std::min(content.find('\n', at), content.size());
        std::string_view line = std::string_view(content).substr(at, end - at);
        at = end + 1;
        line = line.substr(0, line.find_first_of("|#"));
        constexpr std::string_view blanks = " \t\r\v\f";
        std::size_t const first = line.find_first_not_of(blanks);
        if (first == std::string_view::npos) { continue; }
        words.emplace_back(line.substr(first, line.find_last_not_of(blanks) + 1 - first));
    }
    if (words.empty()) {
        throw InputError(Diagnostic{.file = file.string(),
                                    .expected = "stop words, one per line",
                                    .found = "none",
                                    .hint = "Without stop words there is \"none\"."});
    }
    return words;
}

}  // namespace bmae
