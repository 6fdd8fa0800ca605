// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// UTF-8 decoding and encoding, and the character properties of the BERT normalizer.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <bmae/text/unicode_tables.hpp>

namespace bmae {

/// Policy for invalid UTF-8.
enum class InvalidUtf8 : std::uint8_t {
    replace,   ///< each maximal ill-formed subsequence becomes U+FFFD, as Python's errors="replace" does
    reject,    ///< InputError with the position of the first bad byte
};

namespace detail {

inline constexpr char32_t replacement_character = 0xfffd;

/// One scalar value read from UTF-8.
struct Utf8Step {
    char32_t character;    ///< U+FFFD where the bytes are ill-formed
    std::uint32_t bytes;   ///< how many were read: at least 1
    bool valid;
};

/// Reads one scalar value; ill-formed bytes are consumed as one maximal subpart (Unicode 15, section 3.9, table 3-8).
/// \param text  not empty
inline Utf8Step read_utf8(std::string_view text) noexcept {
    auto const byte = [&](std::size_t i) { return static_cast<std::uint32_t>(static_cast<unsigned char>(text[i])); };
    std::uint32_t const first = byte(0);
    if (first < 0x80) { return {static_cast<char32_t>(first), 1, true}; }
    std::uint32_t const wanted = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
    if (first < 0xc2 || first > 0xf4) { return {replacement_character, 1, false}; }
    // The second byte alone decides about overlong forms, surrogates and values above U+10FFFF.
    std::uint32_t const low = first == 0xe0 ? 0xa0 : first == 0xf0 ? 0x90 : 0x80;
    std::uint32_t const high = first == 0xed ? 0x9f : first == 0xf4 ? 0x8f : 0xbf;
    std::uint32_t character = first & (0xffU >> (wanted + 1));
    for (std::uint32_t i = 1; i < wanted; ++i) {
        if (i >= text.size() || byte(i) < (i == 1 ? low : 0x80) || byte(i) > (i == 1 ? high : 0xbf)) {
            return {replacement_character, i, false};
        }
        character = character << 6 | (byte(i) & 0x3f);
    }
    return {static_cast<char32_t>(character), wanted, true};
}

/// Appends the UTF-8 form of one scalar value.
inline void append_utf8(std::string& text, char32_t character) {
    auto const put = [&](std::uint32_t byte) { text += static_cast<char>(static_cast<unsigned char>(byte)); };
    auto const c = static_cast<std::uint32_t>(character);
    if (c < 0x80) {
        put(c);
    } else if (c < 0x800) {
        put(0xc0 | c >> 6);
        put(0x80 | (c & 0x3f));
    } else if (c < 0x10000) {
        put(0xe0 | c >> 12);
        put(0x80 | (c >> 6 & 0x3f));
        put(0x80 | (c & 0x3f));
    } else {
        put(0xf0 | c >> 18);
        put(0x80 | (c >> 12 & 0x3f));
        put(0x80 | (c >> 6 & 0x3f));
        put(0x80 | (c & 0x3f));
    }
}

/// Position of the first byte that is not UTF-8, or npos.
inline std::size_t first_invalid_utf8(std::string_view text) noexcept {
    for (std::size_t at = 0; at < text.size();) {
        Utf8Step const step = read_utf8(text.substr(at));
        if (!step.valid) { return at; }
        at += step.bytes;
    }
    return std::string_view::npos;
}

/// Two further bits beside CharacterFlag: whether the value changes under a mapping.
inline constexpr std::uint8_t changes_when_stripped = 64;
inline constexpr std::uint8_t changes_when_lowered = 128;

/// A table over all scalar values in pages of 256, where empty pages are shared.
template <class T>
class PagedTable {
public:
    PagedTable() : pages_(256) {}

