// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// The roles `Masker`, `RelatedMasker` and `VisibilityMasker`: which tokens are masked.
#pragma once

#include <concepts>

#include <bmae/values/draw.hpp>
#include <bmae/values/tokens.hpp>
#include <bmae/values/visibility.hpp>

namespace bmae {

/// A masker chooses the tokens of a text that are masked.                                  RetroMAE figure 1, the gray boxes
///
/// 1. `masker.draw(text, draw)` on a const masker returns one flag per token of `text`.              MaskFlags, [L]
/// Law: the flags depend on the text and on `draw` alone; `flags.size() == text.size()`; specials are never flagged
/// unless the masker documents it. A view starts with `M{}`, so there is a default constructor. Not required: a base class,
/// registration, thread safety beyond const.
template <class M>
concept Masker =
    std::copy_constructible<M> && std::default_initializable<M> && requires(M const& masker, TokenSpan text, Draw& draw) {
        { masker.draw(text, draw) } -> std::same_as<MaskFlags>;
    };

/// A masker that also reads the encoder's mask of the same pass (complement, superset).
///
/// 1. `masker.draw(text, draw, encoder)` gets the encoder's flags, one for each token of `text`.                      [L]
/// The two views read the same text: `View` refuses anything else. Where it may: `masker.require_fits(encoder_masker, path,
/// encoder_path)` throws InputError, before training, where its options contradict those of the encoder's masker.
template <class M>
concept RelatedMasker = std::copy_constructible<M> && std::default_initializable<M> &&
                        requires(M const& masker, TokenSpan text, Draw& draw, MaskFlags const& encoder) {
                            { masker.draw(text, draw, encoder) } -> std::same_as<MaskFlags>;
                        };

/// Masks no token of the text but chooses, row by row, the context that a decoder attends to.         RetroMAE equation 7
template <class M>
concept VisibilityMasker =
    std::copy_constructible<M> && std::default_initializable<M> && requires(M const& masker, TokenSpan text, Draw& draw) {
        { masker.draw(text, draw) } -> std::same_as<Visibility>;
    };

/// Anything that fits the masker slot of a `View`.
template <class M>
concept AnyMasker = Masker<M> || RelatedMasker<M> || VisibilityMasker<M>;

namespace detail {
template <class M>
concept HasDraw = requires { &M::draw; };
template <class M>
concept DrawsNonConst = requires(M& masker, TokenSpan text, Draw& draw) { masker.draw(text, draw); };
}  // namespace detail

/// Explains in one sentence what `M` lacks to be a masker; true where it lacks nothing.
template <class M>
consteval bool explain_masker() {
    if constexpr (!AnyMasker<M>) {
        static_assert(std::copy_constructible<M>, "Masker: the type must be copyable, since every view keeps its own.");
        static_assert(std::default_initializable<M>, "Masker: a default constructor is missing: a view starts with one.");
        static_assert(detail::HasDraw<M> || detail::DrawsNonConst<M>,
                      "Masker: a member `MaskFlags draw(TokenSpan text, Draw& draw) const` is missing.");
        static_assert(
            !(detail::HasDraw<M> || detail::DrawsNonConst<M>) || !std::copy_constructible<M> || !std::default_initializable<M>,
            "Masker: draw(TokenSpan, Draw&) must be const and return MaskFlags (masked tokens) or Visibility (row masks).");
    }
    return AnyMasker<M>;
}

}  // namespace bmae
