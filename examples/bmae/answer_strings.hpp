// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Evaluation by answer strings: `evaluate --answers`. Free of LibTorch.
#pragma once

#include <vector>

#include "common.hpp"

namespace bmae::program {

struct AnswerStringOptions {
    Path answers = {};               ///< questions with their answers; empty: judgments
    std::vector<Path> corpus = {};   ///< texts of the hits
    bool titles = false;             ///< an answer in the title counts
};

/// The share of questions with an answer among the first k hits, of each run.
int evaluate_answers(Common const& common, EvaluateOptions const& evaluate, AnswerStringOptions const& options);

}  // namespace bmae::program
