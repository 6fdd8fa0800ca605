// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// The role `Index`: the best documents for queries.
#pragma once

#include <concepts>
#include <cstddef>
#include <string>
#include <vector>

namespace bmae {

class Run;

/// An index finds documents for queries of its own kind: texts, vectors or sparse vectors.
///
/// 1. `index.size()` is the number of documents.                                                                        N
/// 2. `index.search(queries, k, query_ids)` on a const index gives the best k documents of each query, the best first, or all where there
///    are fewer; with scores of which larger is better, none of them NaN. Queries are named by `query_ids`.             Run
/// Law: a result depends on the documents and on its own query alone, not on threads or on the other queries; documents with equal scores
/// have one order; several threads may search at once. Not required: exactness, a base class, all documents in the table of the run.
template <class I, class Queries>
concept Index = requires(I const& index, Queries const& queries, std::size_t k, std::vector<std::string> const& query_ids) {
    { index.size() } -> std::convertible_to<std::size_t>;
    { index.search(queries, k, query_ids) } -> std::same_as<Run>;
};

/// Explains in one sentence what `I` lacks to be an index of such queries; true where it lacks nothing.
template <class I, class Queries>
consteval bool explain_index() {
    static_assert(
        requires(I const& index) {
            { index.size() } -> std::convertible_to<std::size_t>;
        }, "Index: a member `std::size_t size() const`, the number of documents, is missing.");
    static_assert(
        requires(I const& index, Queries const& queries, std::vector<std::string> const& ids) {
            { index.search(queries, std::size_t{1}, ids) } -> std::same_as<Run>;
        },
        "Index: a member `Run search(queries, std::size_t k, std::vector<std::string> const& query_ids) const` for such queries "
        "is "
        "missing.");
    return Index<I, Queries>;
}

}  // namespace bmae
