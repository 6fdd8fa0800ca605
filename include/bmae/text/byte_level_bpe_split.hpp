// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// GPT-2's pre-tokenization and its mapping of bytes to letters (Radford et al., 2019, section 2.2, and its released
/// code).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include <bmae/text/byte_level_bpe_tables.hpp>
#include <bmae/text/unicode.hpp>

namespace bmae::detail {

/// Character classes of words; punctuation, marks, symbols and the rest are `other`.
enum class CharacterClass : std::uint8_t { other, letter, number, space };

class CharacterClasses {
public:
    static CharacterClasses const& instance() {
        static CharacterClasses const table;
        return table;
    }

    [[nodiscard]] CharacterClass operator[](char32_t character) const noexcept {
        return static_cast<CharacterClass>(classes_[character]);
    }

private:
    CharacterClasses() {
        fill(letter_ranges, CharacterClass::letter);
        fill(option_ranges, CharacterClass::number);
        fill(space_ranges, CharacterClass::space);
    }
    void fill(std::span<CharacterRange const> ranges, CharacterClass value) {
        for (CharacterRange const& range : ranges) {
            for (std::uint32_t c = range.first; c <= range.last; ++c) {
                classes_.at(static_cast<char32_t>(c)) = static_cast<std::uint8_t>(value);
            }
        }
    }

    PagedTable<std::uint8_t> classes_;
};

/// Calls `word(begin, end)` for each match of GPT-2's expression
/// `'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`; together they are the whole text.
/// \param text  valid UTF-8
template <class Word>
void split_as_gpt2(std::string_view text, Word word) {
    CharacterClasses const& classes = CharacterClasses::instance();
    auto const read = [&](std::size_t at) { return read_utf8(text.substr(at)); };
    for (std::size_t at = 0; at < text.size();) {
        std::string_view const rest = text.substr(at);
        if (rest.front() == '\'') {
            std::size_t length = 0;
            for (std::string_view const ending : {"'s", "'t", "'re", "'ve", "'m", "'ll", "'d"}) {
                if (rest.starts_with(ending)) { length = ending.size(); }
            }
            if (length != 0) {
                word(at, at + length);
                at += length;
                continue;
            }
        }
        std::size_t start = at;
        if (rest.front() == ' ' && rest.size() > 1 && classes[read(at + 1).character] != CharacterClass::space) { ++start; }
        CharacterClass const first = classes[read(start).character];
        std::size_t end = start;
        std::size_t last = start;   // start of the last character of the run
        while (end < text.size()) {
            Utf8Step const step = read(end);
            if (classes[step.character] != first) { break; }
            last = end;
            end += step.bytes;
        }
        // White space before a word leaves its last character to that word.
        if (first == CharacterClass::space && end < text.size() && last > at) { end = last; }
        word(at, end);
        at = end;
    }
}

/// GPT-2's letters for bytes: printable Latin-1 is unchanged, the other bytes for U+0100, U+0101 ... in their order.
class ByteLetters {
public:
    static ByteLetters const& instance() {
        static ByteLetters const letters;
        return letters;
    }

    [[nodiscard]] std::string const& letter(unsigned char byte) const noexcept { return letters_[byte]; }
    /// The byte of a letter, -1 for other characters.
    [[nodiscard]] int byte(char32_t letter) const noexcept { return letter < bytes_.size() ? bytes_[letter] : -1; }

private:
    ByteLetters() {
        bytes_.fill(-1);
        char32_t next = 0x100;
        for (unsigned byte = 0; byte < 256; ++byte) {
            bool const printable = (byte > 0x20 && byte < 0x7f) || (byte > 0xa0 && byte != 0xad);
            char32_t const letter = printable ? static_cast<char32_t>(byte) : next++;
            append_utf8(letters_[byte], letter);
            bytes_[letter] = static_cast<int>(byte);
        }
    }

    std::array<std::string, 256> letters_;
    std::array<int, 0x144> bytes_{};
};

/// The text with every maximal ill-formed subsequence as U+FFFD.
inline std::string well_formed(std::string_view text) {
    std::string result;
    result.reserve(text.size());
    for (std::size_t at = 0; at < text.size();) {
        Utf8Step const step = read_utf8(text.substr(at));
        append_utf8(result, step.character);
        at += step.bytes;
    }
    return result;
}

}  // namespace bmae::detail
