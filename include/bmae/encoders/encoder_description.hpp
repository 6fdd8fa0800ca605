// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// What a run records of its encoder.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include <bmae/detail/separate.hpp>
#include <bmae/encoders/any_encoder.hpp>

namespace bmae {

/// What a run records of its encoder, to tell two apart: its own `description()`, or the shape of an encoder without one.
BMAE_INLINE nlohmann::ordered_json describe_encoder(AnyEncoder const& encoder);

}  // namespace bmae

#if BMAE_TORCH_DEFINITIONS

#include <string>

#include <nlohmann/json.hpp>

#include <bmae/values/shape.hpp>

namespace bmae {

namespace detail {

/// What is known of an encoder that tells nothing.
inline nlohmann::ordered_json shape_json(Shape const& shape) {
    return {{"vocab_size", shape.vocabulary},         {"hidden_size", shape.width},
            {"num_hidden_layers", shape.layers},      {"num_attention_heads", shape.heads},
            {"intermediate_size", shape.inner_width}, {"max_position_embeddings", shape.positions},
            {"type_vocab_size", shape.token_types},   {"layer_norm_eps", shape.norm_epsilon},
            {"embedding_size", shape.embedding_width}};
}

}  // namespace detail

BMAE_INLINE nlohmann::ordered_json describe_encoder(AnyEncoder const& encoder) {
    std::string const told = encoder.description();
    return told.empty() ? detail::shape_json(encoder.shape()) : nlohmann::ordered_json::parse(told);
}

}  // namespace bmae

#endif   // BMAE_TORCH_DEFINITIONS
