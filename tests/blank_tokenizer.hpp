// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// The poorest tokenizer that the role allows.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include <bmae/concepts/tokenizer.hpp>
#include <bmae/detail/hash.hpp>

namespace test {

/// Words at blanks; the id is a hash of the word.
class BlankTokenizer {
public:
    explicit BlankTokenizer(std::size_t size = 1000)
        : traits_({.pad = 0, .unk = 1, .cls = 2, .sep = 3, .mask = 4}, std::vector<std::uint8_t>(size, 0)) {}
    [[nodiscard]] std::vector<bmae::TokenId> encode(std::string_view text) const {
        std::vector<bmae::TokenId> ids;
        while (!text.empty()) {
            std::size_t const stop = std::min(text.find(' '), text.size());
            if (stop != 0) {
                ids.push_back(static_cast<bmae::TokenId>(5 + bmae::detail::xxh64(text.substr(0, stop)) % (traits_.size() - 5)));
            }
            text.remove_prefix(std::min(stop + 1, text.size()));
        }
        return ids;
    }
    [[nodiscard]] bmae::TokenTraits const& traits() const { return traits_; }
    [[nodiscard]] std::string_view token(bmae::TokenId) const { return "word"; }

private:
    bmae::TokenTraits traits_;
};
static_assert(bmae::Tokenizer<BlankTokenizer>);

}  // namespace test
