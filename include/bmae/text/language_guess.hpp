// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// The writing system of a character, and the language of a text as far as writing and function words tell it.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include <bmae/text/unicode.hpp>

namespace bmae {

/// The writing system of a letter by its block: "latin", "cyrillic", "han"; empty for digits, punctuation, symbols and rare systems.
inline std::string_view writing_of(char32_t character) noexcept {
    struct Block {
        char32_t first, last;
        std::string_view name;
    };
    static constexpr std::array<Block, 39> blocks{
        {{0x41, 0x5a, "latin"},      {0x61, 0x7a, "latin"},        {0xaa, 0xaa, "latin"},       {0xba, 0xba, "latin"},
         {0xc0, 0xd6, "latin"},      {0xd8, 0xf6, "latin"},        {0xf8, 0x2af, "latin"},      {0x370, 0x3ff, "greek"},
         {0x400, 0x52f, "cyrillic"}, {0x531, 0x58f, "armenian"},   {0x5d0, 0x5f2, "hebrew"},    {0x620, 0x6ff, "arabic"},
         {0x750, 0x77f, "arabic"},   {0x900, 0x97f, "devanagari"}, {0x980, 0x9ff, "bengali"},   {0xa00, 0xa7f, "gurmukhi"},
         {0xa80, 0xaff, "gujarati"}, {0xb00, 0xb7f, "odia"},       {0xb80, 0xbff, "tamil"},     {0xc00, 0xc7f, "telugu"},
         {0xc80, 0xcff, "kannada"},  {0xd00, 0xd7f, "malayalam"},  {0xd80, 0xdff, "sinhala"},   {0xe00, 0xe7f, "thai"},
         {0xe80, 0xeff, "lao"},      {0xf00, 0xfff, "tibetan"},    {0x1000, 0x109f, "myanmar"}, {0x10a0, 0x10ff, "georgian"},
         {0x1100, 0x11ff, "hangul"}, {0x1200, 0x139f, "ethiopic"}, {0x1780, 0x17ff, "khmer"},   {0x1e00, 0x1eff, "latin"},
         {0x1f00, 0x1fff, "greek"},  {0x3041, 0x30ff, "kana"},     {0x3400, 0x4dbf, "han"},     {0x4e00, 0x9fff, "han"},
         {0xac00, 0xd7a3, "hangul"}, {0xf900, 0xfaff, "han"},      {0x20000, 0x3ffff, "han"}}};
    auto const after =
        std::upper_bound(blocks.begin(), blocks.end(), character, [](char32_t c, Block const& block) { return c < block.first; });
    if (after == blocks.begin() || character > (after - 1)->last || character == 0xd7 || character == 0xf7) { return {}; }
    return (after - 1)->name;
}

namespace detail {

/// The most frequent function words of a language. Words of one letter and words that several of these languages share tell little, and are left out.
struct FunctionWords {
    std::string_view language;   ///< ISO 639-1
    std::string_view writing;
    std::string_view words;   ///< between blanks
};

inline constexpr std::array<FunctionWords, 15> function_words{
    {{"en", "latin", " the of and to that is was for with as are by this be from which it an or not have has were their "},
     {"de", "latin", " der die und das den von zu mit sich des auf ist im dem nicht eine als auch es werden aus hat dass wird "},
     {"fr", "latin", " le les des et est dans une que pour qui du sur par plus pas avec sont au ce cette aux ou ses "},
     {"es", "latin", " el los las y del que una por con para es se su como al lo pero sus fue entre "},
     {"it", "latin", " il di che della nel gli delle dei con sono alla una anche nella dal ha ed al degli questo "},
     {"pt", "latin", " os do da que em um uma para com dos das na por foi ao mais como pela seu "},
     {"nl", "latin", " het een van en dat op te zijn voor met niet aan ook door maar naar bij wordt uit deze "},
     {"sv", "latin", " och att av som en det den till med inte har om ett var han jag fr\u00e5n p\u00e5 \u00e4r f\u00f6r "},
     {"da", "latin", " og af er til ikke det den har som en med et fra blev ved eller efter p\u00e5 "},
     {"pl", "latin", " nie si\u0119 na jest do to od przez jak oraz ale jego by\u0142 dla po lub tym "},
     {"tr", "latin", " ve bir bu ile i\u00e7in olarak olan daha \u00e7ok gibi sonra kadar taraf\u0131ndan ise "},
     {"fi", "latin", " ja on ei se oli ett\u00e4 ovat my\u00f6s mutta kun sek\u00e4 h\u00e4n joka tai "},
     {"id", "latin", " yang dan di dari untuk pada dengan adalah ini dalam oleh sebagai tidak "},
     {"ru", "cyrillic",
      " \u0438 \u0432 \u043d\u0435 \u043d\u0430 \u0447\u0442\u043e \u043e\u043d \u0441 \u0441\u043e \u043a\u0430\u043a "
      "\u044d\u0442\u043e \u043f\u043e \u043a "
      "\u0431\u044b\u043b \u0438\u0437 \u0434\u043b\u044f \u043e\u0442 "},
     {"uk", "cyrillic",
      " \u0456 \u0442\u0430 \u0449\u043e \u0443 \u0432\u0456\u0434 \u0454 \u044f\u043a \u0434\u043e \u0446\u0435 "
      "\u0431\u0443\u0432 \u0437\u0430 \u0430\u0431\u043e "
      "\u0437 \u0439 "}}};

/// Characters of a text by writing system, and how many of its words are function words of each language.
struct LanguageSigns {
    std::array<std::size_t, function_words.size()> hits{};
    std::array<std::pair<std::string_view, std::size_t>, 32> writings{};   ///< unused entries have an empty name
    std::size_t letters = 0;

