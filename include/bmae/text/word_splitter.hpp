// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Pre-tokenizers that cut a normalized text into words, as HuggingFace's tokenizers do.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <bmae/text/added_token_finder.hpp>
#include <bmae/text/byte_level_bpe_split.hpp>
#include <bmae/text/unicode.hpp>

namespace bmae {

/// One pre-tokenizer.
struct WordSplit {
    enum class Kind : std::uint8_t {
        space,         ///< WhitespaceSplit: white space separates
        punctuation,   ///< Punctuation
        digits,        ///< Digits
        word,          ///< Whitespace: runs of word characters and runs of others
        text,          ///< Split at a text
    };
    enum class Behavior : std::uint8_t {
        removed,      ///< what matches separates and is dropped
        isolated,     ///< each match is a piece
        contiguous,   ///< each run of matches is a piece
    };

    Kind kind = Kind::space;
    Behavior behavior = Behavior::removed;
    std::string pattern = {};   ///< of Kind::text, not empty

    friend bool operator==(WordSplit const&, WordSplit const&) = default;
};

namespace detail {

/// The class of a character under a split: 0 separates, equal neighbors above `alone` join.
inline int split_class(WordSplit const& split, char32_t c) {
    constexpr int separates = 0, alone = 1, other = 2, run = 3;
    CharacterClass const known = CharacterClasses::instance()[c];
    bool matches = false;
    if (split.kind == WordSplit::Kind::word) {
        if (known == CharacterClass::space) { return separates; }
        return WordCharacters::contains(c) ? run : other;
    }
    if (split.kind == WordSplit::Kind::space) { matches = known == CharacterClass::space; }
    if (split.kind == WordSplit::Kind::digits) { matches = known == CharacterClass::number; }
    if (split.kind == WordSplit::Kind::punctuation) { matches = (UnicodeTable::instance().flags(c) & is_punctuation) != 0; }
    if (!matches) { return other; }
    return split.behavior == WordSplit::Behavior::removed    ? separates
           : split.behavior == WordSplit::Behavior::isolated ? alone
                                                             : run;
}

inline void split_at_text(WordSplit const& split, std::string_view piece, std::vector<std::string_view>& out) {
    std::size_t begin = 0;
    auto const put = [&](std::size_t from, std::size_t to) {
        if (from < to) { out.push_back(piece.substr(from, to - from)); }
    };
    for (std::size_t at = piece.find(split.pattern); at != std::string_view::npos; at = piece.find(split.pattern, begin)) {
        std::size_t end = at + split.pattern.size();
        while (split.behavior == WordSplit::Behavior::contiguous && piece.substr(end).starts_with(split.pattern)) {
            end += split.pattern.size();
        }
        put(begin, at);
        if (split.behavior != WordSplit::Behavior::removed) { put(at, end); }
        begin = end;
    }
    put(begin, piece.size());
}

}  // namespace detail

/// The pieces of one piece.
/// \param piece  valid UTF-8
inline void split_words(WordSplit const& split, std::string_view piece, std::vector<std::string_view>& out) {
    if (split.kind == WordSplit::Kind::text) {
        detail::split_at_text(split, piece, out);
        return;
    }
    std::size_t begin = 0;
    int last = 0;
    for (std::size_t at = 0; at < piece.size();) {
        detail::Utf8Step const step = detail::read_utf8(piece.substr(at));
        int const now = detail::split_class(split, step.character);
        if (now != last || now <= 1) {
            if (last != 0 && begin < at) { out.push_back(piece.substr(begin, at - begin)); }
            begin = at;
        }
        last = now;
        at += step.bytes;
    }
    if (last != 0 && begin < piece.size()) { out.push_back(piece.substr(begin)); }
}

/// The words of a text under several splits in their order.
inline std::vector<std::string_view> split_words(std::vector<WordSplit> const& splits, std::string_view text) {
    std::vector<std::string_view> pieces;
    if (!text.empty()) { pieces.push_back(text); }
    for (WordSplit const& split : splits) {
        std::vector<std::string_view> next;
        for (std::string_view const piece : pieces) { split_words(split, piece, next); }
        pieces = std::move(next);
    }
    return pieces;
}

}  // namespace bmae
