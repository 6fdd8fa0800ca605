// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Unicode normalization form C, as HuggingFace's tokenizers compute it.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include <bmae/text/nfc_tables.hpp>
#include <bmae/text/unicode.hpp>

namespace bmae {

namespace detail {

/// Canonical decomposition, order and composition of single characters; Hangul by arithmetic (Unicode 15, section 3.12).
class CanonicalTable {
public:
    static CanonicalTable const& instance() {
        static CanonicalTable const table;
        return table;
    }

    [[nodiscard]] std::uint8_t combining_class(char32_t c) const noexcept { return classes_[c]; }
    /// The character may change, move, or join the one before it: a text without such characters is in form C.
    [[nodiscard]] bool may_change(char32_t c) const noexcept { return active_[c] != 0 || is_vowel(c) || is_final(c); }

    /// Appends the full canonical decomposition.
    void decompose(char32_t c, std::u32string& out) const {
        if (c >= hangul && c < hangul + 19 * 588) {
            char32_t const syllable = c - hangul;
            out += lead + syllable / 588;
            out += vowel + syllable % 588 / 28;
            if (syllable % 28 != 0) { out += final_base + syllable % 28; }
            return;
        }
        auto const found = decomposed_.find(c);
        if (found == decomposed_.end()) {
            out += c;
        } else {
            out += found->second;
        }
    }

    /// The character that two become, or 0.
    [[nodiscard]] char32_t compose(char32_t first, char32_t second) const {
        if (first >= lead && first < lead + 19 && is_vowel(second)) {
            return hangul + ((first - lead) * 21 + (second - vowel)) * 28;
        }
        bool const open = first >= hangul && first < hangul + 19 * 588 && (first - hangul) % 28 == 0;
        if (open && is_final(second)) { return first + (second - final_base); }
        auto const found = composed_.find(std::uint64_t{first} << 32 | second);
        return found == composed_.end() ? 0 : found->second;
    }

private:
    static constexpr char32_t hangul = 0xac00, lead = 0x1100, vowel = 0x1161, final_base = 0x11a7;

    static bool is_vowel(char32_t c) noexcept { return c >= vowel && c < vowel + 21; }
    static bool is_final(char32_t c) noexcept { return c > final_base && c < final_base + 28; }

    CanonicalTable() {
        for (ClassRange const& range : class_ranges) {
            for (std::uint32_t c = range.first; c <= range.last; ++c) {
                classes_.at(c) = range.combining;
                active_.at(c) = 1;
            }
        }
        for (SingleMap const& map : canonical_singles) { put(map.from, std::u32string(1, map.to)); }
        for (SequenceMap const& map : canonical_sequences) {
            std::u32string whole;
            for (std::uint32_t const c : map.to) {
                if (c != 0) { whole += static_cast<char32_t>(c); }
            }
            put(map.from, std::move(whole));
        }
        for (Composite const& map : composites) {
            composed_.emplace(std::uint64_t{map.first} << 32 | map.second, map.whole);
            active_.at(map.second) = 1;
        }
        // A composite's first part may be one itself, and need not come before it.
        std::unordered_map<char32_t, Composite> pairs;
        for (Composite const& map : composites) { pairs.emplace(map.whole, map); }
        for (Composite const& map : composites) {
            std::u32string whole(1, map.second);
            char32_t first = map.first;
            for (auto inner = pairs.find(first); inner != pairs.end(); inner = pairs.find(first)) {
                whole += static_cast<char32_t>(inner->second.second);
                first = inner->second.first;
            }
            whole += first;
            std::ranges::reverse(whole);
            decomposed_.emplace(map.whole, std::move(whole));
        }
    }
    void put(std::uint32_t from, std::u32string to) {
        active_.at(from) = 1;
        decomposed_.emplace(from, std::move(to));
    }

    PagedTable<std::uint8_t> classes_;
    PagedTable<std::uint8_t> active_;
    std::unordered_map<char32_t, std::u32string> decomposed_;
    std::unordered_map<std::uint64_t, char32_t> composed_;
};

/// Sorts each run of combining characters by class; equal classes keep their order.
inline void order_canonically(std::u32string& text) {
    CanonicalTable const& table = CanonicalTable::instance();
    for (std::size_t at = 0; at < text.size();) {
        if (table.combining_class(text[at]) == 0) {
            ++at;
            continue;
        }
        std::size_t end = at;
        while (end < text.size() && table.combining_class(text[end]) != 0) { ++end; }
        std::stable_sort(text.begin() + static_cast<std::ptrdiff_t>(at), text.begin() + static_cast<std::ptrdiff_t>(end),
                         [&](char32_t a, char32_t b) { return table.combining_class(a) < table.combining_class(b); });
        at = end;
    }
}

/// Joins each character with the last starter before it, unless one of its class, or one that does not combine, is in between.
inline std::u32string composed(std::u32string const& text) {
    CanonicalTable const& table = CanonicalTable::instance();
    std::u32string out;
    std::size_t starter = std::u32string::npos;
    for (char32_t const c : text) {
        std::uint8_t const own = table.combining_class(c);
        if (starter != std::u32string::npos) {
            bool const adjacent = out.size() == starter + 1;
            std::uint8_t const before = adjacent ? 0 : table.combining_class(out.back());
            char32_t const joined = adjacent || before < own ? table.compose(out[starter], c) : 0;
            if (joined != 0) {
                out[starter] = joined;
                continue;
            }
        }
        if (own == 0) { starter = out.size(); }
        out += c;
    }
    return out;
}

}  // namespace detail

/// The text in normalization form C: canonically equal texts become equal ("e" and a combining accent become one character).
/// \param text  valid UTF-8
inline std::string nfc(std::string_view text) {
    detail::CanonicalTable const& table = detail::CanonicalTable::instance();
    bool changes = false;
    for (std::size_t at = 0; at < text.size() && !changes;) {
        if (static_cast<unsigned char>(text[at]) < 0x80) {
            ++at;
            continue;
        }
        detail::Utf8Step const step = detail::read_utf8(text.substr(at));
        changes = table.may_change(step.character);
        at += step.bytes;
    }
    if (!changes) { return std::string(text); }
    std::u32string characters;
    for (std::size_t at = 0; at < text.size();) {
        detail::Utf8Step const step = detail::read_utf8(text.substr(at));
        table.decompose(step.character, characters);
        at += step.bytes;
    }
    detail::order_canonically(characters);
    std::string out;
    out.reserve(text.size());
    for (char32_t const c : detail::composed(characters)) { detail::append_utf8(out, c); }
    return out;
}

}  // namespace bmae
