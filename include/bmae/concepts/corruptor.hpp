// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// The role `Corruptor`: what a masked token becomes.
#pragma once

#include <concepts>
#include <utility>

#include <bmae/values/draw.hpp>
#include <bmae/values/example.hpp>

namespace bmae {

namespace detail {
/// It takes the text by value, or as const: its edits would be lost.
template <class C>
concept CorruptsCopy = requires(C const& corruptor, MaskedText text, TokenTraits const& traits, Draw& draw) {
    corruptor.corrupt(std::move(text), traits, draw);
};
}  // namespace detail

/// A corruptor turns the flagged tokens of a view into what the network will read.
///
/// 1. `corruptor.corrupt(text, traits, draw)` on a const corruptor edits `text.input_ids`, which arrive equal to
///    `text.original_ids`, and may clear flags that must not become targets.                                   [L]
/// Law: afterwards all vectors of `text` still have one length; unflagged tokens are unchanged. One that deletes or inserts tokens
/// edits all vectors alike and declares it: `static constexpr bool changes_length = true`. Then neither row masks nor related
/// maskers fit the view. A view starts with `C{}`, so there is a default constructor. Not required: a base class, registration.
template <class C>
concept Corruptor = std::copy_constructible<C> && std::default_initializable<C> && !detail::CorruptsCopy<C> &&
                    requires(C const& corruptor, MaskedText& text, TokenTraits const& traits, Draw& draw) {
                        { corruptor.corrupt(text, traits, draw) } -> std::same_as<void>;
                    };

/// Explains in one sentence what `C` lacks to be a corruptor; true where it lacks nothing.
template <class C>
consteval bool explain_corruptor() {
    if constexpr (!Corruptor<C>) {
        static_assert(std::copy_constructible<C>, "Corruptor: the type must be copyable, since every view keeps its own.");
        static_assert(std::default_initializable<C>, "Corruptor: a default constructor is missing: a view starts with one.");
        static_assert(!detail::CorruptsCopy<C>, "Corruptor: `corrupt` must take `MaskedText&`: edits of a copy are lost.");
        static_assert(!std::copy_constructible<C> || !std::default_initializable<C> || detail::CorruptsCopy<C>,
                      "Corruptor: a member `void corrupt(MaskedText&, TokenTraits const&, Draw&) const` is missing.");
    }
    return Corruptor<C>;
}

}  // namespace bmae
