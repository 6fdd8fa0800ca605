// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Unicode's four normalization forms (Unicode Standard Annex 15), as HuggingFace's tokenizers compute them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include <bmae/text/compatibility_tables.hpp>
#include <bmae/text/nfc.hpp>
#include <bmae/text/unicode.hpp>

namespace bmae {

/// A normalization form. The numbers are part of the fingerprints of tokenizers.
enum class UnicodeForm : std::uint8_t {
    none = 0,   ///< as it is
    c = 10,     ///< composed
    kc = 14,    ///< composed, compatibility characters as what they stand for: a ligature as its letters
    d = 18,     ///< decomposed
    kd = 22,    ///< decomposed, compatibility characters as what they stand for
};

namespace detail {

/// Which part of `compatibility_units` a character becomes.
class CompatibilityTable {
public:
    static CompatibilityTable const& instance() {
        static CompatibilityTable const table;
        return table;
    }

    /// Appends the full compatibility decomposition.
    void decompose(char32_t c, std::u32string& out) const {
        std::uint32_t const place = places_[c];
        if (place == 0) {
            CanonicalTable::instance().decompose(c, out);
            return;
        }
        CompatibilityMap const& map = compatibility_maps[place - 1];
        for (std::uint32_t i = 0; i < map.count; ++i) { out += static_cast<char32_t>(compatibility_units[map.begin + i]); }
    }

private:
    CompatibilityTable() {
        std::uint32_t place = 0;
        for (CompatibilityMap const& map : compatibility_maps) { places_.at(map.from) = ++place; }
    }

    PagedTable<std::uint32_t> places_;
};

}  // namespace detail

/// The text in a normalization form.
/// \param text  valid UTF-8
inline std::string to_unicode_form(std::string_view text, UnicodeForm form) {
    if (form == UnicodeForm::none) { return std::string(text); }
    if (form == UnicodeForm::c) { return nfc(text); }
    bool const compatible = form == UnicodeForm::kc || form == UnicodeForm::kd;
    std::u32string characters;
    for (std::size_t at = 0; at < text.size();) {
        detail::Utf8Step const step = detail::read_utf8(text.substr(at));
        if (compatible) {
            detail::CompatibilityTable::instance().decompose(step.character, characters);
        } else {
            detail::CanonicalTable::instance().decompose(step.character, characters);
        }
        at += step.bytes;
    }
    detail::order_canonically(characters);
    if (form == UnicodeForm::kc) { characters = detail::composed(characters); }
    std::string out;
    out.reserve(text.size());
    for (char32_t const c : characters) { detail::append_utf8(out, c); }
    return out;
}

}  // namespace bmae
