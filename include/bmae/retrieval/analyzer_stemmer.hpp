// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// The English stemmer of Snowball 1 and 2, known as Porter2 (M. F. Porter, snowballstem.org/algorithms/english).
#pragma once

#include <array>
#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace bmae {

/// Stems a lower-case English word in UTF-8: "relational" and "relate" become "relat". Characters outside ASCII are consonants,
/// as in Snowball. Equal to the algorithm "english" of libstemmer 2.2.
class EnglishStemmer {
public:
    [[nodiscard]] std::string operator()(std::string_view word) const {
        std::vector<std::string_view> others;
        std::string const folded = fold(word, others);
        return unfold(stem_of(folded), others);
    }

private:
    using Rule = std::pair<std::string_view, std::string_view>;

    static constexpr char other = '\x80';   // one character outside ASCII: no rule replaces or removes any

    /// The word with each character outside ASCII as one `other`; those go to `others`.
    static std::string fold(std::string_view word, std::vector<std::string_view>& others) {
        std::string folded;
        for (std::size_t i = 0, end = 0; i < word.size(); i = end) {
            auto const byte = [&](std::size_t at) { return static_cast<unsigned char>(word[at]); };
            end = i + 1;
            if (byte(i) >= 128) {
                while (end < word.size() && byte(end) >= 128 && byte(end) < 192) { ++end; }   // bytes that continue a character
                others.push_back(word.substr(i, end - i));
            }
            folded += byte(i) < 128 ? word[i] : other;
        }
        return folded;
    }
    static std::string unfold(std::string const& folded, std::vector<std::string_view> const& others) {
        std::string word;
        std::size_t next = 0;
        for (char const c : folded) {
            if (c == other) {
                word += others[next++];
            } else {
                word += c;
            }
        }
        return word;
    }

    [[nodiscard]] static std::string stem_of(std::string_view word) {
        if (word.size() <= 2) { return std::string(word); }
        for (auto const& [from, to] : special_words) {
            if (word == from) { return std::string(to); }
        }
        Word stem(word);
        stem.step_0();
        stem.step_1a();
        if (!stem.is_finished()) {
            stem.step_1b();
            stem.step_1c();
            stem.step_2();
            stem.step_3();
            stem.step_4();
            stem.step_5();
        }
        return stem.text();
    }

    static constexpr std::array<Rule, 18> special_words = {{{"skis", "ski"},
                                                            {"skies", "sky"},
                                                            {"dying", "die"},
                                                            {"lying", "lie"},
                                                            {"tying", "tie"},
                                                            {"idly", "idl"},
                                                            {"gently", "gentl"},
                                                            {"ugly", "ugli"},
                                                            {"early", "earli"},
                                                            {"only", "onli"},
                                                            {"singly", "singl"},
                                                            {"sky", "sky"},
                                                            {"news", "news"},
                                                            {"howe", "howe"},
                                                            {"atlas", "atlas"},
                                                            {"cosmos", "cosmos"},
                                                            {"bias", "bias"},
                                                            {"andes", "andes"}}};

    /// Suffixes and their replacements, longest first among those that end alike.
    static constexpr std::array<Rule, 24> endings_2 = {
        {{"ational", "ate"}, {"ization", "ize"}, {"fulness", "ful"}, {"ousness", "ous"}, {"iveness", "ive"}, {"tional", "tion"},
         {"biliti", "ble"},  {"lessli", "less"}, {"entli", "ent"},   {"ation", "ate"},   {"alism", "al"},    {"aliti", "al"},
         {"ousli", "ous"},   {"iviti", "ive"},   {"fulli", "ful"},   {"enci", "ence"},   {"anci", "ance"},   {"abli", "able"},
         {"izer", "ize"},    {"ator", "ate"},    {"alli", "al"},     {"bli", "ble"},     {"ogi", "og"},      {"li", ""}}};
    static constexpr std::array<Rule, 9> endings_3 = {{{"ational", "ate"},
                                                       {"tional", "tion"},
                                                       {"alize", "al"},
                                                       {"icate", "ic"},
                                                       {"iciti", "ic"},
                                                       {"ative", ""},
                                                       {"ical", "ic"},
                                                       {"ness", ""},
                                                       {"ful", ""}}};
    static constexpr std::array<std::string_view, 18> endings_4 = {"ement", "ance", "ence", "able", "ible", "ment",
                                                                   "ant",   "ent",  "ism",  "ate",  "iti",  "ous",
                                                                   "ive",   "ize",  "ion",  "al",   "er",   "ic"};

    /// State of a word during the steps. 'Y' marks a y that is a consonant.
    class Word {
    public:
        explicit Word(std::string_view word) : text_(word.starts_with('\'') ? word.substr(1) : word) {
            for (std::size_t i = 0; i < text_.size(); ++i) {
                if (text_[i] == 'y' && (i == 0 || is_vowel(i - 1))) { text_[i] = 'Y'; }
            }
            first_ = region_after(0);
            for (std::string_view const prefix : {"gener", "commun", "arsen"}) {
                if (text_.starts_with(prefix)) { first_ = prefix.size(); }
            }
            second_ = region_after(first_);
        }

        [[nodiscard]] std::string text() const {
            std::string result = text_;
            for (char& c : result) {
                if (c == 'Y') { c = 'y'; }
            }
            return result;
        }

