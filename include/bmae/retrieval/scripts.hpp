// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Scripts that are written without spaces between words, and the language of a collection as far as its script tells.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include <bmae/text/unicode.hpp>

namespace bmae {

/// The scripts whose words are not between spaces; all others are `spaced`. Bopomofo counts as Han.
enum class Script : std::uint8_t { spaced, han, kana, hangul, thai, lao, khmer, myanmar };

/// The script of a letter or mark.
inline Script script_of(char32_t character) noexcept {
    struct Range {
        char32_t first, last;
        Script script;
    };
    static constexpr std::array<Range, 28> ranges{
        {{0x0e00, 0x0e7f, Script::thai},    {0x0e80, 0x0eff, Script::lao},     {0x1000, 0x109f, Script::myanmar},
         {0x1100, 0x11ff, Script::hangul},  {0x1780, 0x17ff, Script::khmer},   {0x2e80, 0x2fdf, Script::han},
         {0x3005, 0x3007, Script::han},     {0x3021, 0x3029, Script::han},     {0x3031, 0x3035, Script::kana},
         {0x3038, 0x303b, Script::han},     {0x3040, 0x30ff, Script::kana},    {0x3100, 0x312f, Script::han},
         {0x3131, 0x318e, Script::hangul},  {0x31a0, 0x31bf, Script::han},     {0x31f0, 0x31ff, Script::kana},
         {0x3400, 0x4dbf, Script::han},     {0x4e00, 0x9fff, Script::han},     {0xa960, 0xa97f, Script::hangul},
         {0xa9e0, 0xa9ff, Script::myanmar}, {0xaa60, 0xaa7f, Script::myanmar}, {0xac00, 0xd7ff, Script::hangul},
         {0xf900, 0xfaff, Script::han},     {0xff66, 0xff9f, Script::kana},    {0xffa0, 0xffdc, Script::hangul},
         {0x1aff0, 0x1afff, Script::kana},  {0x1b000, 0x1b16f, Script::kana},  {0x20000, 0x2fa1f, Script::han},
         {0x30000, 0x3ffff, Script::han}}};
    if (character < ranges.front().first) { return Script::spaced; }
    auto const after =
        std::upper_bound(ranges.begin(), ranges.end(), character, [](char32_t c, Range const& range) { return c < range.first; });
    Range const& range = *(after - 1);
    return character <= range.last ? range.script : Script::spaced;
}

/// Whether words of a script are found by pairs of characters.
inline bool has_bigrams(Script script) noexcept { return script >= Script::han && script <= Script::hangul; }
/// Whether words of a script are found by a dictionary.
inline bool needs_dictionary(Script script) noexcept { return script >= Script::thai; }

/// How many characters of a collection are of which script.
class ScriptCounts {
public:
    void add(std::string_view text) {
        for (std::size_t i = 0; i < text.size();) {
            auto const byte = static_cast<unsigned char>(text[i]);
            if (byte < 0x80) {
                bool const is_letter = (byte | 0x20U) >= 'a' && (byte | 0x20U) <= 'z';
                counts_[0] += is_letter ? 1 : 0;
                ++i;
                continue;
            }
            detail::Utf8Step const step = detail::read_utf8(text.substr(i));
            ++counts_[static_cast<std::size_t>(script_of(step.character))];
            i += step.bytes;
        }
    }

    [[nodiscard]] std::size_t operator[](Script script) const noexcept { return counts_[static_cast<std::size_t>(script)]; }
    /// Whether a text needs a dictionary to be cut into words.
    [[nodiscard]] bool needs_dictionary() const noexcept {
        return counts_[4] != 0 || counts_[5] != 0 || counts_[6] != 0 || counts_[7] != 0;
    }

    /// "zh", "ja", "ko", "th", "lo", "km" or "my" where a third of the characters are of its script; empty where they are of a
    /// script with spaces, which many languages share.
    [[nodiscard]] std::string language() const {
        std::size_t total = 0;
        for (std::size_t const count : counts_) { total += count; }
        std::size_t const han = counts_[1], kana = counts_[2], hangul = counts_[3];
        if (total == 0) { return {}; }
        if ((han + kana + hangul) * 3 >= total) {
            if (kana * 20 >= han + kana + hangul) { return "ja"; }
            return hangul >= han ? "ko" : "zh";
        }
        static constexpr std::array<std::pair<Script, char const*>, 4> others{
            {{Script::thai, "th"}, {Script::lao, "lo"}, {Script::khmer, "km"}, {Script::myanmar, "my"}}};
        for (auto const& [script, name] : others) {
            if ((*this)[script] * 3 >= total) { return name; }
        }
        return {};
    }

private:
    std::array<std::size_t, 8> counts_{};
};

}  // namespace bmae
