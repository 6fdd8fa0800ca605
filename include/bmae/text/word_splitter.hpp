// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Pre-tokenizers that cut a normalized text into words, as HuggingFace's tokenizers do.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <bmae/text/added_token_finder.hpp>
#include <bmae/text/byte_level_bpe_split.hpp>
#include <bmae/text/unicode.hpp>
#include <bmae/text/word_pattern.hpp>

namespace bmae {

/// One pre-tokenizer.
struct WordSplit {
    enum class Kind : std::uint8_t {
        space,         ///< WhitespaceSplit: white space separates
        punctuation,   ///< Punctuation
        digits,        ///< Digits
        word,          ///< Whitespace: runs of word characters and runs of others
        text,          ///< Split at a text
        expression,    ///< Split at the matches of a regular expression
    };
    enum class Behavior : std::uint8_t {
        removed,                ///< what matches separates and is dropped
        isolated,               ///< each match is a piece
        contiguous,             ///< each run of matches is a piece
        merged_with_previous,   ///< the first match of a run ends the piece before it, the others are pieces
        merged_with_next,       ///< the last match of a run begins the piece behind it, the others are pieces
    };

    Kind kind = Kind::space;
    Behavior behavior = Behavior::removed;
    std::string pattern = {};      ///< of Kind::text, not empty
    WordPattern expression = {};   ///< of Kind::expression
    bool invert = false;           ///< what lies between the matches counts as the match, of text and expression

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

/// A part of a text: a match, or what lies between two.
struct SplitPart {
    std::size_t begin;
    std::size_t end;
    bool matches;
};

/// The text as matches and what lies between them, in order.
inline std::vector<SplitPart> parts_of(WordSplit const& split, std::string_view piece) {
    std::vector<SplitPart> parts;
    std::size_t done = 0;
    auto const put = [&](std::size_t begin, std::size_t end) {
        if (done < begin) { parts.push_back({done, begin, split.invert}); }
        parts.push_back({begin, end, !split.invert});
        done = end;
    };
    if (split.kind == WordSplit::Kind::expression) {
        split.expression.for_each_match(piece, put);
    } else if (split.kind == WordSplit::Kind::text) {
        for (std::size_t at = piece.find(split.pattern); at != piece.npos; at = piece.find(split.pattern, done)) {
            put(at, at + split.pattern.size());
        }
    } else {   // characters of a class
        WordSplit const alone{.kind = split.kind, .behavior = WordSplit::Behavior::isolated};
        for (std::size_t at = 0; at < piece.size();) {
            Utf8Step const step = read_utf8(piece.substr(at));
            if (split_class(alone, step.character) == 1) { put(at, at + step.bytes); }
            at += step.bytes;
        }
    }
    if (done < piece.size()) { parts.push_back({done, piece.size(), split.invert}); }
    return parts;
}

/// Joins the parts as the behavior says, in the order of HuggingFace's tokenizers: a match joins its neighbor unless the part looked at
/// before it is a match too.
inline void join_parts(WordSplit::Behavior behavior, std::vector<SplitPart>& parts) {
    using Behavior = WordSplit::Behavior;
    if (behavior == Behavior::removed) {
        std::erase_if(parts, [](SplitPart const& part) { return part.matches; });
    }
    if (behavior == Behavior::removed || behavior == Behavior::isolated) { return; }
    bool const backward = behavior == Behavior::merged_with_next;
    if (backward) { std::ranges::reverse(parts); }
    std::vector<SplitPart> joined;
    bool before = false;
    for (SplitPart const& part : parts) {
        bool const joins = behavior == Behavior::contiguous ? part.matches == before : part.matches && !before;
        if (joins && !joined.empty()) {
            joined.back().begin = std::min(joined.back().begin, part.begin);
            joined.back().end = std::max(joined.back().end, part.end);
        } else {
            joined.push_back(part);
        }
        before = part.matches;
    }
    if (backward) { std::ranges::reverse(joined); }
    parts = std::move(joined);
}

}  // namespace detail

/// The pieces of one piece.
/// \param piece  valid UTF-8
inline void split_words(WordSplit const& split, std::string_view piece, std::vector<std::string_view>& out) {
    bool const by_parts = split.kind == WordSplit::Kind::text || split.kind == WordSplit::Kind::expression ||
                          split.behavior > WordSplit::Behavior::contiguous;
    if (by_parts) {
        std::vector<detail::SplitPart> parts = detail::parts_of(split, piece);
        detail::join_parts(split.behavior, parts);
        for (detail::SplitPart const& part : parts) { out.push_back(piece.substr(part.begin, part.end - part.begin)); }
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
