// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// The role `Bottleneck`: hidden states to one vector per text.
#pragma once

#include <concepts>
#include <cstdint>
#include <string>

#include <bmae/concepts/encoder_roles.hpp>
#include <bmae/detail/static_name.hpp>
#include <bmae/values/packed_input.hpp>

namespace bmae {

namespace detail {
template <class B>
concept PoolsAlone = requires(B const& bottleneck, Encoded const& encoded, PackedInput const& input) {
    { bottleneck.pool(encoded, input) } -> std::same_as<at::Tensor>;
};
template <class B, class E>
concept PoolsOver = requires(B const& bottleneck, Encoded const& encoded, PackedInput const& input, E const& encoder) {
    { bottleneck.pool(encoded, input, encoder) } -> std::same_as<at::Tensor>;
};
}  // namespace detail

/// A bottleneck compresses a text into the one vector that its decoders get.                   RetroMAE figure 1, the arrow
///
/// 1. `bottleneck.pool(encoded, input)` on a const bottleneck returns one row per text.                               [B, D]
/// 2. `B::name` is its name in reports and in sentence-transformers folders.
/// Law: row b depends on text b alone. Not required: parameters, options; `bottleneck.width(encoder)`, which gives D, where it is
/// not H.
template <class B>
concept Bottleneck =
    std::copy_constructible<B> && std::default_initializable<B> && detail::HasStaticName<B> && detail::PoolsAlone<B>;

/// A bottleneck with parameters, or one that needs the encoder's tables (a projection, a lexicon).
///
/// 1. `B::Options`, `B(options, encoder, seed, name)`, `bottleneck.for_each_parameter(prefix, visit)`, `B::name` as above.
/// 2. `bottleneck.pool(encoded, input, encoder)` returns one row per text; with `B::reads_hidden` false `encoded` is empty. [B, D]
template <class B, class E>
concept BuiltBottleneck = Encoder<E> && detail::HasOptions<B> && detail::HasStaticName<B> && detail::BuiltOver<B, E> &&
                          detail::VisitsParameters<B> && detail::PoolsOver<B, E>;

/// Its vectors are as wide as the hidden states of `E`, so that a decoder can read them.
template <class B, class E>
concept KeepsWidth = !requires(B const& bottleneck, E const& encoder) { bottleneck.width(encoder); };

/// Explains in one sentence what `B` lacks to be a bottleneck; true where it lacks nothing.
template <class B>
consteval bool explain_bottleneck() {
    if constexpr (!Bottleneck<B>) {
        static_assert(std::copy_constructible<B>, "Bottleneck: the type must be copyable, since every pass keeps its own.");
        static_assert(std::default_initializable<B>, "Bottleneck: a default constructor is missing: a pass starts with one.");
        static_assert(
            detail::PoolsAlone<B>,
            "Bottleneck: `at::Tensor pool(Encoded const&, PackedInput const&) const`, which returns [B, D], is missing.");
        static_assert(detail::HasStaticName<B>, "Bottleneck: `static constexpr std::string_view name` is missing.");
    }
    return Bottleneck<B>;
}

/// The same for a bottleneck with parameters, over the encoder `E`.
template <class B, class E>
consteval bool explain_built_bottleneck() {
    if constexpr (!BuiltBottleneck<B, E>) {
        static_assert(
            detail::HasOptions<B>,
            "Bottleneck: a nested aggregate `Options` is missing, or it has no default constructor: a pass starts with one.");
        static_assert(detail::BuiltOver<B, E>, "Bottleneck: a constructor (Options, Encoder const&, seed, name) is missing.");
        static_assert(detail::PoolsOver<B, E>,
                      "Bottleneck: `at::Tensor pool(encoded, input, encoder) const`, which returns [B, D], is missing.");
        static_assert(detail::VisitsParameters<B>, "Bottleneck: `for_each_parameter(prefix, visit)` is missing.");
        static_assert(detail::HasStaticName<B>, "Bottleneck: `static constexpr std::string_view name` is missing.");
    }
    return BuiltBottleneck<B, E>;
}

}  // namespace bmae
