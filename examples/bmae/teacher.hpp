// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// torch-free
/// \file
/// `finetune --teacher`: the scores of a model for what a run will read.
#pragma once

#include <optional>
#include <string_view>

#include "common.hpp"

namespace bmae::program {

/// What the names of the teacher's files in an output folder begin with.
inline constexpr std::string_view teacher_files = "teacher-scores.";

/// Scores the relevant documents and the negatives of the run by `options.teacher`, each once and without a gradient, as `rerank
/// --negatives` does, into the output folder. What is there of an earlier start is kept, and must be of the same teacher.
/// \returns  the file of scores; nothing where it was interrupted
/// \throws InputError  for data without texts, another teacher than that of the run, and as `rerank`
std::optional<Path> scores_of_teacher(Common const& common, FinetuneOptions const& options);

}  // namespace bmae::program
