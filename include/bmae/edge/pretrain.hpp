// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Pre-training and fine-tuning in one call.
#pragma once

#include <cstddef>
#include <filesystem>
#include <functional>
#include <iostream>
#include <memory>
#include <string>
#include <utility>

#include <bmae/detail/bind_model.hpp>
#include <bmae/edge/composed_objective.hpp>
#include <bmae/text/pair_store.hpp>
#include <bmae/text/token_store.hpp>
#include <bmae/training/run_log.hpp>
#include <bmae/training/trainer.hpp>

namespace bmae {

/// Options of `pretrain` besides those of the run.
template <class Model>
struct PretrainDetails {
    std::size_t max_length = 0;                                  ///< tokens of a view; 0: the passage length of the corpus
    std::string name = "composition";                            ///< of the model in checkpoints and reports
    typename ComposedObjective<Model>::Sidecars sidecars = {};   ///< writes config and tokenizer into each checkpoint
    std::ostream* log = &std::cerr;                              ///< of settings and progress; nullptr: nothing is printed
};

namespace detail {

/// Trains `model` on `data` and prints settings and progress.
template <class Model, Dataset Data, class Details>
TrainResult fit_composition(Model& model, Data const& data, std::size_t max_length, TrainerOptions options,
                            TrainerCallbacks callbacks, Details details) {
    std::shared_ptr<Model> const borrowed(std::shared_ptr<Model>{}, &model);   // not owned: the caller keeps the model
    std::unique_ptr<AnyModel> const objective =
        bind_model<Model, Data>(borrowed, data, {.max_length = max_length}, std::move(details.name), std::move(details.sidecars));
    if (details.log != nullptr) {
        *details.log << settings_text(options) << std::flush;
        if (!callbacks.on_log) {
            callbacks.on_log = [log = details.log](LogReport const& report) { *log << progress_text(report) << std::endl; };
        }
    }
    return Trainer(*objective, std::move(options), std::move(callbacks)).fit();
}

}  // namespace detail

/// Trains `model`, any composition, on the passages of `corpus`: `pretrain(model, corpus, {.steps = 10'000, .output = "run"})`.
///
/// The same as a `ComposedObjective` given to a `Trainer`, which a program that needs `Trainer::request_stop` or several
/// ranks makes itself. Afterwards `model` holds the trained parameters. Settings and progress are printed to standard error:
/// `pretrain(model, corpus, options, {}, {.log = nullptr})` prints nothing; a custom `on_log` replaces the progress lines.
/// A training program should call `keep_freed_memory()` (training/allocator.hpp) first: steps on a CPU are then faster.
/// \throws InputError, RunError  as ComposedObjective and Trainer do
template <class Model>
TrainResult pretrain(Model& model, TokenStore const& corpus, TrainerOptions options, TrainerCallbacks callbacks = {},
                     PretrainDetails<Model> details = {}) {
    std::size_t const length = details.max_length == 0 ? corpus.max_length() : details.max_length;
    return detail::fit_composition(model, corpus, length, std::move(options), std::move(callbacks), std::move(details));
}

/// Options of `finetune` besides those of the run.
struct FinetuneDetails {
    std::string name = "composition";                                  ///< of the model in checkpoints and reports
    std::function<void(std::filesystem::path const&)> sidecars = {};   ///< writes config and tokenizer into each checkpoint
    std::ostream* log = &std::cerr;                                    ///< of settings and progress; nullptr: nothing is printed
};

/// Trains `model`, a composition over queries and candidates, on the pairs of a store:
/// `finetune(model, pairs, {.steps = 1000, .batch = {.examples = 32}, .output = "run"})`. Lengths are those of its sources.
///
/// Otherwise as `pretrain`.
/// \throws InputError, RunError  as ComposedObjective and Trainer do
template <class Model>
TrainResult finetune(Model& model, PairStore const& pairs, TrainerOptions options, TrainerCallbacks callbacks = {},
                     FinetuneDetails details = {}) {
    auto const length = static_cast<std::size_t>(model.encoder().shape().positions);
    return detail::fit_composition(model, pairs, length, std::move(options), std::move(callbacks), std::move(details));
}

}  // namespace bmae
