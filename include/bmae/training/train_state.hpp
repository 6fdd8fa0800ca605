// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// The state of a training run besides its tensors: everything that an exact resume needs.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include <bmae/batch/planner.hpp>
#include <bmae/detail/separate.hpp>
#include <bmae/training/figures.hpp>
#include <bmae/training/plan.hpp>
#include <bmae/training/train_log.hpp>

namespace bmae {

struct TrainState {
    std::uint64_t step = 0;      ///< optimizer steps done
    Cursor cursor = {};          ///< of the next micro-batch
    std::uint64_t tokens = 0;    ///< seen so far
    std::uint64_t skipped = 0;   ///< skipped non-finite steps
    std::uint64_t skips_in_row = 0;
    double budget = 0;                    ///< of a run by the clock: its training time in seconds; 0: another run
    double seconds = 0;                   ///< of it, used so far
    std::vector<PlanSegment> plan = {};   ///< of a run by the clock or by a plan: all of it so far
    BestFigure best = {};                 ///< of a run that is evaluated

    std::vector<TermSums> terms = {};   ///< of the open log window
    std::uint64_t window_steps = 0;
    std::uint64_t window_tokens = 0;
    double window_norm = 0;   ///< sum of gradient norms
    double window_seconds = 0;
    double window_waited = 0;   ///< of those, seconds without a batch

    /// Adds one step to the log window. A skipped step counts for time and tokens only.
    /// \param sums  [terms] of all its micro-batches
    void add(StepReport const& report, std::vector<TermSums> const& sums);

    /// The means of the window, which is then reset.
    LogReport close_window(std::uint64_t steps, StepReport const& last);

    [[nodiscard]] nlohmann::ordered_json to_json() const;

    /// \throws nlohmann::ordered_json::exception where a field is missing or of another type
    static TrainState from_json(nlohmann::ordered_json const& json);
};

}  // namespace bmae

#if BMAE_DEFINITIONS

#include <nlohmann/json.hpp>

namespace bmae {

BMAE_INLINE void TrainState::add(StepReport const& report, std::vector<TermSums> const& sums) {
    tokens += report.tokens;
    window_tokens += report.tokens;
    window_seconds += report.seconds;
    window_waited += report.waited;
    if (report.skipped) { return; }
    ++window_steps;
    window_norm += report.gradient_norm;
    terms.resize(sums.size());
    for (std::size_t t = 0; t < sums.size(); ++t) { terms[t] += sums[t]; }
}

BMAE_INLINE LogReport TrainState::close_window(std::uint64_t steps, StepReport const& last) {
    LogReport report{.step = step,
                     .steps = steps,
                     .epoch = last.epoch,
                     .learning_rate = last.learning_rate,
                     .tokens = tokens,
                     .skipped = skipped};
    if (window_steps != 0) { report.gradient_norm = window_norm / static_cast<double>(window_steps); }
    if (window_seconds > 0) {
        report.tokens_per_second = static_cast<double>(window_tokens) / window_seconds;
        report.waiting = window_waited / window_seconds;
    }
    for (TermSums const& sums : terms) {
        report.terms.push_back(sums.report());
        report.loss += sums.weight * report.terms.back().loss;
    }
    terms.clear();
    window_steps = window_tokens = 0;
    window_norm = window_seconds = window_waited = 0;
    return report;
}

BMAE_INLINE nlohmann::ordered_json TrainState::to_json() const {
    nlohmann::ordered_json json{{"step", step},     {"epoch", cursor.epoch}, {"position", cursor.position},
                                {"tokens", tokens}, {"skipped", skipped},    {"skips_in_row", skips_in_row}};
    if (budget > 0) { json.update({{"budget", budget}, {"seconds", seconds}}); }
    if (!plan.empty()) { json["plan"] = bmae::to_json(plan); }
    if (best.step != 0) { json["best"] = bmae::to_json(best); }
    json["window"] = {{"steps", window_steps},     {"tokens", window_tokens}, {"norm", window_norm},
                      {"seconds", window_seconds}, {"waited", window_waited}, {"terms", nlohmann::ordered_json::array()}};
    for (TermSums const& t : terms) {
        json["window"]["terms"].push_back({{"name", t.name},
                                           {"kind", t.kind},
                                           {"weight", t.weight},
                                           {"labels", t.labels},
                                           {"absent", t.absent},
                                           {"loss", t.loss},
                                           {"correct", t.correct},
                                           {"has_accuracy", t.has_accuracy},
                                           {"task", t.task}});
    }
    return json;
}

BMAE_INLINE TrainState TrainState::from_json(nlohmann::ordered_json const& json) {
    TrainState state;
    json.at("step").get_to(state.step);
    json.at("epoch").get_to(state.cursor.epoch);
    json.at("position").get_to(state.cursor.position);
    json.at("tokens").get_to(state.tokens);
    json.at("skipped").get_to(state.skipped);
    json.at("skips_in_row").get_to(state.skips_in_row);
    state.budget = json.value("budget", 0.0);   // older checkpoints do not have the plan
    state.seconds = json.value("seconds", 0.0);
    if (json.contains("plan")) { state.plan = plan_from_json(json.at("plan")); }
    if (json.contains("best")) { state.best = best_figure_from_json(json.at("best")); }
    auto const& window = json.at("window");
    window.at("steps").get_to(state.window_steps);
    window.at("tokens").get_to(state.window_tokens);
    window.at("norm").get_to(state.window_norm);
    window.at("seconds").get_to(state.window_seconds);
    window.at("waited").get_to(state.window_waited);
    for (auto const& t : window.at("terms")) {
        state.terms.push_back({.name = t.at("name"),
                               .kind = t.at("kind"),
                               .weight = t.at("weight"),
                               .labels = t.at("labels"),
                               .absent = t.value("absent", std::int64_t{0}),   // older checkpoints do not have it
                               .loss = t.at("loss"),
                               .correct = t.at("correct"),
                               .has_accuracy = t.at("has_accuracy"),
                               .task = t.value("task", std::string())});   // older checkpoints do not have it
    }
    return state;
}

}  // namespace bmae

#endif   // BMAE_DEFINITIONS
