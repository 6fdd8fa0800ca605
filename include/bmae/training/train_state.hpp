// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// The state of a training run besides its tensors: everything that an exact resume needs.
#pragma once

#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>
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

    /// \throws nlohmann::ordered_json::exception where a field is missing, std::out_of_range where one is of another type or range
    static TrainState from_json(nlohmann::ordered_json const& json);
};

}  // namespace bmae

#if BMAE_DEFINITIONS

#include <nlohmann/json.hpp>

#include <bmae/detail/json_text.hpp>

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
    using nlohmann::ordered_json;
    auto const count = [](ordered_json const& from, char const* key, std::uint64_t& value) {
        value = detail::whole_number<std::uint64_t>(from.at(key), key);
        if (value >> 53 != 0) { throw std::out_of_range('"' + std::string(key) + "\": " + std::to_string(value)); }
    };
    auto const number = [](ordered_json const& from, char const* key) { return detail::finite_number(from.at(key), key); };
    auto const seconds = [&](ordered_json const& from, char const* key) {
        double const value = number(from, key);
        if (value < 0) { throw std::out_of_range('"' + std::string(key) + "\": " + std::to_string(value)); }
        return value;
    };
    TrainState state;
    count(json, "step", state.step);
    count(json, "epoch", state.cursor.epoch);
    count(json, "position", state.cursor.position);
    count(json, "tokens", state.tokens);
    count(json, "skipped", state.skipped);
    count(json, "skips_in_row", state.skips_in_row);
    if (json.contains("budget")) { state.budget = seconds(json, "budget"); }   // older checkpoints do not have the plan
    if (json.contains("seconds")) { state.seconds = seconds(json, "seconds"); }
    if (json.contains("plan")) { state.plan = plan_from_json(json.at("plan")); }
    if (json.contains("best")) { state.best = best_figure_from_json(json.at("best")); }
    auto const& window = json.at("window");
    count(window, "steps", state.window_steps);
    count(window, "tokens", state.window_tokens);
    state.window_norm = number(window, "norm");
    state.window_seconds = seconds(window, "seconds");
    state.window_waited = seconds(window, "waited");
    if (!window.at("terms").is_array()) { throw std::out_of_range("\"terms\": " + detail::kind_of_json(window.at("terms"))); }
    for (auto const& t : window.at("terms")) {
        auto const labels = [&](char const* key) { return detail::whole_number<std::int64_t>(t.at(key), key); };
        state.terms.push_back({.name = t.at("name"),
                               .kind = t.at("kind"),
                               .weight = number(t, "weight"),
                               .labels = labels("labels"),
                               .absent = t.contains("absent") ? labels("absent") : 0,   // older checkpoints do not have it
                               .loss = number(t, "loss"),
                               .correct = number(t, "correct"),
                               .has_accuracy = t.at("has_accuracy").get<bool>(),
                               .task = t.value("task", std::string())});   // older checkpoints do not have it
    }
    return state;
}

}  // namespace bmae

#endif   // BMAE_DEFINITIONS
