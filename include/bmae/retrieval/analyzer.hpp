// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Text analysis: text to index terms.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <utf8proc.h>

#include <bmae/retrieval/analyzer_options.hpp>
#include <bmae/retrieval/analyzer_stemmer.hpp>
#include <bmae/retrieval/language_tools.hpp>
#include <bmae/retrieval/scripts.hpp>
#include <bmae/text/unicode_form.hpp>

namespace bmae {

/// Splits text into words: runs of letters, digits, marks and underscores of any script with spaces; pairs of characters of Han,
/// kana and Hangul; words of a dictionary in Thai, Lao, Khmer and Myanmar. Invalid UTF-8 separates words.
class Analyzer {
public:
    /// \throws InputError  where the options need an optional library that this program has not linked
    explicit Analyzer(AnalyzerOptions options = {}) : options_(std::move(options)) {
        if (options_.word_breaks) { require_word_breaks(); }
        if (options_.stemming == Stemming::snowball) { require_stemmer(options_.language); }
        if (options_.stop_words != StopWords::list) { return; }
        for (std::string& word : options_.stop_list) {
            word = to_unicode_form(word, options_.form);
            if (options_.lower_case) { word = lowered(word); }
        }
        std::sort(options_.stop_list.begin(), options_.stop_list.end());
    }

    [[nodiscard]] AnalyzerOptions const& options() const noexcept { return options_; }

    /// The terms of a text in their order, with repetitions.
    [[nodiscard]] std::vector<std::string> operator()(std::string_view text) const {
        std::vector<std::string> terms;
        std::string word;
        for_each_word(text, word, [&](std::string_view found) {
            std::string term = term_of(found);
            if (!term.empty()) { terms.push_back(std::move(term)); }
        });
        return terms;
    }

    /// Calls `use(word)` with every word, in lower case but neither filtered nor stemmed; `buffer` is reused memory.
    template <class Use>
    void for_each_word(std::string_view text, std::string& buffer, Use&& use) const {
        if (options_.pieces) {
            options_.pieces->for_each(text, [&](std::string_view piece) { use(piece); });
            return;
        }
        std::string normal;
        if (options_.form != UnicodeForm::none && std::any_of(text.begin(), text.end(), is_wide)) {
            normal = to_unicode_form(text, options_.form);
            text = normal;
        }
        buffer.clear();
        std::size_t characters = 0;
        Script script = Script::spaced;   // of the run in `buffer`
        auto const end_run = [&] {
            if (characters != 0) { cut(buffer, characters, script, use); }
            buffer.clear();
            characters = 0;
        };
        for (std::size_t i = 0; i < text.size();) {
            auto const byte = static_cast<unsigned char>(text[i]);
            if (byte < 128) {
                char const kept = ascii[byte];
                if (kept == 0 || !is_spaced(script)) { end_run(); }
                script = Script::spaced;
                if (kept != 0) {
                    buffer += options_.lower_case ? kept : text[i];
                    ++characters;
                }
                ++i;
                continue;
            }
            utf8proc_int32_t point = -1;
            utf8proc_ssize_t const length = utf8proc_iterate(reinterpret_cast<utf8proc_uint8_t const*>(text.data()) + i,
                                                             static_cast<utf8proc_ssize_t>(text.size() - i), &point);
            i += length > 0 ? static_cast<std::size_t>(length) : 1;
            if (length <= 0 || !is_word(point)) {
                end_run();
                continue;
            }
            if (is_variation(point) && !is_spaced(script)) { continue; }   // another form of the same ideograph
            Script const found = script_of(static_cast<char32_t>(point));
            bool const stays = found == script || (has_bigrams(found) && has_bigrams(script) && options_.bigrams) ||
                               (is_spaced(found) && is_spaced(script));
            if (!stays && !(characters != 0 && is_mark(point))) {
                end_run();
                script = found;
            }
            append(buffer, options_.lower_case ? utf8proc_tolower(point) : point);
            ++characters;
        }
        end_run();
    }

