// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Dense search in an index on disk, without LibTorch: opened at once, whatever its size.
///
///     rows        [N, D]    fp32, bf16 or int8 of D filled up with zeros to a multiple of 16; binary: uint64 words of bits
///     scales      fp32 [N]  of int8 rows
///     finer_rows  [N, D]    fp32 or bf16: int8 and binary rows find candidates, these score them
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <bmae/detail/parallel.hpp>
#include <bmae/retrieval/dense_rows.hpp>
#include <bmae/retrieval/exact_index_distance.hpp>
#include <bmae/retrieval/exact_index_kernel.hpp>
#include <bmae/retrieval/index_folder.hpp>
#include <bmae/retrieval/top_k.hpp>
#include <bmae/values/vector_similarity.hpp>

namespace bmae {

/// Vectors in somebody's memory, one after another.
struct VectorRows {
    std::span<float const> values = {};   ///< [count, dimension]
    std::size_t dimension = 0;

    [[nodiscard]] std::size_t size() const noexcept { return dimension == 0 ? 0 : values.size() / dimension; }
};

struct DenseSearchOptions {
    /// Candidates of int8 and binary rows that are scored by the finer rows of the index: at least k. 0: 4k and 16k.
    std::size_t rescore = 0;
    std::size_t query_block = 1024;   ///< queries searched together
    unsigned threads = 0;             ///< 0: one per processor
};

/// An index of vectors on disk, made by `DenseIndexBuilder`, mapped into memory. A folder must not be changed while it is open.
///
/// Of fp32 and bf16 rows all scores and ties are those of `ExactIndex` bit for bit. Of coarser rows with finer ones beside, the scores are
/// those of the finer rows, and so is the order of what was among the candidates.
class DenseIndex {
public:
    /// \throws InputError  as `IndexFolder`, and for an index of another kind
    static DenseIndex open(std::filesystem::path const& folder, Verify verify = Verify::quick, DenseSearchOptions options = {}) {
        IndexFolder const files(folder, verify);
        if (files.kind() != "dense") {
            throw files.manifest().refuse("an index of vectors", "one of kind \"" + files.kind() + '"', "Search it by texts.");
        }
        return DenseIndex(files, options);
    }

    [[nodiscard]] std::size_t size() const noexcept { return documents_.size(); }   ///< N
    [[nodiscard]] std::size_t dimension() const noexcept { return dimension_; }     ///< D
    [[nodiscard]] RowType rows() const noexcept { return coarse_.type; }
    [[nodiscard]] std::optional<RowType> finer_rows() const noexcept {
        return finer_ ? std::optional(finer_->type) : std::nullopt;
    }
    [[nodiscard]] VectorSimilarity similarity() const noexcept { return similarity_; }
    [[nodiscard]] detail::Json const& model() const noexcept { return model_; }   ///< what made the vectors; null where unknown
    [[nodiscard]] IndexDocuments const& documents() const noexcept { return documents_; }

    /// The k best documents of many queries. The run has the found documents alone.
    /// \param queries    [Q, D]
    /// \param query_ids  names in the run; "0", "1", ... where none are given                                        [Q] or [0]
    /// \throws InputError  queries of another width or with values that are not finite, fewer candidates than hits, damaged files
    [[nodiscard]] Run search(VectorRows const& queries, std::size_t k, std::vector<std::string> const& query_ids = {}) const {
        if (!query_ids.empty() && query_ids.size() != queries.size()) {
            throw InputError(
                Diagnostic{.file = {},
                           .expected = "as many ids as queries",
                           .found = std::to_string(query_ids.size()) + " ids for " + std::to_string(queries.size()) + " queries",
                           .hint = "Give every query one id, or none."});
        }
        std::vector<std::vector<Hit>> found = find(queries, k);
        return documents_.to_run(found, query_ids);
    }

