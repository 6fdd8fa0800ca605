// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Evaluation while training: what --eval-data measures.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include <bmae/edge/composed_objective.hpp>
#include <bmae/retrieval/sentence_encoder.hpp>
#include <bmae/training/figures.hpp>
#include <bmae/training/held_out.hpp>

#include "common.hpp"

namespace bmae::program {

using Evaluate = std::function<Figures(std::uint64_t step)>;

/// Refuses a --keep-best that is none of the figures, which else ends the run at its first evaluation.
void check_figure(EvalOptions const& options, std::vector<std::string> const& figures);

/// Refuses a wrong folder, split, measure or figure of --eval-data, before its texts are read.
void check_ranking(EvalOptions const& options);

/// Ranking figures of a retriever on a BEIR folder: its queries of a split are searched in its corpus.
/// \param model  must outlive the result
/// \throws InputError  before anything is trained, where folder, split or measures are not right
Evaluate ranking_evaluation(Common const& common, EvalOptions const& options, AnyModel const& model,
                            AnyTokenizer const& tokenizer, SentenceEncoderOptions const& how);

/// The loss on held-out texts and the gaps of `HeldOut`.
Evaluate held_out_evaluation(HeldOut& held_out);

/// Fills in how the run is evaluated; nothing where there is no --eval-data.
void set_evaluation(EvalOptions const& options, TrainerOptions& settings);

}  // namespace bmae::program
