// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Sets of characters in a regular expression: `a`, `[^\s\p{L}]`, `\d`.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include <bmae/text/pattern_tables.hpp>
#include <bmae/text/unicode.hpp>
#include <bmae/text/word_tables.hpp>

namespace bmae::detail {

/// Classes of characters that an expression names, a bit each.
namespace pattern_class {
inline constexpr std::uint16_t letter = 1;         ///< \p{L}
inline constexpr std::uint16_t number = 2;         ///< \p{N}
inline constexpr std::uint16_t space = 4;          ///< \s
inline constexpr std::uint16_t digit = 8;          ///< \d
inline constexpr std::uint16_t word = 16;          ///< \w in a set
inline constexpr std::uint16_t mark = 32;          ///< \p{M}
inline constexpr std::uint16_t punctuation = 64;   ///< \p{P}
inline constexpr std::uint16_t symbol = 128;       ///< \p{S}
inline constexpr std::uint16_t lone_word = 256;    ///< \w alone
}  // namespace pattern_class

/// The classes of every character, as the regular expressions of HuggingFace's tokenizers have them.
class PatternClasses {
public:
    static PatternClasses const& instance() {
        static PatternClasses const table;
        return table;
    }

    [[nodiscard]] std::uint16_t of(char32_t character) const noexcept { return classes_[character]; }

private:
    PatternClasses() {
        add(letter_ranges, pattern_class::letter);
        add(option_ranges, pattern_class::number);
        add(space_ranges, pattern_class::space);
        add(digit_ranges, pattern_class::digit);
        add(mark_ranges, pattern_class::mark);
        add(punctuation_ranges, pattern_class::punctuation);
        add(symbol_ranges, pattern_class::symbol);
        add(word_ranges, pattern_class::word | pattern_class::lone_word);
        for (char32_t const joiner : {U'\u200c', U'\u200d'}) {
            classes_.at(joiner) = 0;
        }   // of words elsewhere, not in expressions
        for (char32_t c = 0x80; c < 0x100;
             ++c) {   // Oniguruma: superscripts and fractions of Latin-1 are of words outside of sets
            if ((classes_[c] & pattern_class::number) != 0) { classes_.at(c) |= pattern_class::lone_word; }
        }
    }
    template <class Range, std::size_t n>
    void add(Range const (&ranges)[n], std::uint16_t bits) {
        for (Range const& range : ranges) {
            for (std::uint32_t c = range.first; c <= range.last; ++c) { classes_.at(static_cast<char32_t>(c)) |= bits; }
        }
    }

    PagedTable<std::uint16_t> classes_;
};

/// A set of characters. ASCII is looked up in a table, which `finish` makes.
class PatternSet {
public:
    void add(char32_t first, char32_t last) { ranges_.push_back({first, last}); }
    /// Characters of a class, or all others.
    void add_class(std::uint16_t bit, bool others) { (others ? others_ : classes_).push_back(bit); }
    void negate() noexcept { is_negated_ = true; }
    void finish() {
        for (std::size_t c = 0; c < ascii_.size(); ++c) { ascii_[c] = is_member(static_cast<char32_t>(c)); }
    }

    [[nodiscard]] bool contains(char32_t character) const noexcept {
        return character < ascii_.size() ? ascii_[character] : is_member(character);
    }

private:
    [[nodiscard]] bool is_member(char32_t character) const noexcept {
        std::uint16_t const classes = PatternClasses::instance().of(character);
        bool found = false;
        for (std::uint16_t const bit : classes_) { found = found || (classes & bit) != 0; }
        for (std::uint16_t const bit : others_) { found = found || (classes & bit) == 0; }
        for (auto const& [first, last] : ranges_) { found = found || (character >= first && character <= last); }
        return found != is_negated_;
    }

    struct Range {
        char32_t first, last;
    };
    std::array<bool, 128> ascii_{};
    std::vector<Range> ranges_ = {};
    std::vector<std::uint16_t> classes_ = {};
    std::vector<std::uint16_t> others_ = {};
    bool is_negated_ = false;
};

}  // namespace bmae::detail
