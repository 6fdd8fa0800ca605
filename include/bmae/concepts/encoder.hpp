// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// The role `Encoder`: packed tokens to hidden states.
#pragma once

#include <concepts>
#include <cstdint>

#include <bmae/nn/context.hpp>
#include <bmae/values/packed_input.hpp>

namespace bmae {

/// An encoder reads a packed view and returns one hidden row per token.                            RetroMAE figure 1, left half
///
/// 1. `E::Options` exists and `E(Options, seed)` builds fresh parameters.
/// 2. `encoder.encode(input, context, keep_layers)` returns the hidden rows.                                  Encoded, [T, H]
/// 3. `encoder.embeddings` and `encoder.head` are the tables that decoders share.
/// 4. `encoder.width()` is H; `encoder.vocabulary_size()` is V.
/// Law: a row depends on the rows of its own text alone. Not required: a base class, a torch::nn::Module.
template <class E>
concept Encoder = requires(E const& encoder, typename E::Options options, PackedInput const& input, ForwardContext& context) {
    { E(options, std::uint64_t{}) };
    { encoder.encode(input, context, true) } -> std::same_as<Encoded>;
    { encoder.embeddings.word } -> std::convertible_to<at::Tensor const&>;
    { encoder.head.transform(input.input_ids) } -> std::same_as<at::Tensor>;
    { encoder.width() } -> std::convertible_to<std::int64_t>;
    { encoder.vocabulary_size() } -> std::convertible_to<std::int64_t>;
};

/// Says in one sentence what `E` lacks to be an encoder; true where it lacks nothing.
template <class E>
consteval bool explain_encoder() {
    if constexpr (!Encoder<E>) {
        static_assert(
            requires(typename E::Options options) { E(options, std::uint64_t{}); },
            "Encoder: a nested `Options` and a constructor (Options, seed) are missing.");
        static_assert(
            requires(E const& encoder, PackedInput const& input, ForwardContext& context) {
                { encoder.encode(input, context, true) } -> std::same_as<Encoded>;
            }, "Encoder: a member `Encoded encode(PackedInput const&, ForwardContext&, bool keep_layers) const` is missing.");
        static_assert(
            requires(E const& encoder) {
                encoder.embeddings.word;
                encoder.head;
            }, "Encoder: `embeddings`, with the table `word`, and `head` are missing: decoders share them.");
        static_assert(Encoder<E>, "Encoder: `width()`, `vocabulary_size()` and `head.transform(rows)`, all const, are needed.");
    }
    return Encoder<E>;
}

}  // namespace bmae
