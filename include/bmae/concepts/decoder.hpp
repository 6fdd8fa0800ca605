// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// The role `Decoder`: a sentence vector and a view to hidden states.
#pragma once

#include <concepts>
#include <cstdint>
#include <string>
#include <string_view>
#include <type_traits>

#include <bmae/concepts/encoder_roles.hpp>

namespace bmae {

namespace detail {
/// What reports and branches read of a decoder without an object.
template <class D>
concept SaysWhatItReads = requires {
    { D::kind } -> std::convertible_to<std::string_view>;
    { D::reads_visibility } -> std::convertible_to<bool>;
    requires !std::is_member_pointer_v<decltype(&D::kind)>;
    requires !std::is_member_pointer_v<decltype(&D::reads_visibility)>;
};
template <class D, class E>
concept DecodesOver = requires(D const& decoder, at::Tensor sentence, PackedInput const& view, E const& encoder,
                               Encoded const& pass, ForwardContext& context) {
    { decoder.decode(sentence, view, encoder, pass, context) } -> std::same_as<at::Tensor>;
};
}  // namespace detail

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
concept DecoderOf = Encoder<E> && detail::HasOptions<D> && detail::SaysWhatItReads<D> && detail::BuiltOver<D, E> &&
                    detail::VisitsParameters<D> && detail::DecodesOver<D, E>;

/// Explains in one sentence what `D` lacks to be a decoder over `E`; true where it lacks nothing.
template <class D, class E>
consteval bool explain_decoder() {
    if constexpr (!DecoderOf<D, E>) {
        static_assert(
            detail::HasOptions<D>,
            "Decoder: a nested aggregate `Options` is missing, or it has no default constructor: a branch starts with one.");
        static_assert(
            detail::SaysWhatItReads<D>,
            "Decoder: `static constexpr std::string_view kind` and `static constexpr bool reads_visibility` are missing.");
        static_assert(detail::BuiltOver<D, E>, "Decoder: a constructor (Options, Encoder const&, seed, name) is missing.");
        static_assert(
            detail::DecodesOver<D, E>,
            "Decoder: `at::Tensor decode(sentence, view, encoder, pass, context) const`, which returns [T, H], is missing.");
        static_assert(detail::VisitsParameters<D>, "Decoder: `for_each_parameter(prefix, visit)` is missing.");
    }
    return DecoderOf<D, E>;
}

}  // namespace bmae
