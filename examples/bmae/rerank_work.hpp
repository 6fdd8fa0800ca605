// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// What `rerank` scores: the first hits of a run, or what fine-tuning reads of a list of negatives. Free of LibTorch.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include <bmae/corpus/beir.hpp>
#include <bmae/retrieval/run.hpp>

#include "common.hpp"
#include "ranking.hpp"

namespace bmae::program {

/// The candidates of each query, over their collection.
struct RerankWork {
    BeirCollection collection;
    Records queries;
    Run run;
    Path source = {};                       // of the run or of the negatives
    std::vector<std::size_t> places = {};   // of the queries of the split in `run`
    std::uint64_t skipped = 0;              // queries of the source that are left out
    ReadReport read = {};                   // of all files

    /// Title and text of a hit. \throws InputError  where the corpus lacks it
    [[nodiscard]] std::string text_of(Hit const& hit) const;
};

/// Reads collection, judgments and candidates. \throws InputError  before any scoring, for everything that does not fit
RerankWork read_work(RerankOptions const& options);

/// What `score_candidates` did.
struct ScoredCandidates {
    std::string settings = {};   ///< that determine the scores, as text
    char const* kind = "";       ///< of the model
    std::uint64_t pairs = 0;     ///< scored by this start
    std::size_t resumed_from = 0;
    bool was_there = false;   ///< the output was finished already
    bool finished = true;
};
/// Writes the scores as a TREC run; stops at an interrupt, and goes on with `options.resume`.
/// \throws InputError  as `load_scorer`, and where the output is there, or was begun with other settings
ScoredCandidates score_candidates(Common const& common, RerankOptions const& options, RerankWork const& work);

/// Whether every candidate is scored, for `finetune --teacher-scores`, and not the first `depth` alone.
inline bool scores_as_teacher(RerankOptions const& options) { return options.as_teacher || !options.negatives.empty(); }

}  // namespace bmae::program
