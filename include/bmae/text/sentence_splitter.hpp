// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// English sentences by rules: abbreviations, initials, decimals, quotes, ellipses and paragraphs; sentences of scripts whose full
/// stop is a character of its own.
#pragma once

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <bmae/text/bert_normalizer.hpp>
#include <bmae/text/unicode.hpp>

namespace bmae {

struct SentenceSplitterOptions {
    bool newline_ends = false;   ///< true: each line end ends a sentence; false: only an empty line does

    /// In lower case, without the last full stop. A stop after one of these never ends a sentence.
    std::vector<std::string> titles = {"mr",   "mrs",    "ms",  "dr",     "prof", "rev",  "hon", "st",  "gen",  "col",
                                       "maj",  "capt",   "cpt", "lt",     "sgt",  "cmdr", "adm", "gov", "sen",  "rep",
                                       "pres", "messrs", "mme", "mlle",   "fr",   "mt",   "ft",  "vs",  "e.g",  "i.e",
                                       "cf",   "viz",    "ca",  "approx", "fig",  "figs", "eq",  "eqs", "sec",  "ch",
                                       "vol",  "vols",   "no",  "nos",    "pp",   "op",   "ed",  "eds", "trans"};
    /// A stop after one of these, after an initial (J.) or an acronym (U.S.) ends a sentence only before one of `openers`.
    std::vector<std::string> abbreviations = {
        "etc",  "inc", "ltd", "co",  "corp", "jr",  "sr",  "esq", "bros", "al",  "dept", "univ", "assn", "ave", "blvd",
        "rd",   "jan", "feb", "mar", "apr",  "jun", "jul", "aug", "sept", "sep", "oct",  "nov",  "dec",  "a.m", "p.m",
        "ph.d", "b.a", "m.a", "b.c", "a.d",  "est", "min", "max", "p",    "c",   "v",    "ser",  "repr", "rev", "ibid"};
    std::vector<std::string> openers = {
        "the",    "a",     "an",    "he",    "she", "it",  "they", "we",      "i",        "you",    "this",  "that",
        "these",  "those", "there", "in",    "on",  "at",  "by",   "for",     "from",     "with",   "after", "before",
        "during", "when",  "while", "as",    "if",  "but", "and",  "however", "although", "though", "since", "because",
        "his",    "her",   "its",   "their", "our", "my",  "what", "who",     "why",      "how",    "where", "some",
        "many",   "most",  "both",  "each",  "all", "no",  "one",  "two",     "then",     "thus",   "so"};
};

/// Finds sentences as byte spans in order, without the white space around them; all other bytes are in exactly one span.
///
/// Deterministic and linear in the length of the text: it looks back and ahead by bounded distances.
class SentenceSplitter {
public:
    explicit SentenceSplitter(SentenceSplitterOptions options = {}) : options_(std::move(options)) {
        for (auto* const list : {&options_.titles, &options_.abbreviations, &options_.openers}) {
            std::sort(list->begin(), list->end());
        }
    }

    /// The same as `split`: a splitter is what `TokenStoreOptions::split` takes.
    [[nodiscard]] std::vector<ByteSpan> operator()(std::string_view text) const { return split(text); }

    [[nodiscard]] std::vector<ByteSpan> split(std::string_view text) const {
        std::vector<ByteSpan> sentences;
        std::size_t begin = skip_space(text, 0);
        auto const finish = [&](std::size_t end) {
            std::size_t last = end;
            while (last > begin && is_space(text[last - 1])) { --last; }
            if (last > begin) { sentences.push_back({begin, last}); }
            begin = end;
        };
        for (std::size_t at = begin; at < text.size();) {
            if (is_space(text[at])) {
                std::size_t const next = skip_space(text, at);
                auto const lines = std::count(text.begin() + static_cast<std::ptrdiff_t>(at),
                                              text.begin() + static_cast<std::ptrdiff_t>(next), '\n');
                if (lines >= (options_.newline_ends ? 1 : 2)) {
                    finish(at);
                    begin = next;
                }
                at = next;
                continue;
            }
            if (std::size_t const stop = skip_any(text, at, full_stops, text.size()); stop != at) {
                std::size_t const end = skip_any(text, stop, wide_closers, text.size());
                if (end == stop || !goes_on(text, end)) {
                    finish(end);
                    begin = skip_wide_space(text, end);
                }
                at = end;   // the space after it is looked at again, for empty lines
                continue;
            }
            std::size_t const stop = skip_any(text, at, terminators, text.size());
            if (stop == at) {
                ++at;
                continue;
            }
            std::size_t const end = skip_any(text, stop, closers, text.size());
            std::size_t const next = skip_space(text, end);
            if (next == text.size() || (next > end && ends_here(text, begin, at, stop, next))) {
                finish(end);
                begin = next;
            }
            at = end;   // the space after it is looked at again, for empty lines
        }
        finish(text.size());
        return sentences;
    }

private:
    static constexpr std::string_view terminators[] = {".", "!", "?", "\u2026"};
    static constexpr std::string_view closers[] = {"\"", "'", ")", "]", "}", "\u201d", "\u2019", "\u00bb"};
    static constexpr std::string_view opening[] = {"\"",     "'",      "(", "[",      "{", "\u201c",
                                                   "\u2018", "\u00ab", "-", "\u2014", "*", "_"};

