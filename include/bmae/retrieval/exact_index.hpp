// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Exact dense search: every query is scored against every vector.
#pragma once

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include <ATen/core/Tensor.h>

#include <bmae/detail/parallel.hpp>
#include <bmae/retrieval/dense_rows.hpp>
#include <bmae/retrieval/exact_index_distance.hpp>
#include <bmae/retrieval/exact_index_kernel.hpp>
#include <bmae/retrieval/run.hpp>
#include <bmae/text/id_table.hpp>
#include <bmae/values/error.hpp>
#include <bmae/values/vector_similarity.hpp>

namespace bmae {

struct ExactIndexOptions {
    bool normalize = false;   ///< normalize vectors and queries: scores are cosines (a zero vector scores 0)
    VectorSimilarity similarity = VectorSimilarity::dot;   ///< cosine: as `normalize`; of distances the score is the negative
    std::size_t query_block = 1024;   ///< queries searched together: better reuse of cached vectors, more memory
    unsigned threads = 0;             ///< 0: one per processor
};

/// Finds the k vectors with the largest inner products, or the smallest distances, without approximation.
///
/// Scores are fp32. A score is bit for bit the same, and so is the order, for any number of threads, block size or
/// the other queries of a call. Of equal scores the smaller id comes first. The index owns its vectors: no later change of the
/// caller's tensor affects a score. Memory: the vectors and per thread query_block x max(2k, 64) x 8 bytes; the scores [Q, N]
/// are never stored.
class ExactIndex {
public:
    /// \param vectors  fp32 or bf16; bf16 halves the memory and is widened on the fly, exactly. Copied, except where passed
    ///                 by std::move or as a temporary, with memory that no other tensor shares, rows contiguous on the CPU
    ///                 and D a multiple of 16, it becomes the index's own                                           [N, D]
    /// \param ids      each once                                                                                        [N]
    /// \throws InputError  on other shapes or types, a duplicate id, or a value that is not finite (naming its id)
    ExactIndex(at::Tensor vectors, std::vector<std::string> const& ids, ExactIndexOptions options = {})
        : options_(options), documents_(std::make_shared<IdTable>(ids)) {
        options_.normalize = options.normalize || options.similarity == VectorSimilarity::cosine;
        check_matrix(vectors, "vectors [N, D]");
        if (vectors.size(0) != static_cast<std::int64_t>(ids.size())) {
            throw InputError(
                Diagnostic{.file = {},
                           .expected = "as many ids as vectors",
                           .found = std::to_string(ids.size()) + " ids for " + std::to_string(vectors.size(0)) + " vectors",
                           .hint = "Give every vector one id."});
        }
        dimension_ = static_cast<std::size_t>(vectors.size(1));
        bool const half = vectors.scalar_type() == at::kBFloat16 && !options_.normalize;
        vectors_ = own(std::move(vectors), half ? at::kBFloat16 : at::kFloat);
        rows_ = {.count = ids.size(), .width = padded(dimension_), .score = detail::score_block(options_.similarity)};
        if (half) {
            rows_.half = static_cast<std::uint16_t const*>(vectors_.const_data_ptr());
        } else {
            rows_.single = vectors_.const_data_ptr<float>();
        }
        refuse_non_finite();
        order_by_id();
    }

    [[nodiscard]] std::size_t size() const noexcept { return rows_.count; }       ///< N
    [[nodiscard]] std::size_t dimension() const noexcept { return dimension_; }   ///< D
    [[nodiscard]] std::shared_ptr<IdTable const> const& documents() const noexcept { return documents_; }

    /// \param queries    fp32 or bf16                                                                                    [Q, D]
    /// \param k          hits per query; all vectors where there are fewer
    /// \param query_ids  names in the run; "0", "1", ... where none are given                                        [Q] or [0]
    [[nodiscard]] Run search(at::Tensor const& queries, std::size_t k, std::vector<std::string> const& query_ids = {}) const {
        check_matrix(queries, "queries [Q, D]");
        auto const count = static_cast<std::size_t>(queries.size(0));
        if (static_cast<std::size_t>(queries.size(1)) != dimension_ || (!query_ids.empty() && query_ids.size() != count)) {
            throw InputError(
                Diagnostic{.file = {},
                           .expected = "queries of " + std::to_string(dimension_) + " values, each with an id or none with any",
                           .found = std::to_string(count) + " queries of " + std::to_string(queries.size(1)) + " values and " +
                                    std::to_string(query_ids.size()) + " ids",
                           .hint = "Encode queries and documents with the same model."});
        }
        at::Tensor const prepared = prepare(queries, at::kFloat);
        float const* const values = prepared.const_data_ptr<float>();
        for (std::size_t q = 0; q < count; ++q) {
            if (!is_finite(values + q * rows_.width)) {
                throw InputError(Diagnostic{
                    .file = {},
                    .expected = "finite values in the queries",
                    .found = "nan or infinity in query '" + (query_ids.empty() ? std::to_string(q) : query_ids[q]) + '\'',
                    .hint = "Check the encoder; half precision overflows first."});
            }
        }
        Run run(documents_);
        k = std::min(k, size());
        run.reserve(count, count * k);
        std::vector<Hit> hits;
        detail::search_rows(rows_, values, count, k, keys_, std::max<std::size_t>(options_.query_block, 1), options_.threads,
                            [&](std::size_t q, std::vector<TopK::Entry> const& entries) {
                                hits.clear();
                                for (auto const& entry : entries) {
                                    hits.push_back({by_id_.empty() ? entry.key : by_id_[entry.key], entry.score});
                                }
                                run.add(query_ids.empty() ? std::to_string(q) : query_ids[q], hits);
                            });
        return run;
    }

private:
    static std::size_t padded(std::size_t width) noexcept { return detail::padded_width(width); }

