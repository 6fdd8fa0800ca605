// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Optional libraries for languages, as far as a program links them: each registers itself by its header.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include <bmae/values/error.hpp>

namespace bmae {

/// What the optional libraries offer; null where a program has none of them.
struct LanguageTools {
    /// Ends of the words of a text without spaces, in bytes and ascending, the last one its size.
    std::vector<std::size_t> (*break_words)(std::string_view text) = nullptr;
    std::string break_words_version = {};   ///< "ICU 72.1"
    /// The stem of a lower-case word. \throws InputError  where `knows_stems` is false
    std::string (*stem)(std::string_view word, std::string const& language) = nullptr;
    bool (*knows_stems)(std::string const& language) = nullptr;   ///< \param language  ISO 639-1
};

/// The tools of this program.
inline LanguageTools& language_tools() {
    static LanguageTools tools;
    return tools;
}

/// \throws InputError  where this program has no word breaker
inline void require_word_breaks() {
    if (language_tools().break_words != nullptr) { return; }
    throw InputError(Diagnostic{.file = {},
                                .expected = "ICU, which cuts Thai, Lao, Khmer and Myanmar into words",
                                .found = "a program that was built without it",
                                .hint = "Install libicu-dev and build again, or take the pieces of a tokenizer as terms."});
}

/// \throws InputError  where this program has no stemmer for a language
inline void require_stemmer(std::string const& language) {
    LanguageTools const& tools = language_tools();
    bool const is_there = tools.stem != nullptr;
    if (is_there && tools.knows_stems(language)) { return; }
    throw InputError(Diagnostic{.file = {},
                                .expected = "a Snowball stemmer for the language '" + language + "'",
                                .found = is_there ? "a libstemmer without one" : "a program that was built without libstemmer",
                                .hint = is_there ? "Leave out stemming for this language."
                                                 : "Install libstemmer-dev and build again, or leave out stemming."});
}

}  // namespace bmae
