// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Special tokens in raw text, found before normalization: leftmost first, then longest; and the cleanup of decoded text.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <bmae/values/tokens.hpp>

namespace bmae::detail {

class SpecialFinder {
public:
    void add(std::string const& token, TokenId id) {
        auto const known = std::find_if(tokens_.begin(), tokens_.end(), [&](auto const& entry) { return entry.second == id; });
        if (known != tokens_.end()) { return; }
        tokens_.emplace_back(token, id);
        std::stable_sort(tokens_.begin(), tokens_.end(),
                         [](auto const& a, auto const& b) { return a.first.size() > b.first.size(); });
        auto const first = static_cast<unsigned char>(token.front());
        starts_[first] = 1;
        bool const is_only =
            std::all_of(tokens_.begin(), tokens_.end(), [&](auto const& entry) { return entry.first.front() == token.front(); });
        only_start_ = is_only ? static_cast<int>(first) : -1;
    }

    [[nodiscard]] bool contains(TokenId id) const noexcept {
        return std::any_of(tokens_.begin(), tokens_.end(), [&](auto const& entry) { return entry.second == id; });
    }

    /// Calls `special(id, begin, end)` for each special token and `segment(begin, end)` for the text between, in order.
    template <class Special, class Segment>
    void split(std::string_view text, Special special, Segment segment) const {
        std::size_t begin = 0;
        for (std::size_t at = next_start(text, 0); at < text.size();) {
            auto const found = std::find_if(tokens_.begin(), tokens_.end(),
                                            [&](auto const& entry) { return text.substr(at).starts_with(entry.first); });
            if (found == tokens_.end()) {
                at = next_start(text, at + 1);
                continue;
            }
            if (at > begin) { segment(begin, at); }
            begin = at + found->first.size();
            special(found->second, at, begin);
            at = next_start(text, begin);
        }
        if (begin < text.size()) { segment(begin, text.size()); }
    }

private:
    [[nodiscard]] std::size_t next_start(std::string_view text, std::size_t from) const noexcept {
        if (from >= text.size()) { return text.size(); }
        if (only_start_ >= 0) {   // "[" for all of BERT's: the C library's search is many times faster than a table
            void const* const found = std::memchr(text.data() + from, only_start_, text.size() - from);
            return found == nullptr ? text.size() : static_cast<std::size_t>(static_cast<char const*>(found) - text.data());
        }
        while (from < text.size() && starts_[static_cast<unsigned char>(text[from])] == 0) { ++from; }
        return from;
    }

    std::vector<std::pair<std::string, TokenId>> tokens_;   // longest first
    std::array<std::uint8_t, 256> starts_{};
    int only_start_ = -1;
};

/// Joins punctuation and English contractions to the word before, one token at a time as HuggingFace's WordPiece decoder does.
inline std::string without_stray_spaces(std::string piece) {
    static constexpr std::pair<std::string_view, std::string_view> rules[] = {
        {" .", "."},   {" ?", "?"},           {" !", "!"},   {" ,", ","},     {" ' ", "'"},   {" n't", "n't"},
        {" 'm", "'m"}, {" do not", " don't"}, {" 's", "'s"}, {" 've", "'ve"}, {" 're", "'re"}};
    for (auto const& [from, to] : rules) {
        for (std::size_t at = piece.find(from); at != std::string::npos; at = piece.find(from, at + to.size())) {
            piece.replace(at, from.size(), to);
        }
    }
    return piece;
}

}  // namespace bmae::detail
