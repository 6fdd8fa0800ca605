// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Commands that read runs and write other ones or what follows from them: fuse, mine. Free of LibTorch.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "common.hpp"

namespace bmae::program {

struct FuseOptions {
    std::vector<Path> runs = {};
    std::string method = "reciprocal-rank";
    std::string weights = {};         ///< "0.7,0.3"; empty: equal ones
    std::string normalization = {};   ///< empty: the method's
    double k = 60;
    Path tune = {};   ///< judgments by which weights and k are chosen; empty: none
    std::string tune_measure = "ndcg@10";
    std::size_t top_k = 1000;
    std::string tag = {};   ///< empty: the method
    bool skip_malformed = false;
    Path output = {};
};
int fuse(Common const& common, FuseOptions const& options);

struct MineOptions {
    std::vector<Path> runs = {};
    Path data = {};
    std::string split = "train";
    std::string window = "1:100";
    std::size_t number = 8;
    std::string sample = "random";
    std::optional<double> margin = {};
    std::optional<double> relative_margin = {};
    Path reranker_scores = {};
    double reranker_margin = 0;
    std::string format = "ids";   ///< or hard-negatives, or one of TrainingFormat
    bool skip_malformed = false;
    Path output = {};
};
int mine(Common const& common, MineOptions const& options);

}  // namespace bmae::program
