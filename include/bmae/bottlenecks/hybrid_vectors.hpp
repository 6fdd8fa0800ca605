// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Three representations of a text from one run of the encoder: a dense vector, a weight and a vector for every token.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include <ATen/core/Tensor.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/relu.h>

#include <bmae/bottlenecks/normalize.hpp>
#include <bmae/concepts/encoder.hpp>
#include <bmae/nn/initialize.hpp>
#include <bmae/nn/linear.hpp>
#include <bmae/values/packed_input.hpp>

namespace bmae {

/// Rows [1 + H] of the tokens of a text (Chen et al.: M3-Embedding, arXiv 2402.03216, section 3.2): column 0 is the lexical weight
/// ReLU(w h_i + b); the others are the dense vector norm(h_0) in the row of the first token, and norm(W h_i + c) in all other rows. The
/// vector of the first token takes no part in late interaction, as in FlagEmbedding's code, so its row holds the dense one.
///
/// All passes of a model share the maps under the names of that code, `shared.sparse_linear` and `shared.colbert_linear`. Both start as
/// weights of a fresh layer of BERT do.
class HybridVectors {
public:
    /// None.
    struct Options {};
    static constexpr std::string_view name = "hybrid_vectors";
    static constexpr bool keeps_tokens = true;
    static constexpr bool is_hybrid = true;

    template <Encoder E>
    HybridVectors(Options, E const& encoder, std::uint64_t seed, std::string const&)
        : sparse_(encoder.shape().width, 1), colbert_(encoder.shape().width, encoder.shape().width) {
        initialize(*this, "", seed, Initialization::bert, encoder.shape().initial_deviation);
    }

    template <Encoder E>
    [[nodiscard]] at::Tensor pool(Encoded const& encoded, PackedInput const& input, E const&) const {   // [T, 1 + H] fp32
        at::Tensor const weights = at::relu(sparse_(encoded.hidden)).to(at::kFloat);                    // [T, 1]
        at::Tensor const dense = encoded.hidden.index_select(0, input.first_rows);                      // [B, H]
        at::Tensor const vectors = colbert_(encoded.hidden).index_copy(0, input.first_rows, dense);     // [T, H]
        return at::cat({weights, normalize_rows(vectors.to(at::kFloat))}, 1);
    }
    template <class E>
    [[nodiscard]] std::int64_t width(E const& encoder) const {
        return 1 + encoder.shape().width;
    }
    template <class Visit>
    void for_each_parameter(std::string const&, Visit&& visit) {
        sparse_.for_each_parameter("shared.sparse_linear", visit);
        colbert_.for_each_parameter("shared.colbert_linear", visit);
    }

private:
    Linear sparse_;    // [1, H]
    Linear colbert_;   // [H, H]
};

}  // namespace bmae
