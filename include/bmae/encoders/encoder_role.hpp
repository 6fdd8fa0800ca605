// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// The roles of an encoder as values, for encoders whose type is known at run time alone.
#pragma once

#include <string>
#include <string_view>

#include <bmae/values/error.hpp>

namespace bmae {

/// What some parts need of an encoder beyond `Encoder`; each has a concept, for types that the compiler knows.
enum class EncoderRole {
    token_head,       ///< `HasTokenHead`: masked language modeling, branches with the encoder's head, lexical bottlenecks
    position_table,   ///< `HasPositionTable`: enhanced decoders
    rows,             ///< `EncodesRows`: decoders that are a copy of the encoder
    layer_stack       ///< `HasLayerStack`: decoders that run the encoder's own layers
};

namespace detail {

constexpr std::string_view in_words(EncoderRole role) noexcept {
    switch (role) {
        case EncoderRole::position_table:
            return "a table of positions (HasPositionTable)";
        case EncoderRole::rows:
            return "`encode_rows` (EncodesRows)";
        case EncoderRole::layer_stack:
            return "this library's transformer layers (HasLayerStack)";
        case EncoderRole::token_head:
            break;
    }
    return "a language-model head (HasTokenHead)";
}

/// What to use instead where an encoder lacks a role.
constexpr std::string_view instead_of(EncoderRole role) noexcept {
    switch (role) {
        case EncoderRole::position_table:
            return "Use a preset with BasicDecoder, as retromae-basic, or an encoder with learned positions.";
        case EncoderRole::rows:
            return "Use a decoder with layers of its own, or another encoder.";
        case EncoderRole::layer_stack:
            return "Use CrossAttentionDecoder, which has layers of its own, or another encoder.";
        case EncoderRole::token_head:
            break;
    }
    return "Use a branch with OwnHead, or an encoder with a head.";
}

}  // namespace detail

/// Refuses a type-erased encoder that lacks a role, when the part that needs it is built. Of any other encoder the compiler has
/// checked it.
/// \param part  path of the part in the composition
/// \param kind  its name in reports
template <class E>
void require_role(E const& encoder, EncoderRole role, std::string const& part, std::string_view kind) {
    if constexpr (requires { encoder.has(role); }) {
        if (encoder.has(role)) { return; }
        throw InputError(Diagnostic{.file = {},
                                    .expected = "an encoder with " + std::string(detail::in_words(role)) + ", which " + part +
                                                " (" + std::string(kind) + ") needs",
                                    .found = "the encoder " + std::string(encoder.held_name()) + ", which has none",
                                    .hint = std::string(detail::instead_of(role))});
    }
}

}  // namespace bmae
