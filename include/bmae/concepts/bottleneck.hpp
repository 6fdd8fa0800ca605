// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// The role `Bottleneck`: hidden states to one vector per text.
#pragma once

#include <concepts>
#include <cstdint>
#include <string>
#include <string_view>

#include <bmae/concepts/encoder_roles.hpp>
#include <bmae/values/packed_input.hpp>

namespace bmae {

/// A bottleneck compresses a text into the one vector that its decoders get.                   RetroMAE figure 1, the arrow
///
/// 1. `bottleneck.pool(encoded, input)` on a const bottleneck returns one row per text.                               [B, D]
/// 2. `B::name` is its name in reports and in sentence-transformers folders.
/// Law: row b depends on text b alone. Not required: parameters, options; `bottleneck.width(encoder)`, which gives D, where it is
/// not H.
template <class B>
concept Bottleneck =
    std::default_initializable<B> && requires(B const& bottleneck, Encoded const& encoded, PackedInput const& input) {
        { bottleneck.pool(encoded, input) } -> std::same_as<at::Tensor>;
        { B::name } -> std::convertible_to<std::string_view>;
    };

/// A bottleneck with parameters, or one that needs the encoder's tables (a projection, a lexicon).
///
/// 1. `B::Options`, `B(options, encoder, seed, name)`, `bottleneck.for_each_parameter(prefix, visit)`.
/// 2. `bottleneck.pool(encoded, input, encoder)` returns one row per text.                                            [B, D]
/// 3. `B::name` as above.
template <class B, class E>
concept BuiltBottleneck = Encoder<E> && requires(B& module, B const& bottleneck, typename B::Options options, E const& encoder,
                                                 Encoded const& encoded, PackedInput const& input) {
    { B(options, encoder, std::uint64_t{}, std::string{}) };
    { bottleneck.pool(encoded, input, encoder) } -> std::same_as<at::Tensor>;
    { B::name } -> std::convertible_to<std::string_view>;
    module.for_each_parameter(std::string{}, [](std::string const&, at::Tensor&, bool) {});
};

/// Its vectors are as wide as the hidden states of `E`, so that a decoder can read them.
template <class B, class E>
concept KeepsWidth = !requires(B const& bottleneck, E const& encoder) { bottleneck.width(encoder); };

/// Explains in one sentence what `B` lacks to be a bottleneck; true where it lacks nothing.
template <class B>
consteval bool explain_bottleneck() {
    if constexpr (!Bottleneck<B>) {
        static_assert(Bottleneck<B>,
                      "Bottleneck: `at::Tensor pool(Encoded const&, PackedInput const&) const` returning [B, D] and a "
                      "`static constexpr std::string_view name` are needed.");
    }
    return Bottleneck<B>;
}

/// The same for a bottleneck with parameters, over the encoder `E`.
template <class B, class E>
consteval bool explain_built_bottleneck() {
    if constexpr (!BuiltBottleneck<B, E>) {
        static_assert(requires { typename B::Options; }, "Bottleneck: a nested aggregate `Options` is missing.");
        static_assert(
            requires(typename B::Options options, E const& encoder) { B(options, encoder, std::uint64_t{}, std::string{}); },
            "Bottleneck: a constructor (Options, Encoder const&, seed, name) is missing.");
        static_assert(
            requires(B const& bottleneck, Encoded const& encoded, PackedInput const& input, E const& encoder) {
                { bottleneck.pool(encoded, input, encoder) } -> std::same_as<at::Tensor>;
            }, "Bottleneck: `at::Tensor pool(encoded, input, encoder) const`, which returns [B, D], is missing.");
        static_assert(
            requires(B& module) { module.for_each_parameter(std::string{}, [](std::string const&, at::Tensor&, bool) {}); },
            "Bottleneck: `for_each_parameter(prefix, visit)` is missing.");
        static_assert(requires { B::name; }, "Bottleneck: `static constexpr std::string_view name` is missing.");
    }
    return BuiltBottleneck<B, E>;
}

}  // namespace bmae
