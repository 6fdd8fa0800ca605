// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Token ids and their traits for masking: which are special and which continue a word.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

namespace bmae {

using TokenId = std::int32_t;

/// Ids of the five tokens that BERT-like models reserve; -1 where a vocabulary lacks one.
struct SpecialIds {
    TokenId pad = -1;
    TokenId unk = -1;
    TokenId cls = -1;
    TokenId sep = -1;
    TokenId mask = -1;

    friend bool operator==(SpecialIds const&, SpecialIds const&) = default;
};

/// How the two texts of a pair stand in one input: `[CLS] a [SEP] b [SEP]` with token types, `<s> a </s></s> b </s>` without.
struct PairForm {
    std::size_t separators = 1;   ///< between both texts
    bool token_types = true;      ///< 0, and 1 for the second text and the separator behind it

    friend bool operator==(PairForm const&, PairForm const&) = default;
};

/// The traits of the ids of one vocabulary, by id and never by literal string.
class TokenTraits {
public:
    TokenTraits() = default;

    /// \param special         the reserved ids; each that is >= 0 is never masked
    /// \param continues_word  [V] 1 where the token continues the word before it ("##" pieces of WordPiece)
    TokenTraits(SpecialIds special, std::vector<std::uint8_t> continues_word)
        : special_(special), continues_(std::move(continues_word)), is_special_(continues_.size(), 0) {
        for (TokenId const id : {special.pad, special.unk, special.cls, special.sep, special.mask}) {
            if (id >= 0 && static_cast<std::size_t>(id) < is_special_.size()) { is_special_[static_cast<std::size_t>(id)] = 1; }
        }
    }

    [[nodiscard]] std::size_t size() const noexcept { return continues_.size(); }   ///< V
    [[nodiscard]] SpecialIds const& special() const noexcept { return special_; }
    [[nodiscard]] bool is_special(TokenId id) const noexcept {
        return id >= 0 && static_cast<std::size_t>(id) < is_special_.size() && is_special_[static_cast<std::size_t>(id)] != 0;
    }
    [[nodiscard]] bool continues_word(TokenId id) const noexcept {
        return id >= 0 && static_cast<std::size_t>(id) < continues_.size() && continues_[static_cast<std::size_t>(id)] != 0;
    }

private:
    SpecialIds special_;
    std::vector<std::uint8_t> continues_;
    std::vector<std::uint8_t> is_special_;
};

/// The tokens of one text as a masker reads them: [CLS], content, [SEP].                                      [L]
class TokenSpan {
public:
    TokenSpan(std::span<TokenId const> ids, TokenTraits const& traits) noexcept : ids_(ids), traits_(&traits) {}

    [[nodiscard]] std::size_t size() const noexcept { return ids_.size(); }
    [[nodiscard]] TokenId operator[](std::size_t i) const noexcept { return ids_[i]; }
    [[nodiscard]] auto begin() const noexcept { return ids_.begin(); }
    [[nodiscard]] auto end() const noexcept { return ids_.end(); }
    [[nodiscard]] std::span<TokenId const> ids() const noexcept { return ids_; }
    [[nodiscard]] TokenTraits const& traits() const noexcept { return *traits_; }
    [[nodiscard]] bool is_special(std::size_t i) const noexcept { return traits_->is_special(ids_[i]); }
    [[nodiscard]] bool continues_word(std::size_t i) const noexcept { return traits_->continues_word(ids_[i]); }

private:
    std::span<TokenId const> ids_;
    TokenTraits const* traits_;
};

/// One byte per token: 1 where it is masked.                                                                  [L]
using MaskFlags = std::vector<std::uint8_t>;

}  // namespace bmae
