// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Search by a dense vector and lexical weights of one model in one pass.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <ATen/core/Tensor.h>

#include <bmae/bottlenecks/dual.hpp>
#include <bmae/retrieval/run.hpp>
#include <bmae/retrieval/top_k.hpp>
#include <bmae/text/id_table.hpp>
#include <bmae/values/error.hpp>

namespace bmae {

/// Exact search by `dual_scores`: every document is scored, since weights may be below 0.
class DualIndex {
public:
    /// \param documents  of N texts; kept, not copied
    /// \param ids        [N]
    /// \throws InputError  another number of ids, an id twice
    DualIndex(DualVectors documents, std::vector<std::string> const& ids)
        : documents_(std::move(documents)), ids_(std::make_shared<IdTable>(ids)) {
        if (documents_.dense.size(0) == static_cast<std::int64_t>(ids.size())) { return; }
        throw InputError(
            Diagnostic{.file = {},
                       .expected = "as many ids as texts",
                       .found = std::to_string(ids.size()) + " ids for " + std::to_string(documents_.dense.size(0)) + " texts"});
    }

    [[nodiscard]] std::size_t size() const noexcept { return ids_->size(); }   ///< N

    /// The k best texts of each query; of equal scores the one that was added first.
    /// \param queries    [Q, R + V], all word weights
    /// \param query_ids  [Q], names in the run
    [[nodiscard]] Run search(at::Tensor const& queries, std::size_t k, std::vector<std::string> const& query_ids) const {
        constexpr std::int64_t group = 16;                             // queries whose scores of a block are held at once
        constexpr std::int64_t most_numbers = std::int64_t{1} << 24;   // word weights that meet in a block
        std::int64_t const terms = std::max<std::int64_t>(1, documents_.words.size(1));
        std::int64_t const block = std::max<std::int64_t>(1, most_numbers / (group * terms));
        auto const count = static_cast<std::int64_t>(size());
        Run run(ids_);
        for (std::int64_t q = 0; q < queries.size(0); q += group) {
            at::Tensor const asked = queries.narrow(0, q, std::min(group, queries.size(0) - q));
            std::vector<TopK> best(static_cast<std::size_t>(asked.size(0)), TopK(std::min(k, size())));
            for (std::int64_t begin = 0; begin < count; begin += block) {
                std::int64_t const rows = std::min(block, count - begin);
                at::Tensor const scores = dual_scores(asked, {.dense = documents_.dense.narrow(0, begin, rows),
                                                              .words = documents_.words.narrow(0, begin, rows),
                                                              .weights = documents_.weights.narrow(0, begin, rows)})
                                              .contiguous();
                for (std::size_t i = 0; i < best.size(); ++i) {
                    std::span<float const> const row(scores.const_data_ptr<float>() + i * static_cast<std::size_t>(rows),
                                                     static_cast<std::size_t>(rows));
                    best[i].push_all(
                        row, [&](std::size_t at) { return static_cast<std::uint32_t>(begin) + static_cast<std::uint32_t>(at); });
                }
            }
            for (std::size_t i = 0; i < best.size(); ++i) {
                std::vector<Hit> hits;
                for (TopK::Entry const& entry : best[i].sorted()) { hits.push_back({entry.key, entry.score}); }
                run.add(query_ids.at(static_cast<std::size_t>(q) + i), hits);
            }
        }
        return run;
    }

private:
    DualVectors documents_;
    std::shared_ptr<IdTable const> ids_;
};

}  // namespace bmae