    [[nodiscard]] T operator[](char32_t character) const noexcept {
        return pages_[static_cast<std::size_t>(index_[character >> 8]) * 256 + (character & 0xff)];
    }
    T& at(char32_t character) {
        std::uint16_t& page = index_[character >> 8];
        if (page == 0) {
            page = static_cast<std::uint16_t>(pages_.size() / 256);
            pages_.resize(pages_.size() + 256);
        }
        return pages_[static_cast<std::size_t>(page) * 256 + (character & 0xff)];
    }

private:
    std::array<std::uint16_t, 0x1100> index_{};
    std::vector<T> pages_;
};

/// A mapping of scalar values to none, one or several of them; other values map to themselves.
class CharacterMap {
public:
    CharacterMap(std::span<MapRange const> ranges, std::span<MapPair const> pairs, std::span<MapSequence const> sequences) {
        for (MapRange const& range : ranges) {
            std::uint32_t const stride = range.step == 0 ? 1 : range.step;
            for (std::uint32_t c = range.first; c <= range.last; c += stride) {
                set(c, range.step == 0 ? range.value : c - range.first + range.value);
            }
        }
        for (MapPair const& pair : pairs) { set(pair.from, pair.to); }
        for (MapSequence const& sequence : sequences) {
            several_.push_back(sequence);
            set(sequence.from, several_bit | static_cast<std::uint32_t>(several_.size() - 1));
        }
    }

    [[nodiscard]] std::vector<std::uint32_t> const& keys() const noexcept { return keys_; }

    /// Calls `use(character)` for each value that `character` becomes.
    template <class Use>
    void apply(char32_t character, Use use) const {
        std::uint32_t const value = values_[character];
        if (value == 0) {
            use(character);
        } else if ((value & several_bit) == 0) {
            use(static_cast<char32_t>(value));
        } else {
            for (std::uint32_t const c : several_[value & ~several_bit].to) {
                if (c != 0) { use(static_cast<char32_t>(c)); }
            }
        }
    }

private:
    static constexpr std::uint32_t several_bit = 0x80000000U;

    void set(std::uint32_t from, std::uint32_t value) {
        values_.at(static_cast<char32_t>(from)) = value;
        keys_.push_back(from);
    }

    PagedTable<std::uint32_t> values_;
    std::vector<MapSequence> several_;
    std::vector<std::uint32_t> keys_;
};

/// The tables of the normalizer. Built once, on first use, from the ranges of unicode_tables.hpp.
class UnicodeTable {
public:
    static UnicodeTable const& instance() {
        static UnicodeTable const table;
        return table;
    }

    [[nodiscard]] std::uint8_t flags(char32_t character) const noexcept { return flags_[character]; }
    [[nodiscard]] std::uint8_t combining_class(char32_t character) const noexcept { return combining_[character]; }
    [[nodiscard]] CharacterMap const& lowered() const noexcept { return lowered_; }

    /// Canonical decomposition without nonspacing marks; Hangul syllables by arithmetic (Unicode 15, section 3.12).
    template <class Use>
    void strip(char32_t character, Use use) const {
        if (character < hangul_first || character > hangul_last) {
            stripped_.apply(character, use);
            return;
        }
        std::uint32_t const syllable = static_cast<std::uint32_t>(character) - hangul_first;
        use(static_cast<char32_t>(0x1100 + syllable / 588));
        use(static_cast<char32_t>(0x1161 + syllable % 588 / 28));
        if (syllable % 28 != 0) { use(static_cast<char32_t>(0x11a7 + syllable % 28)); }
    }

private:
    static constexpr std::uint32_t hangul_first = 0xac00;
    static constexpr std::uint32_t hangul_last = 0xd7a3;

    UnicodeTable() {
        for (FlagRange const& range : flag_ranges) {
            for (std::uint32_t c = range.first; c <= range.last; ++c) { flags_.at(static_cast<char32_t>(c)) = range.flags; }
        }
        for (CombiningClass const& entry : combining_classes) { combining_.at(entry.character) = entry.combining; }
        auto const mark = [&](std::uint32_t c, std::uint8_t bit) {
            std::uint8_t& flags = flags_.at(static_cast<char32_t>(c));
            flags = static_cast<std::uint8_t>(flags | bit);
        };
        for (std::uint32_t const c : stripped_.keys()) { mark(c, changes_when_stripped); }
        for (std::uint32_t c = hangul_first; c <= hangul_last; ++c) { mark(c, changes_when_stripped); }
        for (std::uint32_t const c : lowered_.keys()) { mark(c, changes_when_lowered); }
    }

    PagedTable<std::uint8_t> flags_;
    PagedTable<std::uint8_t> combining_;
    CharacterMap stripped_{stripped_ranges, stripped_pairs, stripped_sequences};
    CharacterMap lowered_{lowered_ranges, lowered_pairs, lowered_sequences};
};

}  // namespace detail
}  // namespace bmae
