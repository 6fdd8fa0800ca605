// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// torch-free
/// \file
/// `finetune --teacher`: the scores of models for what a run will read.
#pragma once

#include <string_view>
#include <vector>

#include "common.hpp"

namespace bmae::program {

/// What the names of the teacher's files in an output folder begin with.
inline constexpr std::string_view teacher_files = "teacher-scores.";

/// Scores the relevant documents and the negatives of the run by each of `options.teachers`, each pair once and without a gradient, as
/// `rerank --negatives` does, into the output folder: one teacher after the other, into teacher-scores.trec, or where they are several
/// into teacher-scores.1-of-2.trec and so on. What is there of an earlier start is kept, and must be of the same teachers.
/// \returns  the files of scores, one per teacher; none where it was interrupted
/// \throws InputError  for data without texts, other teachers than those of the run, and as `rerank`; all teachers are loaded before the
///                     first one scores
std::vector<Path> scores_of_teachers(Common const& common, FinetuneOptions const& options);

}  // namespace bmae::program
