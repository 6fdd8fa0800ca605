// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Stems of two dozen languages by libstemmer (M. F. Porter, snowballstem.org). A program that includes this links it
/// (bmae::stemmer in CMake) and may set Stemming::snowball.
#pragma once

#include <cstddef>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include <libstemmer.h>

#include <bmae/retrieval/language_tools.hpp>

namespace bmae::detail {

struct CloseStemmer {
    void operator()(sb_stemmer* stemmer) const noexcept { sb_stemmer_delete(stemmer); }
};

/// The stemmer of a language for this thread; null where there is none. A stemmer has state: each thread has its own.
inline sb_stemmer* snowball_stemmer(std::string const& language) {
    thread_local std::map<std::string, std::unique_ptr<sb_stemmer, CloseStemmer>> stemmers;
    auto const [place, is_new] = stemmers.try_emplace(language);
    if (is_new) { place->second.reset(sb_stemmer_new(language.c_str(), "UTF_8")); }
    return place->second.get();
}

inline bool knows_snowball_stems(std::string const& language) { return snowball_stemmer(language) != nullptr; }

inline std::string snowball_stem(std::string_view word, std::string const& language) {
    sb_stemmer* const stemmer = snowball_stemmer(language);
    if (stemmer == nullptr) { require_stemmer(language); }
    sb_symbol const* const stem =
        sb_stemmer_stem(stemmer, reinterpret_cast<sb_symbol const*>(word.data()), static_cast<int>(word.size()));
    return {reinterpret_cast<char const*>(stem), static_cast<std::size_t>(sb_stemmer_length(stemmer))};
}

/// Registers libstemmer before main.
inline bool const snowball_is_registered = [] {
    LanguageTools& tools = language_tools();
    tools.stem = snowball_stem;
    tools.knows_stems = knows_snowball_stems;
    return true;
}();

}  // namespace bmae::detail
