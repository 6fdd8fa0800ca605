// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// The training pairs of `finetune`, from what --data, --negatives and --teacher-scores name.
#pragma once

#include <string>
#include <string_view>

#include <bmae/corpus/teacher_scores.hpp>
#include <bmae/text/any_tokenizer.hpp>
#include <bmae/text/pair_store.hpp>
#include <bmae/values/prompts.hpp>

#include "common.hpp"
#include "pending_store.hpp"

namespace bmae::program {

/// The preset whose pairs have a similarity in place of relevant texts and negatives.
inline constexpr std::string_view scored_pairs = "scored-pairs";

/// \throws InputError for a name that --teacher-normalization does not know
TeacherNormalization normalization_of(FinetuneOptions const& options);

/// The pairs to train on: a pair store, or what is built from a BEIR folder or from lines.
/// \param pending  where a store is built
/// \param read  receives the report of what was read
/// \throws InputError for options that the form of the data does not read, a store of another tokenizer or of other prompts, no hard
/// negatives where --negatives names a file, and for a resumed run whose data are no longer those that it began with
PairStore open_pairs(Common const& common, FinetuneOptions const& options, AnyTokenizer const& tokenizer, Prompts const& prompts,
                     PendingStore& pending, ReadReport& read);

/// Tells how many queries have hard negatives; half of them or fewer is worth a warning.
void say_coverage(PairStore const& pairs);

}  // namespace bmae::program
