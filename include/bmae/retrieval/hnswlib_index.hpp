// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// A graph of hnswlib as an `Index`. This header includes nothing of hnswlib: it takes any type with the members that it calls.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <bmae/detail/parallel.hpp>
#include <bmae/retrieval/dense_index.hpp>
#include <bmae/retrieval/run.hpp>
#include <bmae/text/id_table.hpp>
#include <bmae/values/error.hpp>

namespace bmae {

/// What `HnswlibIndex` needs of `hnswlib::HierarchicalNSW<float>` and `hnswlib::BruteforceSearch<float>`.
template <class H>
concept HnswlibLike = requires(H const& graph, void const* query) {
    static_cast<float>(graph.searchKnn(query, std::size_t{1}).top().first);
    static_cast<std::size_t>(graph.searchKnn(query, std::size_t{1}).top().second);
};

struct HnswlibOptions {
    bool inner_product = true;   ///< of `hnswlib::InnerProductSpace`, whose distance is 1 - q.d; false: of `hnswlib::L2Space`
    unsigned threads = 0;        ///< 0: one per processor
};

/// Searches a graph of hnswlib (Malkov, Yashunin, arXiv 1603.09320), and gives a run. Scores are inner products, or minus the squared
/// distances. Of equal scores the smaller id comes first among the hits that were found.
template <HnswlibLike H>
class HnswlibIndex {
public:
    /// \param graph      label n is the vector of ids[n]; not changed while this lives
    /// \param dimension  D
    /// \param ids        each once                                                                                      [N]
    /// \throws InputError  an id twice
    HnswlibIndex(std::shared_ptr<H const> graph, std::size_t dimension, std::vector<std::string> const& ids,
                 HnswlibOptions options = {})
        : graph_(std::move(graph)), dimension_(dimension), documents_(std::make_shared<IdTable>(ids)), options_(options) {}

    [[nodiscard]] std::size_t size() const noexcept { return documents_->size(); }   ///< N
    [[nodiscard]] std::shared_ptr<IdTable const> const& documents() const noexcept { return documents_; }

    /// \param query_ids  names in the run; "0", "1", ... where none are given                                        [Q] or [0]
    /// \throws InputError  queries of another width, a label without an id
    [[nodiscard]] Run search(VectorRows const& queries, std::size_t k, std::vector<std::string> const& query_ids = {}) const {
        if (queries.dimension != dimension_ || (!query_ids.empty() && query_ids.size() != queries.size())) {
            throw InputError(
                Diagnostic{.file = {},
                           .expected = "queries of " + std::to_string(dimension_) + " values, each with an id or none with any",
                           .found = std::to_string(queries.size()) + " queries of " + std::to_string(queries.dimension) +
                                    " values and " + std::to_string(query_ids.size()) + " ids"});
        }
        std::vector<std::vector<Hit>> found(queries.size());
        detail::parallel_for(queries.size(), 1, options_.threads, [&](std::size_t q, std::size_t) {
            found[q] = hits_of(queries.values.data() + q * dimension_, std::min(k, size()));
        });
        Run run(documents_);
        for (std::size_t q = 0; q < found.size(); ++q) {
            run.add(query_ids.empty() ? std::to_string(q) : query_ids[q], found[q]);
        }
        return run;
    }

private:
    [[nodiscard]] std::vector<Hit> hits_of(float const* query, std::size_t k) const {
        std::vector<Hit> hits;
        if (k == 0) { return hits; }
        for (auto queue = graph_->searchKnn(query, k); !queue.empty(); queue.pop()) {
            auto const [distance, label] = queue.top();
            if (static_cast<std::size_t>(label) >= size()) {
                throw InputError(Diagnostic{.file = {},
                                            .expected = "labels below the number of ids, " + std::to_string(size()),
                                            .found = std::to_string(label)});
            }
            hits.push_back({static_cast<std::uint32_t>(label), options_.inner_product ? 1.0F - distance : -distance});
        }
        std::sort(hits.begin(), hits.end(), [this](Hit const& a, Hit const& b) {
            return a.score != b.score ? a.score > b.score : (*documents_)[a.document] < (*documents_)[b.document];
        });
        return hits;
    }

    std::shared_ptr<H const> graph_;
    std::size_t dimension_;
    std::shared_ptr<IdTable const> documents_;
    HnswlibOptions options_;
};

}  // namespace bmae