        /// Words that are invariant after step 1a.
        [[nodiscard]] bool is_finished() const noexcept {
            for (std::string_view const word :
                 {"inning", "outing", "canning", "herring", "earring", "proceed", "exceed", "succeed"}) {
                if (text_ == word) { return true; }
            }
            return false;
        }

        void step_0() {
            for (std::string_view const ending : {"'s'", "'s", "'"}) {
                if (text_.ends_with(ending)) {
                    drop(ending.size());
                    return;
                }
            }
        }
        void step_1a() {
            if (text_.ends_with("sses")) {
                drop(2);
            } else if (text_.ends_with("ied") || text_.ends_with("ies")) {
                drop(text_.size() > 4 ? 2 : 1);
            } else if (text_.ends_with('s') && !text_.ends_with("us") && !text_.ends_with("ss") && text_.size() > 2 &&
                       has_vowel(text_.size() - 2)) {
                drop(1);
            }
        }
        void step_1b() {
            for (std::string_view const ending : {"eedly", "ingly", "edly", "eed", "ing", "ed"}) {
                if (!text_.ends_with(ending)) { continue; }
                std::size_t const stem = text_.size() - ending.size();
                if (ending.starts_with("eed")) {
                    if (stem >= first_) { drop(ending.size() - 2); }
                } else if (has_vowel(stem)) {
                    drop(ending.size());
                    mend();
                }
                return;
            }
        }
        void step_1c() {
            if (text_.size() > 2 && (text_.back() == 'y' || text_.back() == 'Y') && !is_vowel(text_.size() - 2)) {
                text_.back() = 'i';
            }
        }
        void step_2() {
            for (auto const& [ending, to] : endings_2) {
                if (!text_.ends_with(ending)) { continue; }
                std::size_t const stem = text_.size() - ending.size();
                bool const fits = ending == "ogi" ? stem > 0 && text_[stem - 1] == 'l'
                                  : ending == "li"
                                      ? stem > 0 && std::string_view("cdeghkmnrt").find(text_[stem - 1]) != std::string_view::npos
                                      : true;
                if (fits && stem >= first_) { replace(ending.size(), to); }
                return;
            }
        }
        void step_3() {
            for (auto const& [ending, to] : endings_3) {
                if (!text_.ends_with(ending)) { continue; }
                if (text_.size() - ending.size() >= (ending == "ative" ? second_ : first_)) { replace(ending.size(), to); }
                return;
            }
        }
        void step_4() {
            for (std::string_view const ending : endings_4) {
                if (!text_.ends_with(ending)) { continue; }
                std::size_t const stem = text_.size() - ending.size();
                bool const fits = ending != "ion" || (stem > 0 && (text_[stem - 1] == 's' || text_[stem - 1] == 't'));
                if (fits && stem >= second_) { drop(ending.size()); }
                return;
            }
        }
        void step_5() {
            if (text_.empty()) { return; }
            std::size_t const last = text_.size() - 1;
            if (text_.back() == 'e' && (last >= second_ || (last >= first_ && !ends_in_short_syllable(last)))) {
                drop(1);
            } else if (text_.back() == 'l' && last >= second_ && last > 0 && text_[last - 1] == 'l') {
                drop(1);
            }
        }

    private:
        [[nodiscard]] bool is_vowel(std::size_t i) const noexcept {
            return std::string_view("aeiouy").find(text_[i]) != std::string_view::npos;
        }
        [[nodiscard]] bool has_vowel(std::size_t end) const noexcept {
            for (std::size_t i = 0; i < end; ++i) {
                if (is_vowel(i)) { return true; }
            }
            return false;
        }
        /// Position after the first consonant that follows a vowel, from `begin` on.
        [[nodiscard]] std::size_t region_after(std::size_t begin) const noexcept {
            for (std::size_t i = begin + 1; i < text_.size(); ++i) {
                if (is_vowel(i - 1) && !is_vowel(i)) { return i + 1; }
            }
            return text_.size();
        }
        [[nodiscard]] bool ends_in_short_syllable(std::size_t end) const noexcept {
            if (end == 2) { return is_vowel(0) && !is_vowel(1); }
            return end >= 3 && !is_vowel(end - 3) && is_vowel(end - 2) && !is_vowel(end - 1) &&
                   std::string_view("wxY").find(text_[end - 1]) == std::string_view::npos;
        }
        /// Step 1b, second half: "hop(ping)" becomes "hop", "hop(ing)" "hope".
        void mend() {
            if (text_.ends_with("at") || text_.ends_with("bl") || text_.ends_with("iz")) {
                text_ += 'e';
            } else if (text_.size() >= 2 && text_.back() == text_[text_.size() - 2] &&
                       std::string_view("bdfgmnprt").find(text_.back()) != std::string_view::npos) {
                drop(1);
            } else if (first_ >= text_.size() && ends_in_short_syllable(text_.size())) {
                text_ += 'e';
            }
        }
        void drop(std::size_t count) { text_.resize(text_.size() - count); }
        void replace(std::size_t count, std::string_view to) {
            drop(count);
            text_ += to;
        }

        std::string text_;
        std::size_t first_ = 0;    // where region R1 begins
        std::size_t second_ = 0;   // where region R2 begins
    };
};

}  // namespace bmae
