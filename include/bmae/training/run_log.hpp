// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// The readable output of a run: its options, then its progress.
#pragma once

#include <cstdint>
#include <cstdio>
#include <string>

#include <bmae/detail/separate.hpp>
#include <bmae/training/train_log.hpp>
#include <bmae/training/trainer_options.hpp>

namespace bmae {

namespace detail {

/// "0.0001", "16384"
BMAE_INLINE std::string short_number(double value);

}  // namespace detail

/// Some lines, each ending in a newline. A batch size and a learning rate that were not set are marked as defaults.
BMAE_INLINE std::string settings_text(TrainerOptions const& options);

/// "step 20 of 120  loss 2.3127  learning rate 0.0001  1250 tokens/s", without a newline.
BMAE_INLINE std::string progress_text(LogReport const& report);

}  // namespace bmae

#if BMAE_DEFINITIONS

namespace bmae::detail {

BMAE_INLINE std::string short_number(double value) {
    char text[32];
    std::snprintf(text, sizeof text, "%.6g", value);
    return text;
}

}  // namespace bmae::detail

namespace bmae {

BMAE_INLINE std::string settings_text(TrainerOptions const& options) {
    TrainerOptions const usual;
    auto const number = [](std::uint64_t count) { return std::to_string(count); };
    std::string batch =
        options.batch.examples != 0 ? number(options.batch.examples) + " examples" : number(options.batch.tokens) + " tokens";
    if (options.batch.examples == 0 && options.batch.tokens == usual.batch.tokens) {
        batch += " (the default; .batch = {.tokens = N} or {.examples = N} sets it)";
    }
    if (options.accumulation != 1) { batch += ", " + number(options.accumulation) + " of them a step"; }
    std::string rate = detail::short_number(options.learning_rate);
    if (options.learning_rate == usual.learning_rate) { rate += " (the default)"; }
    Schedule const& schedule = options.schedule;
    std::string const warmup = schedule.warmup_steps != 0 ? number(schedule.warmup_steps) + " steps"
                                                          : detail::short_number(100 * schedule.warmup_ratio) + "% of the steps";
    std::string const length = options.steps != 0     ? number(options.steps)
                               : options.epochs != 0  ? number(options.epochs) + " epochs"
                               : options.plan.empty() ? "by the clock, " + detail::short_number(options.seconds) + " seconds"
                                                      : number(TrainPlan(options.plan).steps()) + ", of a recorded plan";
    return "steps          " + length + '\n' + "batch          " + batch + '\n' + "learning rate  " + rate + ", " +
           std::string(to_string(schedule.decay)) + " after a warm-up of " + warmup + '\n' + "precision      " +
           std::string(to_string(options.precision)) + '\n' + "seed           " + number(options.seed) + '\n' +
           "output         " + (options.output.empty() ? "none: no checkpoint is written" : options.output.string()) + '\n';
}

BMAE_INLINE std::string progress_text(LogReport const& report) {
    char text[160];
    std::snprintf(text, sizeof text, "step %llu of %llu  loss %.4f  learning rate %.3g  %.0f tokens/s",
                  static_cast<unsigned long long>(report.step), static_cast<unsigned long long>(report.steps), report.loss,
                  report.learning_rate, report.tokens_per_second);
    return text;
}

}  // namespace bmae

#endif   // BMAE_DEFINITIONS
