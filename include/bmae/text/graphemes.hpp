// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Extended grapheme clusters (Unicode Standard Annex 29), as HuggingFace's tokenizers end them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include <bmae/text/grapheme_tables.hpp>
#include <bmae/text/unicode.hpp>

namespace bmae::detail {

/// Classes of characters; syllables of Hangul by arithmetic.
class GraphemeClasses {
public:
    static GraphemeClasses const& instance() {
        static GraphemeClasses const table;
        return table;
    }

    [[nodiscard]] GraphemeClass operator[](char32_t c) const noexcept { return static_cast<GraphemeClass>(classes_[c]); }

private:
    GraphemeClasses() {
        for (GraphemeRange const& range : grapheme_ranges) {
            for (std::uint32_t c = range.first; c <= range.last; ++c) { classes_.at(static_cast<char32_t>(c)) = range.kind; }
        }
    }

    PagedTable<std::uint8_t> classes_;
};

/// Finds where a cluster ends, character by character.
class GraphemeBreaker {
public:
    /// Whether a cluster ends before `next`; false for the first character.
    bool ends_before(char32_t next) {
        GraphemeClass const kind = GraphemeClasses::instance()[next];
        bool const ends = has_last_ && ends_between(kind, next);
        advance(kind, next);
        return ends;
    }

private:
    using Kind = GraphemeClass;
    /// How far a sequence that joins over several characters has come.
    enum class Progress : std::uint8_t { none, begun, ready };

    static constexpr char32_t hangul = 0xac00;
    static bool is_syllable(char32_t c) noexcept { return c >= hangul && c <= 0xd7a3; }
    static bool is_regional(char32_t c) noexcept { return c >= 0x1f1e6 && c <= 0x1f1ff; }

    [[nodiscard]] bool ends_between(Kind kind, char32_t next) const noexcept {
        if (last_ == '\r' && next == '\n') { return false; }
        if (last_kind_ == Kind::control || kind == Kind::control) { return true; }
        bool const open = is_syllable(last_) && (last_ - hangul) % 28 == 0;
        if (last_kind_ == Kind::lead && (kind == Kind::lead || kind == Kind::vowel || is_syllable(next))) { return false; }
        if ((last_kind_ == Kind::vowel || open) && (kind == Kind::vowel || kind == Kind::final)) { return false; }
        if ((last_kind_ == Kind::final || is_syllable(last_)) && kind == Kind::final) { return false; }
        if (kind == Kind::extend || kind == Kind::extend_alone || kind == Kind::linker || kind == Kind::joiner ||
            kind == Kind::spacing) {
            return false;
        }
        if (last_kind_ == Kind::prepend) { return false; }
        if (conjunct_ == Progress::ready && kind == Kind::consonant) { return false; }
        if (picture_ == Progress::ready && kind == Kind::pictograph) { return false; }
        return !(is_regional(next) && is_regional(last_) && regional_ % 2 == 1);
    }

    void advance(Kind kind, char32_t next) noexcept {
        bool const extends = kind == Kind::extend || kind == Kind::extend_alone || kind == Kind::linker;
        if (kind == Kind::consonant) {   // a consonant, then linkers and what extends, at least one linker
            conjunct_ = Progress::begun;
        } else if (kind == Kind::linker && conjunct_ != Progress::none) {
            conjunct_ = Progress::ready;
        } else if (kind != Kind::extend && kind != Kind::joiner) {
            conjunct_ = Progress::none;
        }
        if (kind == Kind::pictograph) {   // a pictograph, then what extends, then one joiner
            picture_ = Progress::begun;
        } else if (kind == Kind::joiner && picture_ == Progress::begun) {
            picture_ = Progress::ready;
        } else if (!extends || picture_ != Progress::begun) {
            picture_ = Progress::none;
        }
        regional_ = is_regional(next) ? regional_ + 1 : 0;
        last_ = next;
        last_kind_ = kind;
        has_last_ = true;
    }

    char32_t last_ = 0;
    Kind last_kind_ = Kind::other;
    bool has_last_ = false;
    Progress conjunct_ = Progress::none;
    Progress picture_ = Progress::none;
    std::size_t regional_ = 0;
};

/// The bytes of the first cluster of a text.
/// \param text  valid UTF-8, not empty
inline std::size_t first_grapheme(std::string_view text) {
    GraphemeBreaker breaker;
    std::size_t end = 0;
    while (end < text.size()) {
        Utf8Step const step = read_utf8(text.substr(end));
        if (breaker.ends_before(step.character)) { break; }
        end += step.bytes;
    }
    return end;
}

}  // namespace bmae::detail