    static void check_matrix(at::Tensor const& tensor, char const* what) {
        if (!tensor.defined() || tensor.dim() != 2 ||
            (tensor.scalar_type() != at::kFloat && tensor.scalar_type() != at::kBFloat16)) {
            throw InputError(Diagnostic{.file = {},
                                        .expected = std::string(what) + " of fp32 or bf16",
                                        .found = !tensor.defined() ? std::string("no tensor")
                                                                   : std::to_string(tensor.dim()) + " dimensions of " +
                                                                         std::string(c10::toString(tensor.scalar_type())),
                                        .hint = "One row per text; convert with to(at::kFloat)."});
        }
    }

    /// The result of `prepare`, in memory that only the index owns.
    [[nodiscard]] at::Tensor own(at::Tensor given, at::ScalarType type) const {
        c10::Storage const& storage = given.storage();
        bool const alone = given.use_count() == 1 && storage.use_count() == 1 &&
                           storage.data_ptr().get_context() != nullptr;   // nullptr: external memory of an at::from_blob
        at::Tensor ready = prepare(given, type);
        return alone || !ready.is_alias_of(given) ? ready : ready.clone();
    }

    /// Contiguous on the CPU, rows padded with zeros to whole lanes, normalized on request.
    [[nodiscard]] at::Tensor prepare(at::Tensor const& given, at::ScalarType type) const {
        at::Tensor const plain = given.detach().to(at::kCPU, type).contiguous();
        auto const width = static_cast<std::int64_t>(padded(static_cast<std::size_t>(given.size(1))));
        if (!options_.normalize && width == given.size(1)) { return plain; }
        at::Tensor const wide = plain.new_zeros({given.size(0), width});
        wide.narrow(1, 0, given.size(1)).copy_(plain);
        if (options_.normalize) {
            auto* const values = wide.mutable_data_ptr<float>();
            auto const size = static_cast<std::size_t>(width);
            detail::parallel_for(static_cast<std::size_t>(given.size(0)), 1024, options_.threads,
                                 [&](std::size_t begin, std::size_t end) {
                                     for (std::size_t row = begin; row < end; ++row) {
                                         detail::normalize_row(values + row * size, size);
                                     }
                                 });
        }
        return wide;
    }

    [[nodiscard]] bool is_finite(float const* row) const noexcept {
        bool finite = true;
        for (std::size_t i = 0; i < rows_.width; ++i) { finite &= std::abs(row[i]) <= std::numeric_limits<float>::max(); }
        return finite;
    }
    [[nodiscard]] bool is_finite(std::uint16_t const* row) const noexcept {
        bool finite = true;
        for (std::size_t i = 0; i < rows_.width; ++i) { finite &= (row[i] & 0x7f80U) != 0x7f80U; }
        return finite;
    }

    void refuse_non_finite() const {
        std::atomic<std::size_t> first{rows_.count};
        detail::parallel_for(rows_.count, 4096, options_.threads, [&](std::size_t begin, std::size_t end) {
            for (std::size_t row = begin; row < end; ++row) {
                if (rows_.half != nullptr ? is_finite(rows_.half + row * rows_.width)
                                          : is_finite(rows_.single + row * rows_.width)) {
                    continue;
                }
                for (std::size_t known = first; row < known && !first.compare_exchange_weak(known, row);) {}
                return;
            }
        });
        if (first < rows_.count) {
            throw InputError(Diagnostic{.file = {},
                                        .expected = "finite values in the vectors",
                                        .found = "nan or infinity in row " + std::to_string(first.load()) + ", id '" +
                                                 std::string((*documents_)[first.load()]) + '\'',
                                        .hint = "Check the encoder; half precision overflows first."});
        }
    }

    /// keys_[row] is the rank of its id among all ids in ascending order, by_id_ the inverse; both empty where rows are in that
    /// order.
    void order_by_id() {
        std::vector<std::uint32_t> order(rows_.count);
        std::iota(order.begin(), order.end(), 0U);
        auto const smaller = [this](std::uint32_t a, std::uint32_t b) { return (*documents_)[a] < (*documents_)[b]; };
        if (std::is_sorted(order.begin(), order.end(), smaller)) { return; }
        std::sort(order.begin(), order.end(), smaller);
        keys_.resize(rows_.count);
        for (std::uint32_t place = 0; place < order.size(); ++place) { keys_[order[place]] = place; }
        by_id_ = std::move(order);
    }

    ExactIndexOptions options_;
    std::shared_ptr<IdTable const> documents_;
    at::Tensor vectors_;
    detail::StoredRows rows_;
    std::size_t dimension_ = 0;
    std::vector<std::uint32_t> keys_;
    std::vector<std::uint32_t> by_id_;
};

}  // namespace bmae
