// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Where each optimizer step stands in its run: by a number of steps that is known, or by the clock, planned again while it runs.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <stdexcept>
#include <utility>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include <bmae/detail/separate.hpp>
#include <bmae/training/schedule.hpp>
#include <bmae/values/error.hpp>

namespace bmae {

/// From optimizer step `step` on, counted from 0, the run's progress rises from `progress` to 1 within `left` steps.
struct PlanSegment {
    std::uint64_t step = 0;
    double progress = 0;      ///< in [0, 1]
    std::uint64_t left = 0;   ///< 0: the run ends before this step

    friend bool operator==(PlanSegment const&, PlanSegment const&) = default;
};

/// The plan of a run: the number of its steps and the progress of each, which the learning rate and weights that change read.
///
/// A run of N steps has progress s / N at step s. A run by the clock does not know its number of steps: its plan is a list of
/// segments, of which each replaces the one before from its step on. Progress has no jump where a segment begins, so the learning rate
/// has none either, and the rates of a list are the same whenever they are computed.
class TrainPlan {
public:
    /// \param steps  of the whole run
    explicit TrainPlan(std::uint64_t steps) : steps_(steps) {}

    /// \param segments  by ascending step, the first of step 0; empty: nothing is known yet but that progress begins at 0
    /// \throws InputError where they are not in order or progress is outside of [0, 1]
    explicit TrainPlan(std::vector<PlanSegment> segments);

    [[nodiscard]] bool by_clock() const noexcept { return by_clock_; }
    [[nodiscard]] std::vector<PlanSegment> const& segments() const noexcept { return segments_; }

    /// Optimizer steps of the whole run, as planned now; the largest number while nothing is known.
    [[nodiscard]] std::uint64_t steps() const noexcept;

    /// The share of the run that lies before a step, in [0, 1].
    [[nodiscard]] double progress(std::uint64_t step) const noexcept;

    /// Factor of the peak learning rate at a step.
    [[nodiscard]] double factor(Schedule const& schedule, std::uint64_t step) const;

    /// Plans the rest again: from `step` on, `left` steps remain.
    /// \param from  progress at `step`; nothing: as planned so far
    void replan(std::uint64_t step, std::uint64_t left, std::optional<double> from = std::nullopt);

    /// Holds progress where it is until the next call of `replan`, since the time of a step is not known yet.
    void hold(std::uint64_t step, double progress) { replan(step, unknown - step, progress); }

private:
    static constexpr std::uint64_t unknown = std::uint64_t{1} << 62;
    std::uint64_t steps_ = 0;
    std::vector<PlanSegment> segments_ = {};
    bool by_clock_ = false;
};

/// Decides when a run by the clock plans its rest again, and how many steps that is: the time left over the expected time of a step, the
/// geometric mean of the time expected before and of the mean time since the plan before. One step that stalls (a slow disk, a machine
/// that sleeps) therefore does not end the run early with a high learning rate, and a lasting change of speed is followed within a few
/// plans. It plans after each sixteenth of the time that has passed since this start or of the time that is left, whichever is less:
/// often while little is known, and often where little is left, some hundred times in all.
///
/// Time is training time: that of the steps of all starts of the run, with the logs and checkpoints between them, without loading.
class ClockPlanner {
public:
    /// \param budget  training time of the whole run, in seconds
    /// \param before  of it, used by earlier starts up to the checkpoint that this start resumes from
    ClockPlanner(double budget, double before) : budget_(budget), start_(before), planned_at_(before) {}

    /// Steps left of the run, where it is time to plan again. Called after every step.
    /// \param seconds  training time of this start and those before
    [[nodiscard]] std::optional<std::uint64_t> after_step(double seconds);

private:
    static constexpr double parts = 16;
    double budget_;
    double start_;
    double planned_at_;
    std::uint64_t steps_ = 0;   // since then
    double expected_ = 0;       // seconds of a step; 0: not known yet
};

/// [[step, progress, left], ...]
BMAE_INLINE nlohmann::ordered_json to_json(std::span<PlanSegment const> segments);

/// \throws nlohmann::json::exception, std::out_of_range  where it is no list of step, progress, left
BMAE_INLINE std::vector<PlanSegment> plan_from_json(nlohmann::ordered_json const& list);

}  // namespace bmae

#if BMAE_DEFINITIONS

