// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// A run: for each query, retrieved documents with scores.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <bmae/text/id_table.hpp>
#include <bmae/values/error.hpp>

namespace bmae {

/// One retrieved document.
struct Hit {
    std::uint32_t document = 0;   ///< index in the run's table of document ids
    float score = 0;              ///< larger is better

    friend bool operator==(Hit const&, Hit const&) = default;
};

/// The hits of many queries, in two flat arrays: 6,980 queries x 1,000 hits take 56 MB.
///
/// Queries are in the order in which they were added, hits in the order of the search or of the file; nothing is
/// sorted implicitly. Evaluation orders hits by its own profile.
class Run {
public:
    Run() : documents_(std::make_shared<IdTable>()) {}

    /// A run over a known collection, whose table is shared and not copied.
    explicit Run(std::shared_ptr<IdTable const> documents) : documents_(std::move(documents)) {}

    [[nodiscard]] std::size_t size() const noexcept { return begins_.size() - 1; }   ///< queries
    [[nodiscard]] std::size_t hit_count() const noexcept { return hits_.size(); }    ///< hits of all queries
    [[nodiscard]] std::string_view query(std::size_t i) const noexcept { return queries_[i]; }
    [[nodiscard]] std::span<Hit const> hits(std::size_t i) const noexcept {
        return std::span(hits_).subspan(begins_[i], begins_[i + 1] - begins_[i]);
    }
    /// Scores in double precision, beside `hits(i)`; empty unless the run was read from a file.
    [[nodiscard]] std::span<double const> exact_scores(std::size_t i) const noexcept {
        return exact_.empty() ? std::span<double const>() : std::span(exact_).subspan(begins_[i], begins_[i + 1] - begins_[i]);
    }
    [[nodiscard]] std::string_view document(std::uint32_t number) const noexcept { return (*documents_)[number]; }
    [[nodiscard]] std::shared_ptr<IdTable const> const& documents() const noexcept { return documents_; }

    /// The index of a query; nothing where the run does not contain it.
    [[nodiscard]] std::optional<std::size_t> find(std::string_view query) const noexcept {
        auto const number = queries_.find(query);
        return number ? std::optional<std::size_t>(*number) : std::nullopt;
    }

    void reserve(std::size_t queries, std::size_t hits) {
        queries_.reserve(queries);
        begins_.reserve(queries + 1);
        hits_.reserve(hits);
    }

    /// Appends a query with its hits, which refer to `documents()`.
    /// \throws InputError  where the query is already in the run or a score is not a number
    void add(std::string_view query, std::span<Hit const> hits) {
        if (!exact_.empty()) {
            throw InputError("bmae: a run that was read from a file cannot be added to; copy it query by query.");
        }
        for (Hit const& hit : hits) {
            if (hit.score != hit.score || hit.document >= documents_->size()) {
                throw InputError(Diagnostic{
                    .file = {},
                    .expected = "scored documents of the collection for query '" + std::string(query) + "'",
                    .found = hit.score != hit.score ? "the score nan" : "document number " + std::to_string(hit.document),
                    .hint = "Check the vectors or weights that the scores were computed from."});
            }
        }
        if (queries_.add(query) != size()) {
            throw InputError(Diagnostic{.file = {},
                                        .expected = "every query once",
                                        .found = "query '" + std::string(query) + "' a second time",
                                        .hint = "Give each query its own id."});
        }
        hits_.insert(hits_.end(), hits.begin(), hits.end());
        begins_.push_back(hits_.size());
    }

    /// Built by a reader from its parts.
    /// \param begins  [queries + 1]
    /// \param exact   [hits] or empty
    static Run from_parts(IdTable queries, std::shared_ptr<IdTable const> documents, std::vector<std::size_t> begins,
                          std::vector<Hit> hits, std::vector<double> exact) {
        Run run(std::move(documents));
        run.queries_ = std::move(queries);
        run.begins_ = std::move(begins);
        run.hits_ = std::move(hits);
        run.exact_ = std::move(exact);
        return run;
    }

private:
    IdTable queries_;
    std::shared_ptr<IdTable const> documents_;
    std::vector<std::size_t> begins_ = {0};   // [queries + 1]
    std::vector<Hit> hits_;
    std::vector<double> exact_;   // [hits] or empty
};

}  // namespace bmae
