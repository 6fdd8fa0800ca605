// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// BERT's input embeddings: word + position + token type, normalized, and for ELECTRA widened to the layers.
#pragma once

#include <cstdint>
#include <string>

#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>

#include <bmae/nn/dropout.hpp>
#include <bmae/nn/gather_rows.hpp>
#include <bmae/nn/layer_norm.hpp>
#include <bmae/nn/linear.hpp>
#include <bmae/values/error.hpp>
#include <bmae/values/shape.hpp>

namespace bmae {

/// E(x) = Dropout(LayerNorm(word + position + type)); shared by encoder, decoders and language-model head.
///
/// Positions are 0 .. L-1 in every text; RoBERTa's begin at a later row of the table, and `position_rows` adds that. ELECTRA's
/// tables may be narrower or wider than its layers (E != H): the layers then read E(x) W + b. DistilBERT has no token types.
struct Embeddings {
    at::Tensor word = {};         ///< [V, E]
    at::Tensor position = {};     ///< [P, E], row `first_position` for the first token; read it by `position_rows`
    at::Tensor token_type = {};   ///< [S, E], or undefined
    LayerNorm norm = {};
    Linear projection = {};   ///< E -> H, or undefined where E = H
    std::int64_t first_position = 0;
    double dropout_rate = 0.1;

    Embeddings() = default;
    /// \param first_row  row of the position table where a text begins; the table has as many additional rows
    explicit Embeddings(Shape const& shape, std::int64_t first_row = 0)
        : word(at::empty({shape.vocabulary, shape.embedding_width})),
          position(at::empty({shape.positions + first_row, shape.embedding_width})),
          norm(shape.embedding_width, shape.norm_epsilon),
          first_position(first_row),
          dropout_rate(shape.hidden_dropout) {
        if (shape.token_types > 0) { token_type = at::empty({shape.token_types, shape.embedding_width}); }
        if (shape.embedding_width != shape.width) { projection = Linear(shape.embedding_width, shape.width); }
    }

    /// \param ids,positions  [T]
    /// \param types          [T] token types, or undefined: all 0
    /// \returns [T, H]
    /// Throws InputError for ids, positions or types that a table lacks, and for types where the table has one or none.
    at::Tensor operator()(at::Tensor const& ids, at::Tensor const& positions, ForwardContext& context,
                          at::Tensor const& types = {}) const {
        return embed_vectors(gather_rows(word, ids, "token ids"), positions, context, types);
    }

    /// The same for given vectors in place of word embeddings (the LayerNorm query of DupMAE).                [T, E] -> [T, H]
    at::Tensor embed_vectors(at::Tensor const& vectors, at::Tensor const& positions, ForwardContext& context,
                             at::Tensor const& types = {}) const {
        at::Tensor sum = vectors + position_rows(vectors, positions);
        if (types.defined()) {
            require_types();
            sum = sum + gather_rows(token_type, types, "token types");
        } else if (token_type.defined()) {
            sum = sum + token_type.select(0, 0);
        }
        at::Tensor const rows = dropout(norm(sum), dropout_rate, context);
        return projection.weight.defined() ? projection(rows) : rows;
    }

    /// The rows of the position table that are added to `vectors`.                               [T, E], positions [T] -> [T, E]
    /// Throws InputError for sentence vectors of another width, as of an ELECTRA with E != H.
    at::Tensor position_rows(at::Tensor const& vectors, at::Tensor const& positions) const {
        if (vectors.size(1) != position.size(1)) {
            throw InputError(Diagnostic{
                .file = {},
                .expected = "vectors as wide as the position embeddings, " + std::to_string(position.size(1)),
                .found = std::to_string(vectors.size(1)),
                .hint = "Use a decoder that reads tokens only, or an encoder whose embedding_size is its hidden_size."});
        }
        return gather_rows(position, first_position == 0 ? positions : positions + first_position, "rows of the position table");
    }

    void require_types() const {
        if (token_type.defined() && token_type.size(0) >= 2) { return; }
        throw InputError(Diagnostic{.file = {},
                                    .expected = "an encoder with two token types, for title and body",
                                    .found = token_type.defined() ? "one type" : "none",
                                    .hint = "Read title and body without token types, or use BERT or ELECTRA."});
    }

    template <class Visit>
    void for_each_parameter(std::string const& prefix, Visit&& visit) {
        visit(prefix + ".word_embeddings.weight", word, ParameterRole::weight);
        visit(prefix + ".position_embeddings.weight", position, ParameterRole::weight);
        if (token_type.defined()) { visit(prefix + ".token_type_embeddings.weight", token_type, ParameterRole::weight); }
        norm.for_each_parameter(prefix + ".LayerNorm", visit);
        if (projection.weight.defined()) { projection.for_each_parameter(prefix + "_project", visit); }
    }
};

}  // namespace bmae
