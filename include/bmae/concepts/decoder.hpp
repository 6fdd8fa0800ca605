// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// The role `Decoder`: a sentence vector and a view to hidden states.
#pragma once

#include <concepts>
#include <cstdint>
#include <string>
#include <string_view>

#include <bmae/concepts/encoder_roles.hpp>

namespace bmae {

/// A decoder reconstructs a view from the sentence vector.                                        RetroMAE figure 1, right half
///
/// 1. `D::Options` exists; `D(options, encoder, seed, name)` builds the parameters at the encoder's width.
/// 2. `decoder.decode(sentence, view, encoder, pass, context)` returns one row per token of the view.                [T, H]
///    sentence [B, H]; `pass` holds the layer outputs of the encoder, for decoders that tap one.
/// 3. `decoder.for_each_parameter(prefix, visit)` names the parameters by role.
/// 4. `D::kind` is its name in reports: enhanced, basic, tap, causal_window, cross_attention, full_depth.
/// 5. `D::reads_visibility` is true where it applies row masks; a view with row masks needs a decoder that does.
/// Law: nothing of the encoder but `sentence` (and what a tap declares) reaches the rows; a row never reads its own token.
template <class D, class E>
concept DecoderOf =
    Encoder<E> && requires(D& module, D const& decoder, typename D::Options options, E const& encoder, at::Tensor sentence,
                           PackedInput const& view, Encoded const& pass, ForwardContext& context) {
        { D(options, encoder, std::uint64_t{}, std::string{}) };
        { decoder.decode(sentence, view, encoder, pass, context) } -> std::same_as<at::Tensor>;
        module.for_each_parameter(std::string{}, [](std::string const&, at::Tensor&, bool) {});
        { D::kind } -> std::convertible_to<std::string_view>;
        { D::reads_visibility } -> std::convertible_to<bool>;
    };

/// Explains in one sentence what `D` lacks to be a decoder over `E`; true where it lacks nothing.
template <class D, class E>
consteval bool explain_decoder() {
    if constexpr (!DecoderOf<D, E>) {
        static_assert(requires { typename D::Options; }, "Decoder: a nested aggregate `Options` is missing.");
        static_assert(
            requires {
                D::kind;
                D::reads_visibility;
            }, "Decoder: `static constexpr std::string_view kind` and `static constexpr bool reads_visibility` are missing.");
        static_assert(
            requires(typename D::Options options, E const& encoder) { D(options, encoder, std::uint64_t{}, std::string{}); },
            "Decoder: a constructor (Options, Encoder const&, seed, name) is missing.");
        static_assert(
            requires(D const& decoder, at::Tensor sentence, PackedInput const& view, E const& encoder, Encoded const& pass,
                     ForwardContext& context) {
                { decoder.decode(sentence, view, encoder, pass, context) } -> std::same_as<at::Tensor>;
            },
            "Decoder: `at::Tensor decode(sentence, view, encoder, pass, context) const`, which returns [T, H], is missing.");
        static_assert(
            requires(D& module) { module.for_each_parameter(std::string{}, [](std::string const&, at::Tensor&, bool) {}); },
            "Decoder: `for_each_parameter(prefix, visit)` is missing.");
    }
    return DecoderOf<D, E>;
}

}  // namespace bmae
