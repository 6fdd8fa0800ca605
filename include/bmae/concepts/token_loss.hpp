// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// The role `TokenLoss`: which tokens of a decoder's view are predicted.
#pragma once

#include <concepts>
#include <utility>

#include <bmae/values/example.hpp>

namespace bmae {

namespace detail {
/// It takes the text by value, or as const: its labels would be lost.
template <class L>
concept LabelsCopy = requires(L const& loss, MaskedText text, TokenTraits const& traits) { loss.label(std::move(text), traits); };
}  // namespace detail

/// A token loss labels a view; the cross-entropy itself is computed for all terms at once over the shared head.
///
/// 1. `loss.label(text, traits)` on a const loss fills `text.labels` with ids to predict or ignored_label elsewhere.      [L]
/// Law: the labels of a text without targets are all ignored, which counts as loss 0, never as NaN. Options of a branch start
/// with `L{}`, so there is a default constructor.
template <class L>
concept TokenLoss = std::copy_constructible<L> && std::default_initializable<L> && !detail::LabelsCopy<L> &&
                    requires(L const& loss, MaskedText& text, TokenTraits const& traits) {
                        { loss.label(text, traits) } -> std::same_as<void>;
                    };

/// Explains in one sentence what `L` lacks to be a token loss; true where it lacks nothing.
template <class L>
consteval bool explain_token_loss() {
    static_assert(std::copy_constructible<L>, "TokenLoss: the type must be copyable, since every term keeps its own.");
    static_assert(std::default_initializable<L>,
                  "TokenLoss: a default constructor is missing: options of a branch start with one.");
    static_assert(!detail::LabelsCopy<L>,
                  "TokenLoss: `label` must take `MaskedText&`: the labels that it sets in a copy are lost.");
    static_assert(!std::copy_constructible<L> || !std::default_initializable<L> || detail::LabelsCopy<L> || TokenLoss<L>,
                  "TokenLoss: a member `void label(MaskedText& text, TokenTraits const& traits) const` is missing.");
    return TokenLoss<L>;
}

}  // namespace bmae
