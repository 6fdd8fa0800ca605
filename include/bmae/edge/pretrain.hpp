// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Model, corpus, numbers: pre-training in one call.
#pragma once

#include <cstddef>
#include <iostream>
#include <memory>
#include <string>
#include <utility>

#include <bmae/edge/composed_objective.hpp>
#include <bmae/text/token_store.hpp>
#include <bmae/training/run_log.hpp>
#include <bmae/training/trainer.hpp>

namespace bmae {

/// What `pretrain` may be told beside the numbers of the run.
template <class Model>
struct PretrainDetails {
    std::size_t max_length = 0;                                  ///< tokens of a view; 0: the passage length of the corpus
    std::string name = "composition";                            ///< under which checkpoints and reports know the model
    typename ComposedObjective<Model>::Sidecars sidecars = {};   ///< writes config and tokenizer into each checkpoint
    std::ostream* log = &std::cerr;                              ///< of settings and progress; nullptr: nothing is printed
};

/// Trains `model`, any composition, on the passages of `corpus`: `pretrain(model, corpus, {.steps = 10'000, .output = "run"})`.
///
/// The same as a `ComposedObjective` given to a `Trainer`, which a program that wants `Trainer::request_stop` or several
/// ranks makes itself. Afterwards `model` holds the trained parameters. Settings and progress are printed to standard error:
/// `pretrain(model, corpus, options, {}, {.log = nullptr})` prints nothing; an `on_log` of one's own replaces the progress lines.
/// A program that does little else calls `keep_freed_memory()` (training/allocator.hpp) first: steps on a CPU are faster then.
/// \throws InputError, RunError  as ComposedObjective and Trainer do
template <class Model>
TrainResult pretrain(Model& model, TokenStore const& corpus, TrainerOptions options, TrainerCallbacks callbacks = {},
                     PretrainDetails<Model> details = {}) {
    std::shared_ptr<Model> const borrowed(std::shared_ptr<Model>{}, &model);   // the caller keeps the model
    ViewSettings const settings{.max_length = details.max_length == 0 ? corpus.max_length() : details.max_length};
    ComposedObjective<Model> objective(borrowed, corpus, settings, std::move(details.name), std::move(details.sidecars));
    if (details.log != nullptr) {
        *details.log << settings_text(options) << std::flush;
        if (!callbacks.on_log) {
            callbacks.on_log = [log = details.log](LogReport const& report) { *log << progress_text(report) << std::endl; };
        }
    }
    return Trainer(objective, std::move(options), std::move(callbacks)).fit();
}

}  // namespace bmae
