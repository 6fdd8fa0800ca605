// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Search and evaluation over a folder of collections. Free of LibTorch.
#pragma once

#include <string>
#include <vector>

#include <bmae/corpus/collection_folders.hpp>

#include "common.hpp"

namespace bmae::program {

struct CollectionsOptions {
    Path folder = {};   ///< of folders in BEIR's layout; empty: one collection
    std::string split = "test";
    Path mteb = {};                  ///< folder for result files of MTEB; empty: none are written
    std::vector<Path> beside = {};   ///< folders of such files, whose main scores are shown beside
};

/// `search` over each collection: runs NAME.trec below the folder `search.output`.
int search_collections(Common const& common, SearchOptions const& search, CollectionsOptions const& options);

/// Figures of each collection, and their mean. `evaluate.runs` are folders of runs, one per system.
int evaluate_collections(Common const& common, EvaluateOptions const& evaluate, CollectionsOptions const& options);

/// The split of a collection to evaluate on, by `split_of`; says where it is not `wanted`.
std::string chosen_split(NamedCollection const& collection, std::string const& wanted);

/// `search` over one collection into a run, without a result on standard output.
Json search_collection(Common const& common, SearchOptions const& options);

}  // namespace bmae::program
