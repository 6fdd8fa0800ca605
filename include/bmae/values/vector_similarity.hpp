// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// How search compares two vectors.
#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <string_view>

namespace bmae {

/// The score of a query q and a text d, higher for closer ones: q.d / |q||d|, q.d, -|q - d|, or -sum |q_i - d_i|. The value of
/// `similarity_fn_name` in folders of sentence-transformers.
enum class VectorSimilarity { cosine, dot, euclidean, manhattan };

/// Names in folders and command lines.
constexpr std::array<std::string_view, 4> names_of(VectorSimilarity) noexcept {
    return {"cosine", "dot", "euclidean", "manhattan"};
}
[[nodiscard]] constexpr std::string_view to_string(VectorSimilarity similarity) noexcept {
    return names_of(similarity)[static_cast<std::size_t>(similarity)];
}
/// Nothing for a name that is none of them.
[[nodiscard]] constexpr std::optional<VectorSimilarity> vector_similarity_named(std::string_view name) noexcept {
    for (auto const known :
         {VectorSimilarity::cosine, VectorSimilarity::dot, VectorSimilarity::euclidean, VectorSimilarity::manhattan}) {
        if (to_string(known) == name) { return known; }
    }
    return std::nullopt;
}

}  // namespace bmae