    /// These end a sentence without a space behind them: of Chinese and Japanese, Devanagari and its relatives, Arabic and Urdu, Myanmar,
    /// Khmer, Ethiopic and Tibetan.
    static constexpr std::string_view full_stops[] = {"\u3002", "\uff01", "\uff1f", "\uff61", "\u0964",
                                                      "\u0965", "\u061f", "\u06d4", "\u104b", "\u17d4",
                                                      "\u17d5", "\u1362", "\u1367", "\u0f0d", "\u0f0e"};
    static constexpr std::string_view wide_closers[] = {"\u300d", "\u300f", "\uff09", "\u3011", "\u300b",
                                                        "\u3009", "\u3015", "\uff02", "\"",     "'",
                                                        ")",      "]",      "\u201d", "\u2019", "\u00bb"};

    /// Whether a sentence goes on behind a closed quotation: a letter stands there without a space.
    static bool goes_on(std::string_view text, std::size_t at) noexcept {
        static constexpr std::string_view begins[] = {"\u300c", "\u300e", "\uff08", "\u3010", "\u300a",
                                                      "\u201c", "\u2018", "\u00ab", "\u3000"};
        bool const opens = at < text.size() && skip_any(text, at, begins, text.size()) != at;
        return at < text.size() && is_letter(text[at]) && !opens;
    }
    static std::size_t skip_wide_space(std::string_view text, std::size_t at) noexcept {
        static constexpr std::string_view wide[] = {"\u3000"};
        for (;;) {
            std::size_t const next = skip_any(text, skip_space(text, at), wide, text.size());
            if (next == at) { return at; }
            at = next;
        }
    }

    static bool is_space(char c) noexcept { return c == ' ' || (c >= '\t' && c <= '\r'); }
    static bool is_upper(char c) noexcept { return c >= 'A' && c <= 'Z'; }
    static bool is_lower(char c) noexcept { return c >= 'a' && c <= 'z'; }
    static bool is_digit(char c) noexcept { return c >= '0' && c <= '9'; }
    static bool is_letter(char c) noexcept { return is_upper(c) || is_lower(c) || static_cast<unsigned char>(c) >= 0x80; }

    static std::size_t skip_space(std::string_view text, std::size_t at) noexcept {
        while (at < text.size() && is_space(text[at])) { ++at; }
        return at;
    }

    template <std::size_t N>
    static std::size_t skip_any(std::string_view text, std::size_t at, std::string_view const (&marks)[N],
                                std::size_t limit) noexcept {
        while (at < limit) {
            auto const* const found = std::find_if(std::begin(marks), std::end(marks),
                                                   [&](std::string_view mark) { return text.substr(at, mark.size()) == mark; });
            if (found == std::end(marks)) { break; }
            at += found->size();
        }
        return at;
    }

    static std::string lowered(std::string_view word) {
        std::string copy(word);
        for (char& c : copy) { c = is_upper(c) ? static_cast<char>(c + ('a' - 'A')) : c; }
        return copy;
    }

    static bool holds(std::vector<std::string> const& sorted, std::string const& word) {
        return std::binary_search(sorted.begin(), sorted.end(), word);
    }

    /// Whether the marks text[stop_begin, stop_end) end the sentence that began at `begin`; `next` is the first byte after the
    /// space.
    [[nodiscard]] bool ends_here(std::string_view text, std::size_t begin, std::size_t stop_begin, std::size_t stop_end,
                                 std::size_t next) const {
        static constexpr std::size_t longest_word = 24;
        std::size_t const follows = std::min(skip_any(text, next, opening, std::min(text.size(), next + 8)), text.size() - 1);
        if (starts_lower(text.substr(follows, 4))) { return false; }   // '"Really?" he asked', "etc. and"
        bool const has_word = stop_begin - begin > 8 || std::any_of(text.begin() + static_cast<std::ptrdiff_t>(begin),
                                                                    text.begin() + static_cast<std::ptrdiff_t>(stop_begin),
                                                                    [](char c) { return is_letter(c) || is_digit(c); });
        if (!has_word) { return false; }   // "... And then"
        if (text.substr(stop_begin, stop_end - stop_begin) != ".") { return true; }
        std::size_t word = stop_begin;
        while (word > begin && stop_begin - word < longest_word &&
               (is_letter(text[word - 1]) || text[word - 1] == '.' || is_digit(text[word - 1]))) {
            --word;
        }
        std::string_view const before = text.substr(word, stop_begin - word);
        if (before.empty()) { return true; }
        if (word == begin && before.size() <= 3 && std::all_of(before.begin(), before.end(), is_digit)) {
            return false;
        }   // "1. Introduction"
        std::string const name = lowered(before);
        bool const is_number_next = is_digit(text[follows]);
        if ((name == "no" || name == "nos") && !is_number_next) { return true; }   // "No." is a number's or an answer
        if (holds(options_.titles, name)) { return false; }
        bool const is_initial = before.size() == 1 && is_upper(before.front()) && before != "I";
        bool const is_acronym = before.size() >= 3 && before[1] == '.' && is_letter(before.front());
        if (!is_initial && !is_acronym && !holds(options_.abbreviations, name)) { return true; }
        std::size_t end = follows;
        while (end < text.size() && end - follows < longest_word && is_letter(text[end])) { ++end; }
        return holds(options_.openers, lowered(text.substr(follows, end - follows)));
    }

    /// Whether a word starts with a small letter of English or of a name from Western Europe.
    static bool starts_lower(std::string_view word) noexcept {
        char32_t const first = detail::read_utf8(word).character;
        return (first >= U'a' && first <= U'z') || (first >= U'\u00df' && first <= U'\u00ff' && first != U'\u00f7');
    }

    SentenceSplitterOptions options_;
};

}  // namespace bmae