    void add_letter(std::string_view writing) noexcept {
        ++letters;
        for (auto& [name, count] : writings) {
            if (name.empty()) { name = writing; }
            if (name == writing) {
                ++count;
                return;
            }
        }
    }
    void add_word(std::string const& word) {   // between blanks
        for (std::size_t i = 0; i < function_words.size(); ++i) {
            hits[i] += function_words[i].words.find(word) != std::string_view::npos ? 1U : 0U;
        }
    }
    [[nodiscard]] std::size_t of(std::string_view writing) const noexcept {
        for (auto const& [name, count] : writings) {
            if (name == writing) { return count; }
        }
        return 0;
    }
};

inline LanguageSigns language_signs(std::string_view text) {
    LanguageSigns signs;
    std::string word = " ";
    auto const end_word = [&] {
        if (word.size() > 1) { signs.add_word(word += ' '); }
        word = " ";
    };
    while (!text.empty()) {
        Utf8Step const step = read_utf8(text);
        text.remove_prefix(step.bytes);
        std::string_view const writing = writing_of(step.character);
        if (writing.empty()) {
            end_word();
            continue;
        }
        signs.add_letter(writing);
        UnicodeTable::instance().lowered().apply(step.character, [&](char32_t c) { append_utf8(word, c); });
    }
    end_word();
    return signs;
}

}  // namespace detail

/// A guess at the language of a text, for counts over a corpus and not for single decisions: an ISO 639-1 code where the writing system or its function
/// words tell ("da" stands for Norwegian, too); the name of a writing system that several languages share where they do not ("latin"); empty where less
/// than twenty letters are there. Han with a twentieth of kana is "ja", without "zh".
/// The first 2,000 bytes are read.
inline std::string guess_language(std::string_view text) {
    constexpr std::size_t least_letters = 20, read_bytes = 2000;
    if (text.size() > read_bytes) {
        std::size_t end = read_bytes;
        while (end != 0 && (static_cast<unsigned char>(text[end]) & 0xc0U) == 0x80U) { --end; }   // between characters
        text = text.substr(0, end);
    }
    detail::LanguageSigns const signs = detail::language_signs(text);
    if (signs.letters < least_letters) { return {}; }
    std::size_t const han = signs.of("han"), kana = signs.of("kana");
    auto const largest = *std::max_element(signs.writings.begin(), signs.writings.end(),
                                           [](auto const& a, auto const& b) { return a.second < b.second; });
    if (han + kana >= largest.second && han + kana != 0) { return kana * 20 >= han + kana ? "ja" : "zh"; }
    std::string_view const writing = largest.first;
    if (writing == "hangul") { return "ko"; }
    std::size_t best = 0, second = 0, place = 0;
    for (std::size_t i = 0; i < signs.hits.size(); ++i) {
        if (detail::function_words[i].writing != writing) { continue; }
        if (signs.hits[i] > best) {
            second = best;
            best = signs.hits[i];
            place = i;
        } else {
            second = std::max(second, signs.hits[i]);
        }
    }
    bool const told = best >= 2 && best > second;
    return std::string(told ? detail::function_words[place].language : writing);
}

}  // namespace bmae
