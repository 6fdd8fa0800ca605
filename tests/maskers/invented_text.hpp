// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// A vocabulary of 1000 ids and random texts over it, for tests of everything that masks.
#pragma once

#include <cstddef>
#include <vector>

#include <bmae/values/draw.hpp>
#include <bmae/values/tokens.hpp>

namespace bmae_test {

using bmae::TokenId;

inline constexpr TokenId pad = 0, unk = 1, cls = 2, sep = 3, mask = 4, first_word = 5, first_piece = 800, vocabulary = 1000;

/// Ids 0..4 are special, 800..999 continue a word.
inline bmae::TokenTraits const& traits() {
    static bmae::TokenTraits const value = [] {
        std::vector<std::uint8_t> continues(vocabulary, 0);
        for (std::size_t i = first_piece; i < vocabulary; ++i) { continues[i] = 1; }
        return bmae::TokenTraits({.pad = pad, .unk = unk, .cls = cls, .sep = sep, .mask = mask}, continues);
    }();
    return value;
}

/// [CLS], `length` - 2 tokens of which about `pieces` continue a word and `unknown` are [UNK], [SEP].
inline std::vector<TokenId> text(std::size_t length, bmae::Draw& draw, double pieces = .2, double unknown = .01) {
    std::vector<TokenId> ids(length, cls);
    for (std::size_t i = 1; i + 1 < length; ++i) {
        double const kind = draw.uniform();
        ids[i] = kind < pieces             ? first_piece + static_cast<TokenId>(draw.below(200))
                 : kind < pieces + unknown ? unk
                                           : first_word + static_cast<TokenId>(draw.below(795));
    }
    if (length > 1) { ids.back() = sep; }
    return ids;
}

}  // namespace bmae_test