    /// The same by their rows in `documents()`.                                                                       [Q][<= k]
    [[nodiscard]] std::vector<std::vector<Hit>> find(VectorRows const& queries, std::size_t k) const {
        std::vector<float> const asked = prepare(queries);
        std::size_t const width = detail::padded_width(dimension_);
        std::size_t const count = asked.size() / width;
        k = std::min(k, size());
        std::size_t const depth = candidates(k);
        std::vector<std::vector<TopK::Entry>> best(count);
        detail::search_rows(coarse_.view(size(), dimension_, similarity_), asked.data(), count, depth, places_,
                            std::max<std::size_t>(options_.query_block, 1), options_.threads,
                            [&](std::size_t q, std::vector<TopK::Entry> const& entries) { best[q] = entries; });
        std::vector<std::vector<Hit>> found(count);
        detail::RowKernels const kernels = detail::choose_row_kernels();
        detail::parallel_for(count, 4, options_.threads, [&](std::size_t begin, std::size_t end) {
            for (std::size_t q = begin; q < end; ++q) {
                if (finer_) { score_again(kernels, asked.data() + q * width, best[q], k); }
                for (TopK::Entry const& entry : best[q]) { found[q].push_back({documents_.row_of(entry.key), entry.score}); }
            }
        });
        return found;
    }

private:
    /// A file of rows.
    struct Rows {
        RowType type = RowType::fp32;
        detail::FileMap file = {};
        detail::FileMap scales = {};

        [[nodiscard]] detail::StoredRows view(std::size_t count, std::size_t dimension,
                                              VectorSimilarity similarity) const noexcept {
            detail::StoredRows rows{.count = count,
                                    .width = detail::padded_width(dimension),
                                    .score = detail::score_block(similarity),
                                    .dimension = dimension};
            if (type == RowType::fp32) { rows.single = file.as<float>().data(); }
            if (type == RowType::bf16) { rows.half = file.as<std::uint16_t>().data(); }
            if (type == RowType::int8) { rows.bytes = file.as<std::int8_t>().data(); }
            if (type == RowType::int8) { rows.scales = scales.as<float>().data(); }
            if (type == RowType::binary) { rows.bits = file.as<std::uint64_t>().data(); }
            return rows;
        }
    };

    DenseIndex(IndexFolder const& folder, DenseSearchOptions options)
        : options_(options), documents_(folder), model_(folder.manifest().json().value("model", detail::Json())) {
        detail::JsonObject const& manifest = folder.manifest();
        auto const dimension = manifest.require<std::int64_t>("dimension");
        if (dimension < 1 || dimension > (1 << 24)) {
            throw manifest.refuse("a dimension of 1 to 16777216", std::to_string(dimension), "Make the index again.");
        }
        dimension_ = static_cast<std::size_t>(dimension);
        auto const name = manifest.require<std::string>("similarity");
        auto const similarity = vector_similarity_named(name);
        if (!similarity) {
            throw manifest.refuse("a similarity that this version knows", '"' + name + '"',
                                  "Make the index again with this version.");
        }
        similarity_ = *similarity;
        auto const rows = manifest.require<std::string>("rows");
        auto const finer = manifest.find<std::string>("finer_rows");
        bool const is_fine = !finer || *finer == to_string(RowType::fp32) || *finer == to_string(RowType::bf16);
        bool const by_distance = similarity_ == VectorSimilarity::euclidean || similarity_ == VectorSimilarity::manhattan;
        if (!is_fine ||
            (rows == to_string(RowType::binary) && by_distance)) {   // no builder writes them, nor could they be scored
            throw manifest.refuse("finer rows of fp32 or bf16, and binary rows of dot products or cosines alone",
                                  "rows of " + rows + (finer ? " with finer ones of " + *finer : "") + " by " + name,
                                  "Make the index again.");
        }
        coarse_ = open_rows(folder, "rows", rows);
        if (finer) { finer_ = open_rows(folder, "finer_rows", *finer); }
        std::span<std::uint32_t const> const order = documents_.order();
        places_.resize(order.size());
        for (std::uint32_t place = 0; place < order.size(); ++place) { places_[documents_.row_of(place)] = place; }
    }

