// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// What decides about the index terms of a text.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <bmae/text/unicode_form.hpp>

namespace bmae {

/// Stop words.
enum class StopWords {
    none,
    english,   ///< the 33 words of Lucene's English analyzer
    list,      ///< those of AnalyzerOptions::stop_list
};

/// Stemming.
enum class Stemming {
    none,
    english,    ///< Porter2: see EnglishStemmer
    snowball,   ///< the algorithm of libstemmer for AnalyzerOptions::language: needs <bmae/retrieval/snowball_stemmer.hpp>
};

/// Terms that are the pieces of a model's tokenizer: see <bmae/retrieval/piece_terms.hpp>.
class PieceTerms {
public:
    virtual ~PieceTerms() = default;
    /// Calls `use(piece)` for each piece of a text.
    virtual void for_each(std::string_view text, std::function<void(std::string_view)> const& use) const = 0;
    [[nodiscard]] virtual std::string folder() const = 0;        ///< of the tokenizer
    [[nodiscard]] virtual std::string fingerprint() const = 0;   ///< of the tokenizer, in hexadecimal
};

/// The same options give the same terms: an index stores them (`to_json`, <bmae/retrieval/analyzer_settings.hpp>).
struct AnalyzerOptions {
    bool lower_case = true;   ///< by Unicode's simple mapping
    StopWords stop_words = StopWords::english;
    Stemming stemming = Stemming::none;
    std::size_t min_characters = 1;   ///< shorter words are dropped, before stemming; pairs of `bigrams` are not words
    /// Of the text before words are cut: composed and decomposed accents meet under `c`, full and half width under `kc`.
    UnicodeForm form = UnicodeForm::c;
    /// Runs of Han, Hiragana, Katakana and Hangul are cut into overlapping pairs of characters; one alone is a term.
    bool bigrams = true;
    /// Runs of Thai, Lao, Khmer and Myanmar are cut into words by a dictionary: needs <bmae/retrieval/icu_word_breaks.hpp>.
    /// Otherwise such a run, which is a phrase or a sentence, is one term.
    bool word_breaks = false;
    std::string language = {};                       ///< ISO 639-1; empty: not told
    std::vector<std::string> stop_list = {};         ///< of StopWords::list; brought into form and lower case as texts are
    std::shared_ptr<PieceTerms const> pieces = {};   ///< in place of words: all other options but `language` have no effect
};

}  // namespace bmae
