// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// The sizes of an encoder from which decoders, heads and bottlenecks are built.
#pragma once

#include <cstdint>

namespace bmae {

/// The non-linearity between the two linear layers of a transformer layer, and of the language-model head.
enum class Activation {
    gelu,        ///< x * Phi(x), exact, by erf
    gelu_tanh,   ///< its approximation by tanh: differs by up to 5e-4
    relu
};

/// What a classification head does between its two linear maps.
enum class ScoreHead {
    tanh,   ///< tanh(W x + b): BERT, RoBERTa and relatives
    gelu,   ///< gelu(W x + b): ELECTRA
    relu,   ///< max(0, W x + b): DistilBERT
    norm    ///< LayerNorm(f(W x)), f the activation of the language-model head, both without a shift: ModernBERT
};

/// Sizes and rates of an encoder of any family: every encoder returns them by `encoder.shape()`, and every network that
/// is built beside it uses them. An encoder without attention heads or inner layers gives those that a transformer layer of
/// its width should have.
struct Shape {
    std::int64_t width = 0;             ///< H, columns of its hidden states
    std::int64_t vocabulary = 0;        ///< V, rows of its token embeddings
    std::int64_t embedding_width = 0;   ///< E, columns of its token embeddings and of the input rows of a head's last product
    std::int64_t positions = 0;         ///< tokens of the longest text that it reads, [CLS] and [SEP] included
    std::int64_t layers = 0;            ///< depth: `Encoded::layers` has one more, the embeddings
    std::int64_t heads = 1;             ///< of attention; divides `width`
    std::int64_t inner_width = 0;       ///< between the two linear layers of a transformer layer
    std::int64_t token_types = 0;       ///< rows of the table of token types; 0 and 1: none
    Activation activation = Activation::gelu;
    Activation head_activation = Activation::gelu;
    double norm_epsilon = 1e-12;           ///< of LayerNorm
    double initial_deviation = .02;        ///< standard deviation of new weights
    double hidden_dropout = 0;             ///< after embeddings and feed-forward blocks
    double attention_dropout = 0;          ///< of attention weights
    double attention_output_dropout = 0;   ///< between attention and its residual
    double rotary_base = 0;      ///< positions enter by rotary phases of this base, in every layer; 0: by the embeddings
    double initial_cutoff = 0;   ///< new weights lie within so many deviations; 0: they have no bound
    ScoreHead score_head = ScoreHead::tanh;

    friend bool operator==(Shape const&, Shape const&) = default;
};

}  // namespace bmae
