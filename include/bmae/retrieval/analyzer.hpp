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
#include <vector>

#include <utf8proc.h>

#include <bmae/retrieval/analyzer_stemmer.hpp>

namespace bmae {

/// Stop words.
enum class StopWords {
    none,
    english,   ///< the 33 words of Lucene's English analyzer
};

/// Stemming.
enum class Stemming {
    none,
    english,   ///< Porter2: see EnglishStemmer
};

struct AnalyzerOptions {
    bool lower_case = true;   ///< by Unicode's simple mapping
    StopWords stop_words = StopWords::english;
    Stemming stemming = Stemming::none;
    std::size_t min_characters = 1;   ///< shorter words are dropped, before stemming
};

/// Splits text into words: runs of letters, digits, marks and underscores of any script. Invalid UTF-8 separates words.
class Analyzer {
public:
    explicit Analyzer(AnalyzerOptions options = {}) : options_(options) {}

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
        buffer.clear();
        std::size_t characters = 0;
        auto const end_word = [&] {
            if (characters >= std::max<std::size_t>(options_.min_characters, 1)) { use(std::string_view(buffer)); }
            buffer.clear();
            characters = 0;
        };
        for (std::size_t i = 0; i < text.size();) {
            auto const byte = static_cast<unsigned char>(text[i]);
            if (byte < 128) {
                char const kept = ascii[byte];
                if (kept != 0) {
                    buffer += options_.lower_case ? kept : text[i];
                    ++characters;
                } else if (characters != 0) {
                    end_word();
                }
                ++i;
                continue;
            }
            utf8proc_int32_t point = -1;
            utf8proc_ssize_t const length = utf8proc_iterate(reinterpret_cast<utf8proc_uint8_t const*>(text.data()) + i,
                                                             static_cast<utf8proc_ssize_t>(text.size() - i), &point);
            if (length > 0 && is_word(point)) {
                append(buffer, options_.lower_case ? utf8proc_tolower(point) : point);
                ++characters;
            } else if (characters != 0) {
                end_word();
            }
            i += length > 0 ? static_cast<std::size_t>(length) : 1;
        }
        if (characters != 0) { end_word(); }
    }

    /// The index term of a word; empty for a stop word or a short one.
    [[nodiscard]] std::string term_of(std::string_view word) const {
        if (options_.stop_words == StopWords::english && std::binary_search(english.begin(), english.end(), word)) { return {}; }
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
