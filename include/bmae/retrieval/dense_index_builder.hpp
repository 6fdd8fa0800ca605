// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Makes an index of vectors on disk, row by row.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <bmae/io/json_file.hpp>
#include <bmae/retrieval/dense_rows.hpp>
#include <bmae/retrieval/index_folder.hpp>
#include <bmae/values/error.hpp>
#include <bmae/values/vector_similarity.hpp>

namespace bmae {

struct DenseIndexOptions {
    RowType rows = RowType::fp32;
    std::optional<RowType> finer_rows =
        {};   ///< of int8 and binary: fp32 or bf16 rows beside, by which the best are scored again
    /// cosine: rows are divided by their lengths, and so are queries; of distances the score is the negative.
    VectorSimilarity similarity = VectorSimilarity::dot;
    bool store_texts = false;       ///< for display with the hits
    detail::Json model = nullptr;   ///< what made the vectors: stored, and compared where queries are encoded
};

/// Takes vectors one by one; memory is that of the ids.
class DenseIndexBuilder {
public:
    /// \param dimension  D
    /// \throws InputError  finer rows where they are not finer, binary rows of distances, a folder that is not empty or cannot be written
    DenseIndexBuilder(std::filesystem::path folder, std::size_t dimension, DenseIndexOptions options = {})
        : options_(std::move(options)),
          dimension_(dimension),
          row_(detail::padded_width(dimension)),
          writer_(std::move(folder), options_.store_texts) {
        bool const is_coarse = options_.rows == RowType::int8 || options_.rows == RowType::binary;
        bool const is_fine = options_.finer_rows == RowType::fp32 || options_.finer_rows == RowType::bf16;
        if (dimension == 0 || (options_.finer_rows && !(is_coarse && is_fine))) {
            throw InputError(
                Diagnostic{.file = writer_.path().string(),
                           .expected = "vectors with numbers, and finer rows of fp32 or bf16 beside int8 or binary",
                           .found = std::to_string(dimension) + " numbers of " + std::string(to_string(options_.rows)),
                           .hint = "fp32 and bf16 rows are exact by themselves."});
        }
        bool const by_distance =
            options_.similarity == VectorSimilarity::euclidean || options_.similarity == VectorSimilarity::manhattan;
        if (options_.rows == RowType::binary && by_distance) {
            throw InputError(Diagnostic{.file = writer_.path().string(),
                                        .expected = "binary rows of vectors that are compared by dot or cosine",
                                        .found = std::string(to_string(options_.similarity)),
                                        .hint = "Choose int8 rows."});
        }
        writer_.create("rows");
        if (options_.rows == RowType::int8) { writer_.create("scales"); }
        if (options_.finer_rows) { writer_.create("finer_rows"); }
    }

    /// \param values  [D]
    /// \param text    for display
    /// \throws InputError  another number of values, one that is not finite, an id that is empty or was added before; a full disk
    void add(std::string_view id, std::span<float const> values, std::string_view text = {}) {
        bool finite = values.size() == dimension_;
        for (float const value : values) { finite &= std::abs(value) <= std::numeric_limits<float>::max(); }
        if (!finite) {
            throw InputError(Diagnostic{.file = writer_.path().string(),
                                        .expected = std::to_string(dimension_) + " finite values of each document",
                                        .found = values.size() == dimension_
                                                     ? "nan or infinity in that of id '" + std::string(id) + '\''
                                                     : std::to_string(values.size()) + " of id '" + std::string(id) + '\'',
                                        .hint = "Check the encoder; half precision overflows first."});
        }
        writer_.add_document(id, text);
        std::copy(values.begin(), values.end(), row_.begin());
        if (options_.similarity == VectorSimilarity::cosine) { detail::normalize_row(row_.data(), dimension_); }
        write("rows", options_.rows);
        if (options_.finer_rows) { write("finer_rows", *options_.finer_rows); }
    }

    [[nodiscard]] std::size_t documents() const noexcept { return writer_.documents(); }

    /// \throws InputError  no document was added; a full disk
    void commit() {
        static_cast<void>(writer_.places_by_id());
        detail::Json const finer = options_.finer_rows ? detail::Json(to_string(*options_.finer_rows)) : detail::Json(nullptr);
        writer_.commit("dense", {{"rows", to_string(options_.rows)},
                                 {"finer_rows", finer},
                                 {"dimension", dimension_},
                                 {"similarity", to_string(options_.similarity)},
                                 {"model", options_.model}});
    }

private:
    void write(char const* name, RowType type) {
        switch (type) {
            case RowType::fp32:
                writer_.put<float>(name, row_);
                break;
            case RowType::bf16:
                half_.clear();
                for (float const value : row_) { half_.push_back(detail::to_half_bits(value)); }
                writer_.put<std::uint16_t>(name, half_);
                break;
            case RowType::int8: {
                bytes_.resize(row_.size());
                float const scale = detail::to_bytes(row_.data(), row_.size(), bytes_.data());
                writer_.put<std::int8_t>(name, bytes_);
                writer_.put<float>("scales", std::span(&scale, 1));
                break;
            }
            case RowType::binary:
                bits_.resize(detail::row_bytes(type, dimension_) / sizeof(std::uint64_t));
                detail::pack_bits(row_.data(), dimension_, bits_.data());
                writer_.put<std::uint64_t>(name, bits_);
                break;
        }
    }

    DenseIndexOptions options_;
    std::size_t dimension_;
    std::vector<float> row_;   // [padded D]
    std::vector<std::uint16_t> half_ = {};
    std::vector<std::int8_t> bytes_ = {};
    std::vector<std::uint64_t> bits_ = {};
    IndexFolderWriter writer_;
};

}  // namespace bmae
