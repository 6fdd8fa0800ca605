// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// The factor of a term in the total, and its schedule over a run.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <numbers>
#include <string>
#include <string_view>

#include <bmae/values/error.hpp>

namespace bmae {

/// Schedule of a factor from its first value to its last; x: share of the time that has passed.
enum class WeightSchedule {
    constant,    ///< stays at the first value
    linear,      ///< x of the difference
    cosine,      ///< (1 - cos(pi x)) / 2 of the difference (Loshchilov, Hutter, arXiv 1608.03983, equation 5)
    quadratic,   ///< x^2 of the difference (SPLADE, arXiv 2107.05720, for its regularizer)
};

/// Names in command lines and checkpoints.
constexpr std::array<std::string_view, 4> names_of(WeightSchedule) noexcept {
    return {"constant", "linear", "cosine", "quadratic"};
}

/// The end of a schedule.
struct WeightChange {
    WeightSchedule schedule = WeightSchedule::constant;
    double last = 0;    ///< value at the end; not for `constant`
    double until = 1;   ///< share of the run's steps after which it is reached, above 0
};

/// The factor of a term: `.weight = .1`, or `.weight = {1, {.schedule = WeightSchedule::cosine, .last = .1}}`.
class TermWeight {
public:
    TermWeight(double first = 1, WeightChange change = {}) : first_(first), change_(change) {}

    /// \param progress  share of the run that is done
    /// Throws InputError for a value that is not finite, and for an end outside (0, 1].
    [[nodiscard]] double at(double progress) const {
        if (!(std::isfinite(first_) && std::isfinite(change_.last) && change_.until > 0 && change_.until <= 1)) {
            throw InputError(Diagnostic{.file = {},
                                        .expected = "a finite weight that reaches its last value within (0, 1] of the run",
                                        .found = std::to_string(first_) + " to " + std::to_string(change_.last) + " until " +
                                                 std::to_string(change_.until)});
        }
        double const x = std::min(1.0, progress / change_.until);
        switch (change_.schedule) {
            case WeightSchedule::linear:
                return first_ + (change_.last - first_) * x;
            case WeightSchedule::cosine:
                return change_.last + (first_ - change_.last) * .5 * (1 + std::cos(std::numbers::pi * x));
            case WeightSchedule::quadratic:
                return first_ + (change_.last - first_) * x * x;
            case WeightSchedule::constant:
                break;
        }
        return first_;
    }

    template <class Visit>
    void for_each_option(Visit&& visit) {
        visit("", first_, "factor in the total, at the start of the run");
        visit("schedule", change_.schedule, "schedule of the factor over the run");
        visit("last", change_.last, "final factor; not for constant");
        visit("until", change_.until, "share of the run after which the final factor is reached");
    }

private:
    double first_;
    WeightChange change_;
};

}  // namespace bmae
