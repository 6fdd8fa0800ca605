// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Commands that measure the vectors of a model on tasks without search: similarity, transfer.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "common.hpp"

namespace bmae::program {

struct SimilarityOptions {
    ModelOptions model = {};
    std::vector<Path> inputs = {};
    std::string format = "sts";
    double positive = 4;   ///< least gold score of a pair for alignment
};
int similarity(Common const& common, SimilarityOptions const& options);

struct TransferTaskOptions {
    ModelOptions model = {};
    std::vector<std::string> tasks = {};
    Path data = {};
    std::string classifier = "senteval";
    std::size_t folds = 10;
};
int transfer(Common const& common, TransferTaskOptions const& options);

}  // namespace bmae::program
