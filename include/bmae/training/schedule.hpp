// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// The learning rate as a pure function of the step: linear warm-up, then constant, linear or cosine decay.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <numbers>
#include <string>
#include <string_view>

#include <bmae/values/error.hpp>

namespace bmae {

/// Decay of the learning rate after the warm-up.
enum class Decay { constant, linear, cosine };

inline std::string to_string(Decay decay) {
    switch (decay) {
        case Decay::constant:
            return "constant";
        case Decay::linear:
            return "linear";
        case Decay::cosine:
            return "cosine";
    }
    return "unknown";
}

/// \throws InputError if `name` is not one of constant, linear, cosine
inline Decay decay_from(std::string_view name) {
    for (Decay const decay : {Decay::constant, Decay::linear, Decay::cosine}) {
        if (to_string(decay) == name) { return decay; }
    }
    throw InputError(Diagnostic{{}, 0, "a schedule: constant, linear or cosine", '"' + std::string(name) + '"'});
}

/// Factor of the peak learning rate at every step.
///
/// As in the schedules of the published recipes the first step of a warm-up has rate 0 and the step after the last one
/// has the floor. Defaults: warm-up over a tenth of the steps, then linear to 0 (RetroMAE).
struct Schedule {
    Decay decay = Decay::linear;
    std::uint64_t warmup_steps = 0;   ///< optimizer steps; 0: use `warmup_ratio`
    double warmup_ratio = .1;         ///< share of all steps, rounded up
    double floor = 0;                 ///< share of the peak rate that linear and cosine decay end at

    /// Optimizer steps of warm-up in a run of `steps`.
    [[nodiscard]] std::uint64_t warmup(std::uint64_t steps) const {
        if (warmup_steps != 0) { return warmup_steps; }
        return static_cast<std::uint64_t>(std::ceil(warmup_ratio * static_cast<double>(steps)));
    }

    /// \param step   counted from 0
    /// \param steps  of the whole run
    [[nodiscard]] double factor(std::uint64_t step, std::uint64_t steps) const {
        std::uint64_t const rise = warmup(steps);
        if (step < rise) { return static_cast<double>(step) / static_cast<double>(rise); }
        if (decay == Decay::constant) { return 1; }
        double const fall = static_cast<double>(std::max(steps, rise + 1) - rise);
        return decayed(std::min(1.0, static_cast<double>(step - rise) / fall));
    }

    /// The same where the place in the run is known as a share, not as a step.
    /// \param progress  share of the run before the step, in [0, 1]
    /// \param warm      share of the run that is warm-up
    [[nodiscard]] double factor_at(double progress, double warm) const {
        if (progress < warm) { return progress / warm; }
        if (decay == Decay::constant) { return 1; }
        return decayed(warm < 1 ? std::min(1.0, (progress - warm) / (1 - warm)) : 0.0);
    }

private:
    /// \param progress  of the decay, in [0, 1]
    [[nodiscard]] double decayed(double progress) const {
        double const share = decay == Decay::linear ? 1 - progress : (1 + std::cos(std::numbers::pi * progress)) / 2;
        return floor + (1 - floor) * share;
    }
};

/// \throws InputError if an option of `schedule` is out of range
inline void check(Schedule const& schedule) {
    auto const share = [](char const* name, double value) {
        if (!(value >= 0 && value <= 1)) {
            throw InputError(Diagnostic{{}, 0, std::string(name) + " in [0, 1]", std::to_string(value)});
        }
    };
    share("warmup_ratio", schedule.warmup_ratio);
    share("floor", schedule.floor);
}

}  // namespace bmae
