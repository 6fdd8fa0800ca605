// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Training runs of pretrain and finetune.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include <bmae/training/figures.hpp>
#include <bmae/training/objective.hpp>

#include "common.hpp"

namespace bmae::program {

enum class TrainedTo { the_end, the_time_limit, an_interrupt, a_pause };

/// The result of `train`.
struct Trained {
    TrainedTo to = TrainedTo::the_end;
    std::uint64_t step = 0;
    std::uint64_t resumed_from = 0;
    Path checkpoint = {};   ///< the last one
    Path result = {};       ///< the one whose parameters the objective holds at the end: the best, where that is kept
    Json json = {};         ///< for the result of the command
};

/// NAME=VALUE of `--set`, by name. \throws InputError for another form, and for a duplicate name
std::map<std::string, std::string> parse_settings(std::vector<std::string> const& settings);

/// Whether a run goes on from a checkpoint of its output folder.
bool is_resumed(TrainingOptions const& options);

/// Refuses an output folder that is not empty, unless it is to be resumed and holds a run, with or without a checkpoint. Says where
/// there is nothing to resume.
void check_output(TrainingOptions const& options);

/// Refuses options out of range, before anything is read.
void check_numbers(Common const& common, TrainingOptions const& options);

/// Refuses what the trainer would refuse of a model, before data are prepared: parts to freeze and weights to adapt that it does not
/// have, a gradient cache without a contrast.
/// \param objective  the model, on any data
void check_training(Common const& common, TrainingOptions const& options, Objective& objective);

/// Trains until the end, the time limit or an interrupt; the objective then holds the result.
/// With --minutes alone the schedule follows the clock: the plan is in the checkpoints, and --plan repeats it.
/// \param evaluate  what --eval-data measures; empty: nothing
Trained train(Common const& common, TrainingOptions const& options, Objective& objective,
              std::function<Figures(std::uint64_t step)> evaluate = {});

/// Publishes a result of the run as OUTPUT/NAME with a model card, in place of that of an earlier end: readers see the old folder or
/// the new one.
/// \param write  makes the folder that it is given
/// \returns  the path of the folder
Path publish(TrainingOptions const& options, Trained const& trained, std::string const& name,
             std::function<void(Path const&)> const& write);

}  // namespace bmae::program
