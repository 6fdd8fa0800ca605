// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Exact search where documents have several vectors.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include <ATen/core/Tensor.h>
#include <ATen/ops/tensor.h>

#include <bmae/retrieval/exact_index.hpp>
#include <bmae/retrieval/run.hpp>
#include <bmae/text/id_table.hpp>
#include <bmae/values/error.hpp>

namespace bmae {

/// Finds the k documents whose best chunks have the largest inner products with a query, without approximation: MaxP (Dai, Callan, arXiv
/// 1905.09217, section 3). Of equal scores the smaller id comes first, as in `ExactIndex`.
class ChunkIndex {
public:
    /// \param rows     fp32 or bf16, one per chunk                                                                      [C, D]
    /// \param offsets  document n has the rows offsets[n] .. offsets[n+1], at least one                                 [N+1]
    /// \param ids      each once                                                                                        [N]
    /// \throws InputError  as `ExactIndex`, and for offsets that do not fit the rows and ids
    ChunkIndex(at::Tensor rows, std::vector<std::int64_t> const& offsets, std::vector<std::string> const& ids,
               ExactIndexOptions options = {})
        : documents_(std::make_shared<IdTable>(ids)),
          document_of_(owners(rows, offsets, ids.size())),
          index_(std::move(rows), chunk_ids(document_of_, ids), options) {}

    [[nodiscard]] std::size_t size() const noexcept { return documents_->size(); }   ///< N
    [[nodiscard]] std::size_t chunks() const noexcept { return index_.size(); }      ///< C
    [[nodiscard]] std::shared_ptr<IdTable const> const& documents() const noexcept { return documents_; }

    /// \param queries    fp32 or bf16                                                                                    [Q, D]
    /// \param k          documents per query; all where there are fewer
    /// \param query_ids  names in the run; "0", "1", ... where none are given                                        [Q] or [0]
    [[nodiscard]] Run search(at::Tensor const& queries, std::size_t k, std::vector<std::string> const& query_ids = {}) const {
        k = std::min(k, size());
        std::size_t depth = std::min(2 * k, chunks());
        Run found = index_.search(queries, depth, query_ids);
        std::vector<std::vector<Hit>> best(found.size());
        std::vector<std::string> names;
        std::vector<std::int64_t> open;   // queries whose best chunks belong to fewer than k documents so far
        for (std::size_t q = 0; q < found.size(); ++q) {
            names.emplace_back(found.query(q));
            best[q] = documents_of(found, q, k);
            if (best[q].size() < k) { open.push_back(static_cast<std::int64_t>(q)); }
        }
        while (!open.empty() && depth < chunks()) {
            depth = std::min(4 * depth, chunks());
            found = index_.search(queries.index_select(0, at::tensor(open)), depth);
            std::vector<std::int64_t> left;
            for (std::size_t i = 0; i < open.size(); ++i) {
                auto& hits = best[static_cast<std::size_t>(open[i])];
                hits = documents_of(found, i, k);
                if (hits.size() < k) { left.push_back(open[i]); }
            }
            open = std::move(left);
        }
        Run run(documents_);
        for (std::size_t q = 0; q < best.size(); ++q) { run.add(names[q], best[q]); }
        return run;
    }

private:
    /// The document of each chunk.
    static std::vector<std::uint32_t> owners(at::Tensor const& rows, std::vector<std::int64_t> const& offsets,
                                             std::size_t count) {
        bool fits = offsets.size() == count + 1 && offsets.front() == 0 && rows.dim() == 2 && offsets.back() == rows.size(0);
        for (std::size_t n = 0; fits && n < count; ++n) { fits = offsets[n] < offsets[n + 1]; }
        if (!fits) {
            throw InputError(Diagnostic{.file = {},
                                        .expected = "offsets that give each of the " + std::to_string(count) +
                                                    " documents at least one row, and all rows to one",
                                        .found = std::to_string(offsets.size()) + " offsets",
                                        .hint = "Pass the offsets that encode_chunks returned."});
        }
        std::vector<std::uint32_t> owner;
        for (std::size_t n = 0; n < count; ++n) {
            owner.insert(owner.end(), static_cast<std::size_t>(offsets[n + 1] - offsets[n]), static_cast<std::uint32_t>(n));
        }
        return owner;
    }

    /// Ids in the order of the documents' ids, and within a document in the order of its text: equal scores then are ordered as
    /// documents are.
    static std::vector<std::string> chunk_ids(std::vector<std::uint32_t> const& owner, std::vector<std::string> const& ids) {
        std::vector<std::string> names;
        names.reserve(owner.size());
        for (std::size_t c = 0; c < owner.size(); ++c) {
            std::string number = std::to_string(c);
            number.insert(0, 20 - number.size(), '0');
            names.push_back(ids[owner[c]] + '\0' + number);   // no id continues with a smaller character
        }
        return names;
    }

    /// The first `k` documents of the chunks that were found for query `q`, each with its best score.
    [[nodiscard]] std::vector<Hit> documents_of(Run const& found, std::size_t q, std::size_t k) const {
        std::vector<Hit> hits;
        std::vector<std::uint32_t> seen;   // sorted
        for (Hit const& chunk : found.hits(q)) {
            std::uint32_t const document = document_of_[chunk.document];
            auto const place = std::ranges::lower_bound(seen, document);
            if (place != seen.end() && *place == document) { continue; }
            seen.insert(place, document);
            hits.push_back({.document = document, .score = chunk.score});
            if (hits.size() == k) { break; }
        }
        return hits;
    }

    std::shared_ptr<IdTable const> documents_;
    std::vector<std::uint32_t> document_of_;   // [C]
    ExactIndex index_;
};

}  // namespace bmae