#include <nlohmann/json.hpp>

#include <bmae/detail/json_text.hpp>

namespace bmae {

BMAE_INLINE TrainPlan::TrainPlan(std::vector<PlanSegment> segments) : segments_(std::move(segments)), by_clock_(true) {
    for (std::size_t i = 0; i < segments_.size(); ++i) {
        PlanSegment const& segment = segments_[i];
        bool const ordered = i == 0 || segment.step > segments_[i - 1].step;
        if (!ordered || !(segment.progress >= 0 && segment.progress <= 1)) {
            throw InputError(
                Diagnostic{{}, 0, "a plan of ascending steps with progress in [0, 1]", "segment " + std::to_string(i)});
        }
    }
}

BMAE_INLINE std::uint64_t TrainPlan::steps() const noexcept {
    if (!by_clock_) { return steps_; }
    return segments_.empty() ? unknown : segments_.back().step + segments_.back().left;
}

BMAE_INLINE double TrainPlan::progress(std::uint64_t step) const noexcept {
    if (!by_clock_) { return steps_ == 0 ? 0 : static_cast<double>(step) / static_cast<double>(steps_); }
    auto const after = std::upper_bound(segments_.begin(), segments_.end(), step,
                                        [](std::uint64_t s, PlanSegment const& segment) { return s < segment.step; });
    if (after == segments_.begin()) { return 0; }
    PlanSegment const& now = *(after - 1);
    if (now.left == 0) { return now.progress; }
    double const share = std::min(1.0, static_cast<double>(step - now.step) / static_cast<double>(now.left));
    return now.progress + (1 - now.progress) * share;
}

BMAE_INLINE double TrainPlan::factor(Schedule const& schedule, std::uint64_t step) const {
    if (!by_clock_) { return schedule.factor(step, steps_); }
    if (schedule.warmup_steps == 0) { return schedule.factor_at(progress(step), schedule.warmup_ratio); }
    if (step < schedule.warmup_steps) { return static_cast<double>(step) / static_cast<double>(schedule.warmup_steps); }
    return schedule.factor_at(progress(step), progress(schedule.warmup_steps));
}

BMAE_INLINE void TrainPlan::replan(std::uint64_t step, std::uint64_t left, std::optional<double> from) {
    double const begin = from.value_or(progress(step));
    while (!segments_.empty() && segments_.back().step >= step) { segments_.pop_back(); }
    segments_.push_back({.step = step, .progress = begin, .left = left});
}

BMAE_INLINE std::optional<std::uint64_t> ClockPlanner::after_step(double seconds) {
    ++steps_;
    double const since = seconds - planned_at_;
    double const left = budget_ - seconds;
    if (left > 0 && since < std::min(seconds - start_, left) / parts) { return std::nullopt; }
    double const measured = std::max(since / static_cast<double>(steps_), 1e-9);
    expected_ = expected_ == 0 ? measured : std::sqrt(expected_ * measured);
    planned_at_ = seconds;
    steps_ = 0;
    return left <= 0 ? 0 : static_cast<std::uint64_t>(std::llround(std::min(left / expected_, 1e12)));
}

BMAE_INLINE nlohmann::ordered_json to_json(std::span<PlanSegment const> segments) {
    nlohmann::ordered_json list = nlohmann::ordered_json::array();
    for (PlanSegment const& segment : segments) { list.push_back({segment.step, segment.progress, segment.left}); }
    return list;
}

BMAE_INLINE std::vector<PlanSegment> plan_from_json(nlohmann::ordered_json const& list) {
    std::vector<PlanSegment> segments;
    if (!list.is_array()) { throw std::out_of_range("\"plan\": " + detail::kind_of_json(list)); }
    for (auto const& row : list) {
        segments.push_back({.step = detail::whole_number<std::uint64_t>(row.at(0), "plan"),
                            .progress = detail::finite_number(row.at(1), "plan"),
                            .left = detail::whole_number<std::uint64_t>(row.at(2), "plan")});
        PlanSegment const& segment = segments.back();
        bool const is_progress = segment.progress >= 0 && segment.progress <= 1;
        if (!is_progress || (segment.step | segment.left) >> 62 > 1) { throw std::out_of_range("\"plan\": " + row.dump()); }
    }
    return segments;
}

}  // namespace bmae

#endif   // BMAE_DEFINITIONS
