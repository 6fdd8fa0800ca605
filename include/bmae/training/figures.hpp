// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Evaluation while training: when, which figure decides, and when to stop.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include <bmae/detail/separate.hpp>

namespace bmae {

/// Named results of one evaluation, in the order in which they are shown: "loss", "ndcg@10" ...
using Figures = std::vector<std::pair<std::string, double>>;

/// How a run is evaluated. Evaluation changes no parameter: a run with it has the weights of one without, until `patience` ends it.
struct EvaluationOptions {
    std::uint64_t every = 0;        ///< optimizer steps between evaluations, and after the last; 0: none
    std::string best = {};          ///< the figure whose best checkpoint is kept and is the result; empty: the last is the result
    bool higher_is_better = true;   ///< of that figure
    std::uint64_t patience = 0;     ///< evaluations without a better figure after which the run ends; 0: never
};

/// The best evaluation so far, part of a checkpoint.
struct BestFigure {
    std::uint64_t step = 0;   ///< 0: none yet
    double value = 0;
    std::uint64_t worse = 0;      ///< evaluations since
    bool has_ended_run = false;   ///< by `patience`

    /// Takes the figures of one evaluation.
    /// \returns true where they are the best so far
    /// \throws InputError where they lack the figure that decides, RunError where it is not a number
    BMAE_INLINE bool judge(std::uint64_t at_step, Figures const& figures, EvaluationOptions const& options);
};

BMAE_INLINE nlohmann::ordered_json to_json(BestFigure const& best);
/// \throws nlohmann::ordered_json::exception where a field is missing or of another type
BMAE_INLINE BestFigure best_figure_from_json(nlohmann::ordered_json const& json);

}  // namespace bmae

#if BMAE_DEFINITIONS

#include <cmath>

#include <nlohmann/json.hpp>

#include <bmae/values/error.hpp>

namespace bmae {

BMAE_INLINE bool BestFigure::judge(std::uint64_t at_step, Figures const& figures, EvaluationOptions const& options) {
    if (options.best.empty()) { return false; }
    std::string names;
    double const* found = nullptr;
    for (auto const& [name, figure] : figures) {
        names += (names.empty() ? "" : ", ") + name;
        if (name == options.best) { found = &figure; }
    }
    if (found == nullptr) {
        throw InputError(Diagnostic{.file = {},
                                    .expected = "the figure \"" + options.best + "\", by which the best checkpoint is chosen",
                                    .found = names.empty() ? "none" : names,
                                    .hint = "Choose one of those that the evaluation gives."});
    }
    if (std::isnan(*found)) {
        throw RunError("the figure " + options.best + " of step " + std::to_string(at_step) + " is not a number");
    }
    bool const better = step == 0 || (options.higher_is_better ? *found > value : *found < value);
    if (better) {
        step = at_step;
        value = *found;
        worse = 0;
    } else {
        ++worse;
    }
    has_ended_run = options.patience != 0 && worse >= options.patience;
    return better;
}

BMAE_INLINE nlohmann::ordered_json to_json(BestFigure const& best) {
    return {{"step", best.step}, {"value", best.value}, {"worse", best.worse}, {"has_ended_run", best.has_ended_run}};
}

BMAE_INLINE BestFigure best_figure_from_json(nlohmann::ordered_json const& json) {
    return {
        .step = json.at("step"), .value = json.at("value"), .worse = json.at("worse"), .has_ended_run = json.at("has_ended_run")};
}

}  // namespace bmae

#endif   // BMAE_DEFINITIONS
