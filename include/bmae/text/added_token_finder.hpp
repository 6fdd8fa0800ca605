// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Tokens that are added to a model's vocabulary, and where they stand in a text.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <bmae/text/byte_level_bpe_split.hpp>
#include <bmae/text/unicode.hpp>
#include <bmae/text/word_tables.hpp>
#include <bmae/values/tokens.hpp>

namespace bmae {

/// One token that is matched verbatim in text.
struct AddedToken {
    std::string content = {};
    TokenId id = -1;
    bool special = true;        ///< skipped in decoded text
    bool lstrip = false;        ///< strips the white space before it
    bool rstrip = false;        ///< strips the white space after it
    bool normalized = false;    ///< matched in the normalized text
    bool single_word = false;   ///< no match within a word

    friend bool operator==(AddedToken const&, AddedToken const&) = default;
};

namespace detail {

/// Characters of words, as the boundaries of a token with `single_word` know them.
class WordCharacters {
public:
    static bool contains(char32_t c) noexcept {
        auto const* const after = std::upper_bound(std::begin(word_ranges), std::end(word_ranges), c,
                                                   [](char32_t value, WordRange const& range) { return value < range.first; });
        return after != std::begin(word_ranges) && c <= (after - 1)->last;
    }
};

/// Splits text at added tokens: leftmost first, then longest.
class AddedTokenFinder {
public:
    void add(AddedToken token) {
        if (token.content.empty()) { return; }
        auto const first = static_cast<unsigned char>(token.content.front());
        only_start_ = tokens_.empty() || only_start_ == static_cast<int>(first) ? static_cast<int>(first) : -1;
        starts_[first] = 1;
        auto const after = std::ranges::upper_bound(by_content_, token.content, std::ranges::less(),
                                                    [this](std::size_t i) -> std::string const& { return tokens_[i].content; });
        by_content_.insert(after, static_cast<std::uint32_t>(tokens_.size()));   // a sort per token takes minutes for 20,000
        tokens_.push_back(std::move(token));
    }

    [[nodiscard]] bool empty() const noexcept { return tokens_.empty(); }

    /// Calls `special(id, begin, end)` for each token and `segment(begin, end)` for the text between, in order.
    template <class Special, class Segment>
    void split(std::string_view text, Special special, Segment segment) const {
        std::size_t begin = 0;
        for (std::size_t at = next_start(text, 0); at < text.size();) {
            AddedToken const* const found = longest_at(text.substr(at));
            if (found == nullptr) {
                at = next_start(text, at + 1);
                continue;
            }
            std::size_t first = at;
            std::size_t last = at + found->content.size();
            at = next_start(text, last);
            if (found->single_word && is_within_word(text, first, last)) { continue; }
            if (found->lstrip) { first = std::max(begin, first - spaces_at_end(text.substr(0, first))); }
            if (found->rstrip) { last += spaces_at_start(text.substr(last)); }
            if (begin < first) { segment(begin, first); }
            special(found->id, first, last);
            begin = last;
            at = next_start(text, std::max(at, last));
        }
        if (begin < text.size()) { segment(begin, text.size()); }
    }

private:
    /// The longest token that a text begins with, of equal ones the first added; null where there is none. The tokens with the bytes read
    /// so far are narrowed byte by byte: one of 20,000 tokens after the other would take minutes for a text of their first bytes.
    [[nodiscard]] AddedToken const* longest_at(std::string_view text) const {
        AddedToken const* found = nullptr;
        auto first = by_content_.begin();
        auto last = by_content_.end();
        for (std::size_t n = 0; first != last; ++n) {
            if (tokens_[*first].content.size() == n) { found = &tokens_[*first]; }   // in ascending order: the shortest is first
            if (n == text.size()) { break; }
            auto const byte_of = [this, n](std::uint32_t i) {
                std::string const& content = tokens_[i].content;
                return n < content.size() ? static_cast<int>(static_cast<unsigned char>(content[n])) : -1;
            };
            auto const narrowed = std::ranges::equal_range(first, last, static_cast<int>(static_cast<unsigned char>(text[n])),
                                                           std::ranges::less(), byte_of);
            first = narrowed.begin();
            last = narrowed.end();
        }
        return found;
    }

    /// The next place from `from` on where a token may begin.
    [[nodiscard]] std::size_t next_start(std::string_view text, std::size_t from) const noexcept {
        if (from >= text.size() || tokens_.empty()) { return text.size(); }
        if (only_start_ >= 0) {   // "[" for all of BERT's: the C library's search is many times faster than a table
            void const* const found = std::memchr(text.data() + from, only_start_, text.size() - from);
            return found == nullptr ? text.size() : static_cast<std::size_t>(static_cast<char const*>(found) - text.data());
        }
        while (from < text.size() && starts_[static_cast<unsigned char>(text[from])] == 0) { ++from; }
        return from;
    }

    static bool is_space(char32_t character) { return CharacterClasses::instance()[character] == CharacterClass::space; }
    static std::size_t last_character(std::string_view text) noexcept {
        std::size_t at = text.size() - 1;
        while (at > 0 && (static_cast<unsigned char>(text[at]) & 0xc0U) == 0x80U) { --at; }
        return at;
    }
    static bool is_within_word(std::string_view text, std::size_t first, std::size_t last) noexcept {
        auto const is_word = [&](std::size_t at) { return WordCharacters::contains(read_utf8(text.substr(at)).character); };
        return (first > 0 && is_word(last_character(text.substr(0, first)))) || (last < text.size() && is_word(last));
    }
    static std::size_t spaces_at_start(std::string_view text) {
        std::size_t at = 0;
        while (at < text.size()) {
            Utf8Step const step = read_utf8(text.substr(at));
            if (!is_space(step.character)) { break; }
            at += step.bytes;
        }
        return at;
    }
    static std::size_t spaces_at_end(std::string_view text) {
        std::size_t end = text.size();
        while (end > 0) {
            std::size_t const at = last_character(text.substr(0, end));
            if (!is_space(read_utf8(text.substr(at)).character)) { break; }
            end = at;
        }
        return text.size() - end;
    }

    std::vector<AddedToken> tokens_;
    std::vector<std::uint32_t> by_content_;   // in `tokens_`, in ascending order of their bytes
    std::array<std::uint8_t, 256> starts_{};
    int only_start_ = -1;
};

}  // namespace detail
}  // namespace bmae
