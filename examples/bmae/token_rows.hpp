// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// The vectors of the tokens of a collection in memory, as they are or compressed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <bmae/retrieval/residual_codec.hpp>
#include <bmae/retrieval/token_encoder.hpp>

#include "common.hpp"

namespace bmae::program {

class TokenRows {
public:
    using Encode = std::function<MultiVectors(std::vector<std::string> const& texts)>;

    TokenRows() = default;
    /// Vectors that are there.
    TokenRows(SearchOptions const& options, unsigned threads, MultiVectors vectors);
    /// Vectors that are encoded; with --bits those of so many texts as ColBERTv2 samples at once, then part by part.
    TokenRows(SearchOptions const& options, unsigned threads, std::vector<std::string> const& texts, Encode const& encode);

    [[nodiscard]] std::size_t size() const noexcept { return offsets_.size() - 1; }   ///< texts
    /// [texts + 1] of the rows of each.
    [[nodiscard]] std::vector<std::int64_t> const& offsets() const noexcept { return offsets_; }
    /// Texts first .. end - 1, of compressed vectors as they are compared.
    [[nodiscard]] MultiVectors part(std::size_t first, std::size_t end) const;
    /// The key `token_vectors` of results.
    [[nodiscard]] Json facts() const;

private:
    void train(SearchOptions const& options, unsigned threads, MultiVectors const& sample, std::size_t rows);
    void append(MultiVectors const& vectors);
    void measure(std::span<float const> rows);

    std::vector<std::int64_t> offsets_ = {0};
    at::Tensor rows_ = {};   ///< [T, D] where they are not compressed
    std::optional<ResidualCodec> codec_ = {};
    CompressedRows packed_ = {};
    double mean_cosine_ = 1;
    double least_cosine_ = 1;
};

}  // namespace bmae::program
