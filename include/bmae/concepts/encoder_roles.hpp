// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// What some decoders, bottlenecks and terms need of an encoder beyond `Encoder`: a token head, positions, running on rows.
#pragma once

#include <concepts>
#include <cstdint>
#include <string>

#include <bmae/concepts/encoder.hpp>

namespace bmae {

/// An encoder that also predicts tokens: logits = head.transform(rows) word^T + head.bias, with the encoder's own token embeddings.
///
/// Masked language modeling, branches with the encoder's head, bags of words and lexical bottlenecks require it.
template <class E>
concept HasTokenHead = Encoder<E> && requires(E const& encoder, at::Tensor const& rows) {
    { encoder.head.transform(rows) } -> std::same_as<at::Tensor>;      // [M, H] -> [M, E]
    { encoder.head.bias } -> std::convertible_to<at::Tensor const&>;   // [V]
};

/// An encoder that also places a vector which is no token: enhanced decoders require it. Where positions are rotary, nothing is
/// added to a vector: `position_rows` are zeros, and a decoder turns by `shape().rotary_base` or has positions of its own.
template <class E>
concept HasPositionTable = Encoder<E> && requires(E const& encoder, at::Tensor const& rows, ForwardContext& context) {
    { encoder.embeddings.position_rows(rows, rows) } -> std::same_as<at::Tensor>;            // [T, E], positions [T] -> [T, E]
    { encoder.embeddings.embed_vectors(rows, rows, context) } -> std::same_as<at::Tensor>;   // [T, E], positions [T] -> [T, H]
};

/// An encoder that also runs on rows that are not its own embeddings: decoders that are a copy of it, or tied to it, require it.
template <class E>
concept EncodesRows =
    Encoder<E> && requires(E& module, E const& encoder, at::Tensor rows, PackedInput const& input, ForwardContext& context) {
        { encoder.encode_rows(rows, input, context, false) } -> std::same_as<Encoded>;
        module.for_each_body_parameter(std::string{}, [](std::string const&, at::Tensor&, bool) {});   // all but the token head
    };

namespace detail {
template <class T>
concept HasOptions = requires { requires std::default_initializable<typename T::Options>; };
/// The constructor of a part with parameters.
template <class T, class E>
concept BuiltOver =
    requires(typename T::Options options, E const& encoder) { T(options, encoder, std::uint64_t{}, std::string{}); };
}  // namespace detail

/// Calls `visit(name, tensor, role)` for every parameter but those of the token head, which has no part in a sentence vector.
template <Encoder E, class Visit>
void for_each_body_parameter(E& encoder, std::string const& prefix, Visit&& visit) {
    if constexpr (requires { encoder.for_each_body_parameter(prefix, visit); }) {
        encoder.for_each_body_parameter(prefix, visit);
    } else {
        encoder.for_each_parameter(prefix, visit);
    }
}

/// An encoder with values of its own, equal to those of `encoder`, whose copies share tensors.
template <Encoder E>
[[nodiscard]] E deep_copy(E const& encoder) {
    E copy = encoder;
    copy.for_each_parameter("", [](std::string const&, at::Tensor& value, bool) { value = value.detach().clone(); });
    return copy;
}

}  // namespace bmae
