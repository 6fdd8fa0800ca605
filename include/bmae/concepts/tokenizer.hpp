// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// The role `Tokenizer`: text to token ids.
#pragma once

#include <concepts>
#include <string>
#include <string_view>
#include <vector>

#include <bmae/values/tokens.hpp>

namespace bmae {

/// A tokenizer maps UTF-8 text to ids of one vocabulary.
///
/// 1. `tokenizer.encode(text)` returns content ids, without special tokens and without truncation.              [n]
/// 2. `tokenizer.traits()` returns which ids are special and which continue a word.
/// 3. `tokenizer.token(id)` returns the text of a token.
/// Law: const members may be called from several threads at once; any byte string is accepted, by a documented policy.
template <class T>
concept Tokenizer = requires(T const& tokenizer, std::string_view text, TokenId id) {
    { tokenizer.encode(text) } -> std::same_as<std::vector<TokenId>>;
    { tokenizer.traits() } -> std::convertible_to<TokenTraits const&>;
    { tokenizer.token(id) } -> std::convertible_to<std::string_view>;
};

/// Explains in one sentence what `T` lacks to be a tokenizer; true where it lacks nothing.
template <class T>
consteval bool explain_tokenizer() {
    static_assert(
        requires(T const& tokens) {
            { tokens.encode(std::string_view()) } -> std::same_as<std::vector<TokenId>>;
        }, "Tokenizer: a member `std::vector<TokenId> encode(std::string_view text) const` is missing.");
    static_assert(
        requires(T const& tokenizer) {
            { tokenizer.traits() } -> std::convertible_to<TokenTraits const&>;
        }, "Tokenizer: a member `TokenTraits const& traits() const` is missing.");
    static_assert(
        requires(T const& tokenizer, TokenId id) {
            { tokenizer.token(id) } -> std::convertible_to<std::string_view>;
        }, "Tokenizer: a member `std::string_view token(TokenId id) const` is missing.");
    return Tokenizer<T>;
}

}  // namespace bmae
