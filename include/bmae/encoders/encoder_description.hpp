// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// What a run records of its encoder.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include <bmae/detail/separate.hpp>
#include <bmae/encoders/any_encoder.hpp>

namespace bmae {

/// What a run records of its encoder, to tell two apart: the config of its family, or the shape of an encoder without one.
BMAE_INLINE nlohmann::ordered_json describe_encoder(AnyEncoder const& encoder);

}  // namespace bmae

#if BMAE_TORCH_DEFINITIONS

#include <optional>
#include <utility>

#include <nlohmann/json.hpp>

#include <bmae/encoders/encoder_folder.hpp>
#include <bmae/values/shape.hpp>

namespace bmae {

namespace detail {

/// What is known of an encoder without a family.
inline nlohmann::ordered_json shape_json(Shape const& shape) {
    return {{"vocab_size", shape.vocabulary},         {"hidden_size", shape.width},
            {"num_hidden_layers", shape.layers},      {"num_attention_heads", shape.heads},
            {"intermediate_size", shape.inner_width}, {"max_position_embeddings", shape.positions},
            {"type_vocab_size", shape.token_types},   {"layer_norm_eps", shape.norm_epsilon},
            {"embedding_size", shape.embedding_width}};
}

}  // namespace detail

BMAE_INLINE nlohmann::ordered_json describe_encoder(AnyEncoder const& encoder) {
    auto described = detail::with_family<nlohmann::ordered_json>(
        encoder, [](auto family, auto const& held) { return family.description(held.config()); });
    return described ? *std::move(described) : detail::shape_json(encoder.shape());
}

}  // namespace bmae

#endif   // BMAE_TORCH_DEFINITIONS
