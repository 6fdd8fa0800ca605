// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// Evaluation while training: the best checkpoint is kept and is the result, patience ends the run, a resumed run judges as one that was not
// interrupted.
#include <bmae/training/figures.hpp>

#include <cmath>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <limits>
#include <string>
#include <vector>

#include <boost/test/unit_test.hpp>
#include <nlohmann/json.hpp>

#include <bmae/training/checkpoint_store.hpp>
#include <bmae/training/trainer.hpp>

#include "../scratch_folder.hpp"
#include "toy_objective.hpp"

BOOST_AUTO_TEST_SUITE(figures)

namespace {

using namespace bmae;
namespace fs = std::filesystem;
using bmae::test::ToyObjective;

std::vector<at::Tensor> values_of(ToyObjective& toy) {
    std::vector<at::Tensor> values;
    for (at::Tensor const& value : toy.values()) { values.push_back(value.detach().clone()); }
    return values;
}

bool equal(std::vector<at::Tensor> const& a, std::vector<at::Tensor> const& b) {
    for (std::size_t i = 0; i < a.size(); ++i) {
        if (!a[i].equal(b[i])) { return false; }
    }
    return a.size() == b.size();
}

/// Its figure is .3, .5, .4, .45, .1 ... at the steps 2, 4, 6 ...
double figure_at(std::uint64_t step) {
    double const figures[] = {.3, .5, .4, .45, .1, .2, .2, .2};
    return figures[step / 2 - 1];
}

TrainerOptions evaluated(fs::path const& output) {
    return {.steps = 16,
            .batch = {.tokens = 0, .examples = 5},
            .learning_rate = .05,
            .evaluation = {.every = 2, .best = "quality", .patience = 3},
            .output = output,
            .save_every = 3,
            .keep_last = 1};
}

/// \param stop  stops after this step; 0: at the end
TrainResult run(ToyObjective& toy, TrainerOptions const& options, std::uint64_t stop = 0,
                std::vector<std::uint64_t>* best = nullptr) {
    Trainer* running = nullptr;
    TrainerCallbacks callbacks;
    callbacks.evaluate = [](std::uint64_t step) { return Figures{{"loss", 1}, {"quality", figure_at(step)}}; };
    callbacks.on_figures = [&](std::uint64_t step, Figures const&, bool is_best) {
        if (is_best && best != nullptr) { best->push_back(step); }
    };
    callbacks.on_step = [&](StepReport const& report) {
        if (report.step == stop) { running->request_stop(); }
    };
    Trainer trainer(toy, options, callbacks);
    running = &trainer;
    return trainer.fit();
}

std::vector<std::string> figures_of_log(fs::path const& folder) {
    std::vector<std::string> lines;
    std::ifstream file(folder / "log.jsonl");
    for (std::string line; std::getline(file, line);) {
        if (line.find("figures") != std::string::npos) { lines.push_back(line); }
    }
    return lines;
}

BOOST_AUTO_TEST_CASE(the_best_figure_decides) {
    BestFigure best;
    EvaluationOptions const higher{.every = 1, .best = "a", .patience = 2};
    BOOST_TEST(best.judge(1, {{"a", -3.0}}, higher));
    BOOST_TEST(!best.judge(2, {{"a", -3.0}}, higher));   // equal is not better
    BOOST_TEST(best.judge(3, {{"b", 9.0}, {"a", -2.0}}, higher));
    BOOST_TEST(!best.judge(4, {{"a", -9.0}}, higher));
    BOOST_TEST(!best.has_ended_run);
    BOOST_TEST(!best.judge(5, {{"a", -9.0}}, higher));
    BOOST_TEST(best.has_ended_run);
    BOOST_TEST(best.step == 3U);
    BestFigure const read = best_figure_from_json(to_json(best));
    BOOST_TEST((read.step == 3 && read.value == -2.0 && read.worse == 2 && read.has_ended_run));
    BestFigure lowest;
    EvaluationOptions const lower{.every = 1, .best = "a", .higher_is_better = false};
    BOOST_TEST(lowest.judge(1, {{"a", 3.0}}, lower));
    BOOST_TEST(lowest.judge(2, {{"a", 2.0}}, lower));
    BOOST_CHECK_THROW(lowest.judge(3, {{"b", 2.0}}, lower), InputError);
    BOOST_CHECK_THROW(lowest.judge(3, {{"a", std::numeric_limits<double>::quiet_NaN()}}, lower), RunError);
    BOOST_TEST(!BestFigure().judge(1, {{"a", 1.0}}, {.every = 1}));
}

BOOST_AUTO_TEST_CASE(the_best_checkpoint_is_kept_and_is_the_result) {
    ::test::ScratchFolder const scratch;
    fs::path const folder = scratch.path() / "run";
    ToyObjective toy;
    std::vector<std::uint64_t> best;
    TrainResult const result = run(toy, evaluated(folder), 0, &best);
    BOOST_TEST((best == std::vector<std::uint64_t>{2, 4}));
    BOOST_TEST((result.end == TrainEnd::finished));
    BOOST_TEST(result.step == 10U);   // three evaluations behind step 4
    BOOST_TEST(result.best.step == 4U);
    std::vector<CheckpointFolder> const left = list_checkpoints(folder);
    BOOST_TEST(left.size() == 2U);
    BOOST_TEST(left.front().step == 10U);
    BOOST_TEST(result_checkpoint(folder).step == 4U);
    BOOST_TEST(newest_checkpoint(folder).step == 10U);
    BOOST_TEST(figures_of_log(folder).size() == 5U);

    ToyObjective four;   // the model holds the parameters of step 4
    TrainerOptions plain = evaluated(scratch.path() / "plain");
    plain.evaluation = {};
    run(four, plain, 4);
    BOOST_TEST(equal(values_of(toy), values_of(four)));

    ToyObjective again;   // a run that has ended gives the same result
    TrainerOptions resumed = evaluated(folder);
    resumed.resume = true;
    BOOST_TEST(run(again, resumed).step == 10U);
    BOOST_TEST(equal(values_of(toy), values_of(again)));
}

BOOST_AUTO_TEST_CASE(a_resumed_run_judges_as_one_that_was_not_interrupted) {
    ::test::ScratchFolder const scratch;
    ToyObjective whole;
    TrainResult const expected = run(whole, evaluated(scratch.path() / "whole"));
    for (std::uint64_t const stop : {3U, 4U, 7U}) {
        TrainerOptions options = evaluated(scratch.path() / ("cut" + std::to_string(stop)));
        ToyObjective first;
        BOOST_TEST((run(first, options, stop).end == TrainEnd::interrupted));
        options.resume = true;
        ToyObjective second;
        TrainResult const result = run(second, options);
        BOOST_TEST(result.step == expected.step);
        BOOST_TEST(result.best.step == expected.best.step);
        BOOST_TEST(equal(values_of(whole), values_of(second)));
        BOOST_TEST((figures_of_log(options.output) == figures_of_log(scratch.path() / "whole")));
    }
}

BOOST_AUTO_TEST_CASE(evaluation_changes_no_parameter) {
    ::test::ScratchFolder const scratch;
    TrainerOptions options = evaluated(scratch.path() / "evaluated");
    options.evaluation = {.every = 1};
    options.steps = 8;
    ToyObjective with;
    TrainerCallbacks callbacks;
    callbacks.evaluate = [](std::uint64_t) { return Figures{{"loss", 1}}; };
    Trainer(with, options, callbacks).fit();
    options.evaluation = {};
    options.output = scratch.path() / "plain";
    ToyObjective without;
    Trainer(without, options).fit();
    BOOST_TEST(equal(values_of(with), values_of(without)));
}

BOOST_AUTO_TEST_CASE(options_that_contradict_each_other_are_refused) {
    auto const refused = [](EvaluationOptions const& evaluation, fs::path const& output = "x") {
        TrainerOptions options = evaluated(output);
        options.evaluation = evaluation;
        BOOST_CHECK_THROW(check(options), InputError);
    };
    refused({.best = "quality"});
    refused({.every = 1, .patience = 2});
    refused({.every = 1, .best = "quality"}, {});
    ToyObjective toy;
    BOOST_CHECK_THROW(Trainer(toy, evaluated("x")), InputError);   // nothing measures
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
