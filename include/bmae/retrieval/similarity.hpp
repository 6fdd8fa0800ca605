// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Scores of vectors with vectors, all at once: for a few texts, as when a run is reranked.
#pragma once

#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/mm.h>

#include <bmae/bottlenecks/normalize.hpp>
#include <bmae/values/vector_similarity.hpp>

namespace bmae {

/// The scores of queries [Q, D] and documents [N, D] by that similarity, higher for closer ones; distances need Q N D values. [Q, N]
[[nodiscard]] inline at::Tensor similarity_scores(at::Tensor const& queries, at::Tensor const& documents,
                                                  VectorSimilarity similarity) {
    if (similarity == VectorSimilarity::cosine) { return at::mm(normalize_rows(queries), normalize_rows(documents).t()); }
    if (similarity == VectorSimilarity::dot) { return at::mm(queries, documents.t()); }
    int const order = similarity == VectorSimilarity::euclidean ? 2 : 1;
    return -at::linalg_vector_norm(queries.unsqueeze(1) - documents.unsqueeze(0), order, at::IntArrayRef{2}, false);
}

}  // namespace bmae
