// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Checksum of a tokenizer, so that ids are not read with another vocabulary.
#pragma once

#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include <bmae/concepts/tokenizer.hpp>
#include <bmae/detail/hash.hpp>
#include <bmae/values/tokens.hpp>

namespace bmae {

namespace detail {

/// Every token's text, whether it continues a word, and the special ids.
template <Tokenizer T>
void hash_vocabulary(T const& tokenizer, Xxh64& hash) {
    TokenTraits const& traits = tokenizer.traits();
    for (std::size_t i = 0; i < traits.size(); ++i) {
        TokenId const id = static_cast<TokenId>(i);
        hash.update(std::string_view(tokenizer.token(id)));
        hash.update(traits.continues_word(id) ? std::string_view("\0+", 2) : std::string_view("\0-", 2));
    }
    SpecialIds const& special = traits.special();
    std::array<TokenId, 5> const ids{special.pad, special.unk, special.cls, special.sep, special.mask};
    hash.update(std::as_bytes(std::span(ids)));
}

}  // namespace detail

/// Checksum of a vocabulary: every token's text, whether it continues a word, and the special ids. A tokenizer with more
/// state (merges, scores) offers `fingerprint()` itself.
template <Tokenizer T>
std::uint64_t tokenizer_fingerprint(T const& tokenizer) {
    if constexpr (requires {
                      { tokenizer.fingerprint() } -> std::convertible_to<std::uint64_t>;
                  }) {
        return tokenizer.fingerprint();
    } else {
        detail::Xxh64 hash;
        detail::hash_vocabulary(tokenizer, hash);
        return hash.digest();
    }
}

/// The type of a tokenizer in messages and manifests: "wordpiece", "byte_level_bpe"; empty where it has none.
template <Tokenizer T>
std::string tokenizer_kind(T const& tokenizer) {
    if constexpr (requires {
                      { tokenizer.kind() } -> std::convertible_to<std::string_view>;
                  }) {
        return std::string(std::string_view(tokenizer.kind()));
    } else {
        return {};
    }
}

}  // namespace bmae
