// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// All options of a training run, and which of them a resumed run must share.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include <bmae/batch/planner.hpp>
#include <bmae/detail/separate.hpp>
#include <bmae/training/adamw_options.hpp>
#include <bmae/training/description.hpp>
#include <bmae/training/figures.hpp>
#include <bmae/training/optimizer_kind.hpp>
#include <bmae/training/parameter_rates.hpp>
#include <bmae/training/plan.hpp>
#include <bmae/training/precision.hpp>
#include <bmae/training/schedule.hpp>
#include <bmae/training/train_log.hpp>
#include <bmae/values/error.hpp>

namespace bmae {

/// Defaults: the optimization settings of RetroMAE (arXiv 2205.12035 and its released scripts).
struct TrainerOptions {
    std::uint64_t steps = 0;    ///< optimizer steps of the whole run; 0: use `epochs`
    std::uint64_t epochs = 0;   ///< passes over the corpus, the last step is completed from one more
    double seconds = 0;         ///< training time of the whole run, instead: steps are planned by the clock (ClockPlanner)
    std::vector<PlanSegment> plan = {};   ///< instead: the recorded plan of a run by the clock, to repeat it
    BatchOptions batch = {};              ///< of a micro-batch: by tokens or by examples
    std::size_t accumulation = 1;         ///< micro-batches of an optimizer step
    bool gradient_cache = false;          ///< a contrast spans the texts of the whole step, not of each micro-batch
    double learning_rate = 1e-4;          ///< peak
    Schedule schedule = {};
    OptimizerKind optimizer = OptimizerKind::adamw;
    AdamWOptions adamw = {};     ///< of the other optimizers too, as far as they have such numbers
    ParameterRates rates = {};   ///< frozen parts, and rates by layer
    bool recompute = false;      ///< encoder layers are computed again in the backward pass: less memory, the same result
    double clip = 1;             ///< largest norm of the gradient; 0: no clipping
    ComputeType precision = ComputeType::fp32;
    NonFinitePolicy non_finite = {};
    EvaluationOptions evaluation = {};   ///< by `TrainerCallbacks::evaluate`
    std::uint64_t seed = 42;             ///< of order, masks and dropout
    std::filesystem::path output = {};   ///< folder of checkpoints and of log.jsonl; empty: nothing is written
    std::uint64_t save_every = 1000;     ///< optimizer steps; 0: only at the end. The end is always saved
    std::size_t keep_last = 2;           ///< checkpoints that are kept; 0: all
    bool resume = false;                 ///< resume from the newest undamaged checkpoint of `output`, or start if there is none
    std::uint64_t log_every = 10;        ///< optimizer steps; 0: never
    std::size_t loader_threads = 1;      ///< that build batches ahead of the step; 0: none. Results do not depend on it
};

/// \throws InputError if an option is out of range
BMAE_INLINE void check(TrainerOptions const& options);

/// The options that determine the result of a run; a resumed run must have the same.
BMAE_INLINE nlohmann::ordered_json deciding_options(TrainerOptions const& options);

/// The first option in which a run differs from its checkpoint. An option that is newer than the checkpoint had its
/// default then.
/// \param then  `deciding_options` of the checkpoint
BMAE_INLINE std::optional<DescriptionDifference> option_difference(nlohmann::ordered_json then, TrainerOptions const& now);

/// Callbacks of a run. All are called from the thread that runs `fit`; any may be empty.
struct TrainerCallbacks {
    std::function<void(StepReport const&)> on_step = {};
    std::function<void(LogReport const&)> on_log = {};
    std::function<void(std::filesystem::path const& checkpoint)> on_save = {};
    std::function<Figures(std::uint64_t step)> evaluate = {};   ///< measures the model; required by `TrainerOptions::evaluation`
    /// After an evaluation; \p best: it is the best so far, and its checkpoint is kept.
    std::function<void(std::uint64_t step, Figures const&, bool best)> on_figures = {};
    std::function<void(std::string const&)> on_warning = {};   ///< empty: standard error
    std::function<double()> clock =
        {};   ///< seconds, of a clock that never goes back, for runs by the clock; empty: the machine's
};

}  // namespace bmae

