// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// What searches of all kinds of indexes on disk share: queries, answers and runs. Free of LibTorch.
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <vector>

#include <bmae/corpus/record.hpp>
#include <bmae/retrieval/index_folder.hpp>
#include <bmae/retrieval/run.hpp>

#include "index.hpp"

namespace bmae::program {

/// The queries of --queries: JSON Lines, or lines of id, tab, text where the name ends in .tsv. \throws InputError  ids that no run can contain
/// \param report  receives what was skipped
Records read_query_file(Path const& file, bool skip_malformed, ReadReport& report);

/// What searches an index, in the words of both.
struct IndexSearch {
    std::string method = {};   ///< of the result
    IndexDocuments const* documents = nullptr;
    std::string no_hit = {};   ///< said where a query finds nothing
    /// The k best rows of one query.
    std::function<std::vector<Hit>(std::string const& query, std::size_t k)> find = {};
    /// A run of many.
    std::function<Run(std::vector<std::string> const& queries, std::vector<std::string> const& ids, std::size_t k)> run = {};
};

/// Shows the best documents of --query, or writes the run of --queries.
int answer_from_index(Common const& common, SearchOptions const& options, SearchIndexOptions const& index,
                      IndexSearch const& search);

/// Writes a run and the result of the command.
int write_index_run(Common const& common, SearchOptions const& options, std::string const& method, std::size_t documents,
                    Run const& run, ReadReport const& read);

}  // namespace bmae::program