    [[nodiscard]] Rows open_rows(IndexFolder const& folder, char const* name, std::string const& type) const {
        auto const known = row_type_from(type);
        if (!known) {
            throw folder.manifest().refuse("rows of fp32, bf16, int8 or binary", '"' + type + '"', "Make the index again.");
        }
        Rows rows{.type = *known, .file = folder.map(name)};
        folder.files().check_count(rows.file, name, size(), detail::row_bytes(*known, dimension_));
        if (*known == RowType::int8) { rows.scales = folder.map<float>("scales", size()); }
        return rows;
    }

    /// Rows of whole lanes, checked and divided by their lengths where the index is of cosines.
    [[nodiscard]] std::vector<float> prepare(VectorRows const& queries) const {
        std::size_t const width = detail::padded_width(dimension_);
        if (queries.dimension != dimension_ || queries.values.size() % dimension_ != 0) {
            throw InputError(Diagnostic{.file = {},
                                        .expected = "queries of " + std::to_string(dimension_) + " values",
                                        .found = std::to_string(queries.dimension),
                                        .hint = "Encode queries and documents with the same model."});
        }
        std::vector<float> asked(queries.size() * width, 0.0F);
        for (std::size_t q = 0; q < queries.size(); ++q) {
            auto const values = queries.values.subspan(q * dimension_, dimension_);
            if (!std::all_of(values.begin(), values.end(),
                             [](float value) { return std::abs(value) <= std::numeric_limits<float>::max(); })) {
                throw InputError(Diagnostic{.file = {},
                                            .expected = "finite values in the queries",
                                            .found = "nan or infinity in query " + std::to_string(q),
                                            .hint = "Check the encoder; half precision overflows first."});
            }
            std::copy(values.begin(), values.end(), asked.begin() + static_cast<std::ptrdiff_t>(q * width));
            if (similarity_ == VectorSimilarity::cosine) { detail::normalize_row(asked.data() + q * width, dimension_); }
        }
        return asked;
    }

    /// How many rows are taken from the first pass for k hits.
    [[nodiscard]] std::size_t candidates(std::size_t k) const {
        if (!finer_ && options_.rescore != 0) {
            throw InputError(Diagnostic{.file = {},
                                        .expected = "an index with finer rows, by which candidates are scored again",
                                        .found = "one of " + std::string(to_string(coarse_.type)) + " rows alone",
                                        .hint = "Leave the number of candidates out."});
        }
        if (!finer_) { return k; }
        std::size_t const usual = k * (coarse_.type == RowType::binary ? 16 : 4);
        std::size_t const wanted = options_.rescore == 0 ? usual : options_.rescore;
        if (wanted < k) {
            throw InputError(Diagnostic{.file = {},
                                        .expected = "at least as many candidates as hits, " + std::to_string(k),
                                        .found = std::to_string(wanted),
                                        .hint = "Ask for fewer hits, or score more candidates again."});
        }
        return std::min(wanted, size());
    }

    void score_again(detail::RowKernels const& kernels, float const* query, std::vector<TopK::Entry>& entries,
                     std::size_t k) const {
        detail::StoredRows const rows = finer_->view(size(), dimension_, similarity_);
        detail::DotBlock const score_of = rows.score != nullptr ? rows.score : kernels.score;
        std::vector<float> widened(rows.width);
        TopK best(k);
        for (TopK::Entry const& entry : entries) {
            std::size_t const row = documents_.row_of(entry.key);
            if (rows.half != nullptr) { kernels.widen_half(rows.half + row * rows.width, rows.width, widened.data()); }
            float score = 0;
            score_of(query, 1, rows.half != nullptr ? widened.data() : rows.single + row * rows.width, 1, rows.width, &score, 1);
            if (score == score) { best.push(score, entry.key); }   // a damaged file may hold anything
        }
        entries = best.sorted();
    }

    DenseSearchOptions options_;
    IndexDocuments documents_;
    detail::Json model_;
    std::size_t dimension_ = 0;
    VectorSimilarity similarity_ = VectorSimilarity::dot;
    Rows coarse_ = {};
    std::optional<Rows> finer_ = {};
    std::vector<std::uint32_t> places_ = {};   // [N] of each row's id in ascending order; empty where rows are in that order
};

}  // namespace bmae