    /// The index term of a word; empty for a stop word or a short one.
    [[nodiscard]] std::string term_of(std::string_view word) const {
        if (options_.pieces) { return std::string(word); }
        if (options_.stop_words == StopWords::english && std::binary_search(english.begin(), english.end(), word)) { return {}; }
        if (options_.stop_words == StopWords::list &&
            std::binary_search(options_.stop_list.begin(), options_.stop_list.end(), word)) {
            return {};
        }
        if (options_.stemming == Stemming::snowball) { return language_tools().stem(word, options_.language); }
        return options_.stemming == Stemming::english ? EnglishStemmer()(word) : std::string(word);
    }

private:
    static constexpr std::array<std::string_view, 33> english = {
        "a",   "an",    "and",  "are",   "as",    "at",   "be",   "but", "by",  "for",  "if",
        "in",  "into",  "is",   "it",    "no",    "not",  "of",   "on",  "or",  "such", "that",
        "the", "their", "then", "there", "these", "they", "this", "to",  "was", "will", "with"};

    /// The lower-case form of word characters, 0 for all others.
    static constexpr std::array<char, 128> ascii = [] {
        std::array<char, 128> table{};
        for (char c = '0'; c <= '9'; ++c) { table[static_cast<std::size_t>(c)] = c; }
        for (char c = 'a'; c <= 'z'; ++c) {
            table[static_cast<std::size_t>(c)] = c;
            table[static_cast<std::size_t>(c - 'a' + 'A')] = c;
        }
        table[static_cast<std::size_t>('_')] = '_';
        return table;
    }();

    static bool is_wide(char c) noexcept { return static_cast<unsigned char>(c) >= 128; }
    /// Whether a run of a script is a word as it is.
    [[nodiscard]] bool is_spaced(Script script) const noexcept {
        return script == Script::spaced || (has_bigrams(script) ? !options_.bigrams : !options_.word_breaks);
    }

    /// Calls `use(word)` with the words of a run.
    template <class Use>
    void cut(std::string const& run, std::size_t characters, Script script, Use& use) const {
        if (is_spaced(script)) {
            if (characters >= std::max<std::size_t>(options_.min_characters, 1)) { use(std::string_view(run)); }
        } else if (has_bigrams(script)) {
            std::size_t const last = characters < 2 ? 1 : characters - 1;
            for (std::size_t i = 0, at = 0; i < last; ++i) {
                std::size_t const next = at + character_bytes(run, at);
                use(std::string_view(run).substr(at, (next < run.size() ? next + character_bytes(run, next) : next) - at));
                at = next;
            }
        } else {
            std::size_t begin = 0;
            for (std::size_t const end : language_tools().break_words(run)) {
                use(std::string_view(run).substr(begin, end - begin));
                begin = end;
            }
        }
    }
    static std::size_t character_bytes(std::string const& text, std::size_t at) noexcept {
        std::size_t end = at + 1;
        while (end < text.size() && (static_cast<unsigned char>(text[end]) & 0xc0U) == 0x80U) { ++end; }
        return end - at;
    }
    static std::string lowered(std::string const& word) {
        std::string lower;
        for (std::size_t at = 0; at < word.size();) {
            detail::Utf8Step const step = detail::read_utf8(std::string_view(word).substr(at));
            append(lower, utf8proc_tolower(static_cast<utf8proc_int32_t>(step.character)));
            at += step.bytes;
        }
        return lower;
    }

    static bool is_variation(utf8proc_int32_t point) noexcept {
        return (point >= 0xfe00 && point <= 0xfe0f) || (point >= 0xe0100 && point <= 0xe01ef);
    }
    static bool is_mark(utf8proc_int32_t point) noexcept {
        auto const category = utf8proc_category(point);
        return category >= UTF8PROC_CATEGORY_MN && category <= UTF8PROC_CATEGORY_ME;
    }
    static bool is_word(utf8proc_int32_t point) noexcept {
        auto const category = utf8proc_category(point);
        return (category >= UTF8PROC_CATEGORY_LU && category <= UTF8PROC_CATEGORY_NO);   // letters, marks, numbers
    }
    static void append(std::string& text, utf8proc_int32_t point) {
        std::array<utf8proc_uint8_t, 4> bytes;
        auto const length = utf8proc_encode_char(point, bytes.data());
        text.append(reinterpret_cast<char const*>(bytes.data()), static_cast<std::size_t>(length));
    }

    AnalyzerOptions options_;
};

}  // namespace bmae
