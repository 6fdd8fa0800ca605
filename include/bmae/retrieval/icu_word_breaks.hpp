// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Words of Thai, Lao, Khmer and Myanmar by ICU's dictionaries. A program that includes this links ICU (bmae::icu in CMake) and
/// may set AnalyzerOptions::word_breaks.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <unicode/ubrk.h>
#include <unicode/utext.h>
#include <unicode/uversion.h>

#include <bmae/retrieval/language_tools.hpp>
#include <bmae/values/error.hpp>

namespace bmae::detail {

/// One break iterator, for one thread.
class IcuWordBreaker {
public:
    IcuWordBreaker() {
        UErrorCode code = U_ZERO_ERROR;
        breaks_ = ubrk_open(UBRK_WORD, "th", nullptr, 0, &code);
        require(code, "open its word breaker");
    }
    IcuWordBreaker(IcuWordBreaker const&) = delete;
    IcuWordBreaker& operator=(IcuWordBreaker const&) = delete;
    ~IcuWordBreaker() { ubrk_close(breaks_); }

    std::vector<std::size_t> ends(std::string_view text) {
        UErrorCode code = U_ZERO_ERROR;
        UText* const read = utext_openUTF8(nullptr, text.data(), static_cast<std::int64_t>(text.size()), &code);
        ubrk_setUText(breaks_, read, &code);
        std::vector<std::size_t> found;
        if (U_SUCCESS(code)) {
            for (std::int32_t end = ubrk_next(breaks_); end != UBRK_DONE; end = ubrk_next(breaks_)) {
                found.push_back(static_cast<std::size_t>(end));
            }
        }
        utext_close(read);
        require(code, "read a text");
        return found;
    }

private:
    static void require(UErrorCode code, char const* what) {
        if (U_FAILURE(code)) { throw RunError(std::string("ICU cannot ") + what + ": " + u_errorName(code) + '.'); }
    }

    UBreakIterator* breaks_ = nullptr;
};

inline std::vector<std::size_t> icu_word_ends(std::string_view text) {
    thread_local IcuWordBreaker breaker;
    return breaker.ends(text);
}

/// Registers ICU before main.
inline bool const icu_is_registered = [] {
    LanguageTools& tools = language_tools();
    tools.break_words = icu_word_ends;
    tools.break_words_version = "ICU " U_ICU_VERSION;
    return true;
}();

}  // namespace bmae::detail