#if BMAE_DEFINITIONS

#include <nlohmann/json.hpp>

namespace bmae {

BMAE_INLINE void check(TrainerOptions const& options) {
    auto const demand = [](bool good, char const* expected, std::string const& found) {
        if (!good) { throw InputError(Diagnostic{{}, 0, expected, found}); }
    };
    demand(options.seconds >= 0, "a training time of at least 0 seconds", std::to_string(options.seconds));
    int const ways = (options.steps != 0 ? 1 : 0) + (options.epochs != 0 ? 1 : 0) + (options.seconds > 0 ? 1 : 0) +
                     (options.plan.empty() ? 0 : 1);
    demand(ways != 0, "a number of steps or of epochs above 0, a training time or a plan", "none of them");
    demand(ways == 1, "either steps, epochs, a training time or a plan", std::to_string(ways) + " of them");
    demand(options.accumulation != 0, "accumulation of at least 1", "0");
    if (options.gradient_cache && options.accumulation == 1) {
        throw InputError(Diagnostic{{},
                                    0,
                                    "an accumulation of at least 2 with a gradient cache",
                                    "1",
                                    "Split the batch into parts that fit into memory: --accumulate is the number of parts per "
                                    "contrast."});
    }
    demand(options.learning_rate >= 0 && options.learning_rate < 1e6, "a learning_rate of at least 0",
           std::to_string(options.learning_rate));
    demand(options.clip >= 0, "a clip of at least 0 (0: no clipping)", std::to_string(options.clip));
    demand(!options.resume || !options.output.empty(), "an output folder to resume from", "none");
    EvaluationOptions const& evaluation = options.evaluation;
    demand(evaluation.every != 0 || (evaluation.best.empty() && evaluation.patience == 0),
           "steps between evaluations, to keep the best checkpoint or to stop early", "0");
    demand(evaluation.patience == 0 || !evaluation.best.empty(), "the figure that decides, with a patience", "none");
    demand(evaluation.best.empty() || !options.output.empty(), "an output folder, to keep the best checkpoint", "none");
    check(options.schedule);
    check(options.adamw);
    check(options.rates);
}

BMAE_INLINE nlohmann::ordered_json deciding_options(TrainerOptions const& options) {
    return {{"batch.tokens", options.batch.tokens},
            {"batch.examples", options.batch.examples},
            {"batch.shuffle", options.batch.shuffle},
            {"batch.sort_window", options.batch.sort_window},
            {"batch.one_source", options.batch.one_source},
            {"accumulation", options.accumulation},
            {"gradient_cache", options.gradient_cache},
            {"learning_rate", options.learning_rate},
            {"schedule", to_string(options.schedule.decay)},
            {"warmup_steps", options.schedule.warmup_steps},
            {"warmup_ratio", options.schedule.warmup_ratio},
            {"floor", options.schedule.floor},
            {"beta1", options.adamw.beta1},
            {"beta2", options.adamw.beta2},
            {"epsilon", options.adamw.epsilon},
            {"weight_decay", options.adamw.weight_decay},
            {"optimizer", to_string(options.optimizer)},
            {"frozen", list_text(options.rates.frozen)},
            {"layer_decay", options.rates.layer_decay},
            {"clip", options.clip},
            {"precision", to_string(options.precision)},
            {"seed", options.seed}};
}

BMAE_INLINE std::optional<DescriptionDifference> option_difference(nlohmann::ordered_json then, TrainerOptions const& now) {
    nlohmann::ordered_json const usual = deciding_options({});
    for (auto const& [name, value] : usual.items()) {
        if (!then.contains(name)) { then[name] = value; }
    }
    return detail::difference(then, deciding_options(now), {});
}

}  // namespace bmae

#endif   // BMAE_DEFINITIONS
