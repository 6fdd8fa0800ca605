// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// BERT's input embeddings: word + position + token type, normalised.
#pragma once

#include <cstdint>
#include <string>

#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/embedding.h>
#include <ATen/ops/empty.h>

#include <bmae/io/bert_config.hpp>
#include <bmae/nn/dropout.hpp>
#include <bmae/nn/layer_norm.hpp>

namespace bmae {

/// E(x) = Dropout(LayerNorm(word + position + type 0)); one table for encoder, decoders and language-model head.
struct Embeddings {
    at::Tensor word = {};         ///< [V, H]
    at::Tensor position = {};     ///< [P, H]
    at::Tensor token_type = {};   ///< [2, H]
    LayerNorm norm = {};
    double dropout_rate = 0.1;

    Embeddings() = default;
    explicit Embeddings(BertConfig const& config)
        : word(at::empty({config.vocab_size, config.hidden_size})),
          position(at::empty({config.max_position_embeddings, config.hidden_size})),
          token_type(at::empty({config.type_vocab_size, config.hidden_size})),
          norm(config.hidden_size, config.layer_norm_eps),
          dropout_rate(config.hidden_dropout_prob) {}

    /// \param ids,positions  [T]
    /// \returns [T, H]
    at::Tensor operator()(at::Tensor const& ids, at::Tensor const& positions, ForwardContext& context) const {
        return embed_vectors(at::embedding(word, ids), positions, context);
    }

    /// The same around vectors that stand where word embeddings would (the LayerNorm query of DupMAE).
    at::Tensor embed_vectors(at::Tensor const& vectors, at::Tensor const& positions, ForwardContext& context) const {
        return dropout(norm(vectors + at::embedding(position, positions) + token_type.select(0, 0)), dropout_rate, context);
    }

    template <class Visit>
    void for_each_parameter(std::string const& prefix, Visit&& visit) {
        visit(prefix + ".word_embeddings.weight", word, true);
        visit(prefix + ".position_embeddings.weight", position, true);
        visit(prefix + ".token_type_embeddings.weight", token_type, true);
        norm.for_each_parameter(prefix + ".LayerNorm", visit);
    }
};

}  // namespace bmae
