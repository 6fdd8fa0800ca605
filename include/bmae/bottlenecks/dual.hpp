// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// DupMAE's representation for search: a reduced [CLS] vector and the highest lexical weights; their products are summed.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>

#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/mm.h>

#include <bmae/bottlenecks/concatenated.hpp>
#include <bmae/bottlenecks/lexical.hpp>
#include <bmae/bottlenecks/reduced.hpp>
#include <bmae/values/error.hpp>

namespace bmae {

/// [c ; mu]: [CLS] reduced to R columns, then the weights of V tokens (Xiao, Liu: DupMAE, arXiv 2211.08769). A product of two
/// such rows is <c_q, c_d> + <mu_q, mu_d>, so any contrast trains it. It follows the paper: no code of it was released.
using DualBottleneck = Concatenated<Reduced<ClsBottleneck>, LexicalBottleneck>;
/// The vectors of N texts in an index.
struct DualVectors {
    at::Tensor dense = {};     ///< [N, R]
    at::Tensor words = {};     ///< [N, k] int64, the tokens with the highest weights, ascending ids
    at::Tensor weights = {};   ///< [N, k] their weights mu
};

namespace detail {

/// As `largest_of_rows`, with its errors.                                                              [N, V] -> [N, V] bool
inline at::Tensor strongest(at::Tensor const& weights, std::int64_t count) {
    if (count < 1) {
        throw InputError(Diagnostic{.file = {},
                                    .expected = "at least 1 token per text",
                                    .found = std::to_string(count),
                                    .hint = "A few hundred tokens per text are usual."});
    }
    at::Tensor const values = weights.detach();
    if (values.isnan().any().item<bool>()) {
        throw RunError("a lexical weight is NaN: check the training log for the step where the loss became NaN");
    }
    return largest_of_rows(values, count);
}

}  // namespace detail

/// The rows of documents for scoring: all but the `count` highest lexical weights become 0. Differentiable.
/// \param rows   [N, R + V] of a `DualBottleneck`
/// \param width  R
/// Throws InputError for a count below 1, RunError for a weight that is NaN.
inline at::Tensor keep_strongest_words(at::Tensor const& rows, std::int64_t width, std::int64_t count) {
    at::Tensor const words = rows.narrow(1, width, rows.size(1) - width);
    return at::cat({rows.narrow(1, 0, width), words.masked_fill(detail::strongest(words, count).logical_not(), 0)}, 1);
}

/// The same as sparse vectors. Parameters and errors as of `keep_strongest_words`.
inline DualVectors to_dual_vectors(at::Tensor const& rows, std::int64_t width, std::int64_t count) {
    at::Tensor const words = rows.narrow(1, width, rows.size(1) - width);
    std::int64_t const kept = std::min(count, words.size(1));
    at::Tensor const places = detail::strongest(words, count).nonzero().select(1, 1).view({rows.size(0), kept});
    return {.dense = rows.narrow(1, 0, width), .words = places, .weights = words.gather(1, places)};
}

/// score(q, d) = <c_q, c_d> + sum over the tokens i of d of mu_q,i mu_d,i.
/// \param queries    [Q, R + V] of a `DualBottleneck`, all tokens
/// \param documents  of N texts; needs Q N k numbers of memory, so pass an index in blocks
/// \returns          [Q, N]
inline at::Tensor dual_scores(at::Tensor const& queries, DualVectors const& documents) {
    std::int64_t const width = documents.dense.size(1);
    at::Tensor const words = queries.narrow(1, width, queries.size(1) - width);
    at::Tensor const met = words.index_select(1, documents.words.reshape({-1}))
                               .view({queries.size(0), documents.words.size(0), documents.words.size(1)});
    return at::mm(queries.narrow(1, 0, width), documents.dense.t()) + (met * documents.weights).sum(2);
}

}  // namespace bmae
