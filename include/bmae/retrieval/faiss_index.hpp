// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// An index of faiss as an `Index`. This header includes nothing of faiss: it takes any type with the members that it calls.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <bmae/retrieval/dense_index.hpp>
#include <bmae/retrieval/run.hpp>
#include <bmae/text/id_table.hpp>
#include <bmae/values/error.hpp>

namespace bmae {

/// What `FaissIndex` needs of `faiss::Index`.
template <class F>
concept FaissLike = requires(F const& index, float const* queries, float* scores, std::int64_t* labels) {
    index.search(std::int64_t{1}, queries, std::int64_t{1}, scores, labels);
    static_cast<std::int64_t>(index.ntotal);
    static_cast<int>(index.d);
    static_cast<int>(index.metric_type);
};

/// Searches an index of faiss, such as `faiss::IndexFlatIP` or `faiss::IndexHNSWFlat`, and gives a run. Scores are inner products, or minus
/// the squared distances. Of equal scores the smaller id comes first among the hits that faiss found; which of the equal ones it found
/// is its own choice.
template <FaissLike F>
class FaissIndex {
public:
    /// \param index  whose vector n is that of ids[n]; not changed while this lives
    /// \param ids    each once                                                                                          [N]
    /// \throws InputError  another number of ids, an id twice, a metric other than inner product and L2
    FaissIndex(std::shared_ptr<F const> index, std::vector<std::string> const& ids)
        : index_(std::move(index)), documents_(std::make_shared<IdTable>(ids)) {
        auto const metric = static_cast<int>(index_->metric_type);
        if (static_cast<std::size_t>(index_->ntotal) != ids.size() || (metric != inner_product && metric != squared_distance)) {
            throw InputError(Diagnostic{.file = {},
                                        .expected = "an id for each vector, compared by inner product or L2",
                                        .found = std::to_string(ids.size()) + " ids for " + std::to_string(index_->ntotal) +
                                                 " vectors, metric " + std::to_string(metric)});
        }
    }

    [[nodiscard]] std::size_t size() const noexcept { return documents_->size(); }   ///< N
    [[nodiscard]] std::shared_ptr<IdTable const> const& documents() const noexcept { return documents_; }

    /// \param query_ids  names in the run; "0", "1", ... where none are given                                        [Q] or [0]
    [[nodiscard]] Run search(VectorRows const& queries, std::size_t k, std::vector<std::string> const& query_ids = {}) const {
        if (queries.dimension != static_cast<std::size_t>(index_->d) ||
            (!query_ids.empty() && query_ids.size() != queries.size())) {
            throw InputError(
                Diagnostic{.file = {},
                           .expected = "queries of " + std::to_string(index_->d) + " values, each with an id or none with any",
                           .found = std::to_string(queries.size()) + " queries of " + std::to_string(queries.dimension) +
                                    " values and " + std::to_string(query_ids.size()) + " ids"});
        }
        k = std::min(k, size());
        std::vector<float> scores(queries.size() * k);
        std::vector<std::int64_t> labels(scores.size(), -1);
        if (!scores.empty()) {
            index_->search(static_cast<std::int64_t>(queries.size()), queries.values.data(), static_cast<std::int64_t>(k),
                           scores.data(), labels.data());
        }
        float const sign = static_cast<int>(index_->metric_type) == inner_product ? 1.0F : -1.0F;
        Run run(documents_);
        std::vector<Hit> hits;
        for (std::size_t q = 0; q < queries.size(); ++q) {
            hits.clear();
            for (std::size_t i = q * k; i < (q + 1) * k; ++i) {   // -1: fewer were found
                if (labels[i] >= 0) { hits.push_back({static_cast<std::uint32_t>(labels[i]), sign * scores[i]}); }
            }
            std::sort(hits.begin(), hits.end(), [this](Hit const& a, Hit const& b) {
                return a.score != b.score ? a.score > b.score : (*documents_)[a.document] < (*documents_)[b.document];
            });
            run.add(query_ids.empty() ? std::to_string(q) : query_ids[q], hits);
        }
        return run;
    }

private:
    static constexpr int inner_product = 0;      // faiss::METRIC_INNER_PRODUCT
    static constexpr int squared_distance = 1;   // faiss::METRIC_L2

    std::shared_ptr<F const> index_;
    std::shared_ptr<IdTable const> documents_;
};

}  // namespace bmae
