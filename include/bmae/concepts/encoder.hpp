// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// The role `Encoder`: packed tokens to hidden states. What some decoders and terms need of one beyond that: encoder_roles.hpp.
#pragma once

#include <concepts>
#include <cstdint>
#include <string>

#include <bmae/detail/static_name.hpp>
#include <bmae/nn/context.hpp>
#include <bmae/values/packed_input.hpp>
#include <bmae/values/parameter_role.hpp>
#include <bmae/values/shape.hpp>

namespace bmae {

namespace detail {
template <class T>
concept VisitsParameters =
    requires(T& module) { module.for_each_parameter(std::string{}, [](std::string const&, at::Tensor&, bool) {}); };
}  // namespace detail

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
concept Encoder = std::copy_constructible<E> && detail::HasStaticName<E> && detail::VisitsParameters<E> &&
                  requires(E const& encoder, typename E::Options options, PackedInput const& input, ForwardContext& context) {
                      { E(options, std::uint64_t{}) };
                      { encoder.encode(input, context, true) } -> std::same_as<Encoded>;
                      { encoder.embeddings(input.input_ids, input.positions, context) } -> std::same_as<at::Tensor>;
                      { encoder.embeddings.word } -> std::convertible_to<at::Tensor const&>;
                      { encoder.shape() } -> std::convertible_to<Shape>;
                  };

/// Says in one sentence what `E` lacks to be an encoder; true where it lacks nothing.
template <class E>
consteval bool explain_encoder() {
    if constexpr (!Encoder<E>) {
        static_assert(
            requires(typename E::Options options) { E(options, std::uint64_t{}); },
            "Encoder: a nested `Options` and a constructor (Options, seed) are missing.");
        static_assert(detail::HasStaticName<E>,
                      "Encoder: `static constexpr std::string_view name` is missing, its name in reports.");
        static_assert(
            requires(E const& encoder, PackedInput const& input, ForwardContext& context) {
                { encoder.encode(input, context, true) } -> std::same_as<Encoded>;
            }, "Encoder: a member `Encoded encode(PackedInput const&, ForwardContext&, bool keep_layers) const` is missing.");
        static_assert(
            requires(E const& encoder, PackedInput const& input, ForwardContext& context) {
                { encoder.embeddings.word } -> std::convertible_to<at::Tensor const&>;
                { encoder.embeddings(input.input_ids, input.positions, context) } -> std::same_as<at::Tensor>;
            },
            "Encoder: `embeddings`, with the table `word` and `embeddings(ids, positions, context)`, is missing: decoders share "
            "them.");
        static_assert(
            requires(E const& encoder) {
                { encoder.shape() } -> std::convertible_to<Shape>;
            }, "Encoder: `Shape shape() const` is missing: decoders, heads and bottlenecks are built from it.");
        static_assert(detail::VisitsParameters<E>, "Encoder: `for_each_parameter(prefix, visit)` is missing.");
        static_assert(std::copy_constructible<E>, "Encoder: the type must be copyable; copies share their tensors.");
    }
    return Encoder<E>;
}

}  // namespace bmae
