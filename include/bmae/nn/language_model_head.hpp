// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// BERT's masked-language-model head, tied to the word embeddings.
#pragma once

#include <string>

#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>

#include <bmae/nn/activation.hpp>
#include <bmae/nn/bf16_products.hpp>
#include <bmae/nn/layer_norm.hpp>
#include <bmae/nn/linear.hpp>
#include <bmae/values/shape.hpp>

namespace bmae {

/// logits = LayerNorm(gelu(x W + b)) E^T + c, with E the word embeddings and c its output bias. W maps the H columns of a
/// hidden state to the width of the embeddings: different in some ELECTRA models, else H.
struct LanguageModelHead {
    Linear dense = {};
    LayerNorm norm = {};
    Activation activation = Activation::gelu;
    at::Tensor bias = {};   ///< [V]

    LanguageModelHead() = default;
    explicit LanguageModelHead(Shape const& shape)
        : dense(shape.width, shape.embedding_width),
          norm(shape.embedding_width, shape.norm_epsilon),
          activation(shape.head_activation),
          bias(at::empty({shape.vocabulary})) {}

    /// The input of the embedding matrix.                                                       [M, H] -> [M, E]
    at::Tensor transform(at::Tensor const& rows) const { return norm(activate(dense.product(rows), dense.bias, activation)); }

    /// \param word  [V, E] the encoder's word embeddings
    /// \returns [M, V]
    at::Tensor logits(at::Tensor const& rows, at::Tensor const& word) const {
        return detail::affine(transform(rows), word, bias);
    }

    template <class Visit>
    void for_each_parameter(std::string const& prefix, Visit&& visit) {
        dense.for_each_parameter(prefix + ".transform.dense", visit);
        norm.for_each_parameter(prefix + ".transform.LayerNorm", visit);
        visit(prefix + ".bias", bias, ParameterRole::bias);
    }
};

}  // namespace bmae
