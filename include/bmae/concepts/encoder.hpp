// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// The role `Encoder`: packed tokens to hidden states; and the further requirements of some decoders and terms.
#pragma once

#include <concepts>
#include <cstdint>
#include <string>
#include <string_view>

#include <bmae/nn/context.hpp>
#include <bmae/values/packed_input.hpp>
#include <bmae/values/parameter_role.hpp>
#include <bmae/values/shape.hpp>

namespace bmae {

/// An encoder reads a packed view and returns one hidden state per token.                          RetroMAE figure 1, left half
///
/// 1. `E::Options` exists and `E(Options, seed)` initializes new parameters; `E::name` is its name in reports.
/// 2. `encoder.encode(input, context, keep_layers)` returns the hidden states.                                Encoded, [T, H]
/// 3. `encoder.embeddings(ids, positions, context)` gives the rows of a decoder's tokens, [T, H]; `encoder.embeddings.word` is the
///    table of token embeddings, [V, E].
/// 4. `encoder.shape()` returns its sizes: decoders, heads and bottlenecks are built from them.
/// 5. `encoder.for_each_parameter(prefix, visit)` calls `visit(name, tensor, role)` for every parameter, a token head included.
/// Law: a row depends on the rows of its own text alone; copies share tensors. Not required: a base class, a torch::nn::Module, a
/// token head, positions, layers.
template <class E>
concept Encoder = std::copy_constructible<E> && requires(E& module, E const& encoder, typename E::Options options,
                                                         PackedInput const& input, ForwardContext& context) {
    { E(options, std::uint64_t{}) };
    { E::name } -> std::convertible_to<std::string_view>;
    { encoder.encode(input, context, true) } -> std::same_as<Encoded>;
    { encoder.embeddings(input.input_ids, input.positions, context) } -> std::same_as<at::Tensor>;
    { encoder.embeddings.word } -> std::convertible_to<at::Tensor const&>;
    { encoder.shape() } -> std::convertible_to<Shape>;
    module.for_each_parameter(std::string{}, [](std::string const&, at::Tensor&, bool) {});
};

/// It also predicts tokens: logits = head.transform(rows) word^T + head.bias, with the encoder's own token embeddings.
///
/// Masked language modeling, branches with the encoder's head, bags of words and lexical bottlenecks require it.
template <class E>
concept HasTokenHead = Encoder<E> && requires(E const& encoder, at::Tensor const& rows) {
    { encoder.head.transform(rows) } -> std::same_as<at::Tensor>;      // [M, H] -> [M, E]
    { encoder.head.bias } -> std::convertible_to<at::Tensor const&>;   // [V]
};

/// It also has absolute positions that can be added to any vector: enhanced decoders require it.
template <class E>
concept HasPositionTable = Encoder<E> && requires(E const& encoder, at::Tensor const& rows, ForwardContext& context) {
    { encoder.embeddings.position_rows(rows, rows) } -> std::same_as<at::Tensor>;            // [T, E], positions [T] -> [T, E]
    { encoder.embeddings.embed_vectors(rows, rows, context) } -> std::same_as<at::Tensor>;   // [T, E], positions [T] -> [T, H]
};

/// It also runs on rows that are not its own embeddings: decoders that are a copy of it, or tied to it, require it.
template <class E>
concept EncodesRows =
    Encoder<E> && requires(E& module, E const& encoder, at::Tensor rows, PackedInput const& input, ForwardContext& context) {
        { encoder.encode_rows(rows, input, context, false) } -> std::same_as<Encoded>;
        module.for_each_body_parameter(std::string{}, [](std::string const&, at::Tensor&, bool) {});   // all but the token head
    };

/// Calls `visit(name, tensor, role)` for every parameter but those of the token head, which has no part in a sentence vector.
template <Encoder E, class Visit>
void for_each_body_parameter(E& encoder, std::string const& prefix, Visit&& visit) {
    if constexpr (requires { encoder.for_each_body_parameter(prefix, visit); }) {
        encoder.for_each_body_parameter(prefix, visit);
    } else {
        encoder.for_each_parameter(prefix, visit);
    }
}

/// An encoder with parameters of its own, equal to those of `encoder`, whose copies share tensors.
template <Encoder E>
[[nodiscard]] E deep_copy(E const& encoder) {
    E copy = encoder;
    copy.for_each_parameter("", [](std::string const&, at::Tensor& value, bool) { value = value.detach().clone(); });
    return copy;
}

/// Explains in one sentence what `E` lacks to be an encoder; true where it lacks nothing.
template <class E>
consteval bool explain_encoder() {
    if constexpr (!Encoder<E>) {
        static_assert(
            requires(typename E::Options options) { E(options, std::uint64_t{}); },
            "Encoder: a nested `Options` and a constructor (Options, seed) are missing.");
        static_assert(
            requires { E::name; }, "Encoder: `static constexpr std::string_view name` is missing, its name in reports.");
        static_assert(
            requires(E const& encoder, PackedInput const& input, ForwardContext& context) {
                { encoder.encode(input, context, true) } -> std::same_as<Encoded>;
            }, "Encoder: a member `Encoded encode(PackedInput const&, ForwardContext&, bool keep_layers) const` is missing.");
        static_assert(
            requires(E const& encoder, PackedInput const& input, ForwardContext& context) {
                encoder.embeddings.word;
                { encoder.embeddings(input.input_ids, input.positions, context) } -> std::same_as<at::Tensor>;
            },
            "Encoder: `embeddings`, with the table `word` and `embeddings(ids, positions, context)`, is missing: decoders share "
            "them.");
        static_assert(
            requires(E const& encoder) {
                { encoder.shape() } -> std::convertible_to<Shape>;
            }, "Encoder: `Shape shape() const` is missing: decoders, heads and bottlenecks are built from it.");
        static_assert(
            requires(E& module) { module.for_each_parameter(std::string{}, [](std::string const&, at::Tensor&, bool) {}); },
            "Encoder: `for_each_parameter(prefix, visit)` is missing.");
        static_assert(Encoder<E>, "Encoder: the type must be copyable; copies share their tensors.");
    }
    return Encoder<E>;
}

}  // namespace bmae
