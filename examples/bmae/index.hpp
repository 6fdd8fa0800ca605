// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Indexes on disk: the command `index`, and `search --index`. Free of LibTorch.
#pragma once

#include <cstddef>
#include <string>

#include "common.hpp"

namespace bmae::program {

struct IndexOptions {
    std::string method = "bm25";
    Path data = {};
    Path output = {};
    bool store_texts = false;
    double k1 = 0.9;
    double b = 0.4;
    TermOptions terms = {};
    std::size_t memory = 512;   ///< MB
    ModelOptions model = {};
    Path vectors = {};   ///< made by encode, in place of a model
    std::string rows = "fp32";
    std::string finer_rows = "fp32";
    std::string similarity = {};   ///< empty: the model's
    bool skip_malformed = false;
};
int make_index(Common const& common, IndexOptions const& options);
/// Documents that a model has to encode: needs LibTorch.
int index_by_model(Common const& common, IndexOptions const& options);

/// What `search --index` adds to the options of `search`, of which it reads those of output, number of hits and model.
struct SearchIndexOptions {
    Path index = {};
    Path queries = {};
    Path query_vectors = {};   ///< made by encode, in place of `queries` and a model
    std::size_t rescore = 0;   ///< candidates of coarse rows that are scored by the finer ones; 0: as is usual
    bool force = false;        ///< take vectors of another model
    bool verify = false;       ///< compare all checksums
};
int search_index(Common const& common, SearchOptions const& options, SearchIndexOptions const& index);
/// Queries that a model has to encode: needs LibTorch.
int search_index_by_model(Common const& common, SearchOptions const& options, SearchIndexOptions const& index);

}  // namespace bmae::program
