// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// torch-free
#include <nlohmann/json.hpp>

#include <bmae/training/plan.hpp>

#include <cmath>
#include <functional>
#include <optional>
#include <vector>

#include <boost/test/unit_test.hpp>

BOOST_AUTO_TEST_SUITE(plan)

namespace {

using bmae::ClockPlanner;
using bmae::PlanSegment;
using bmae::Schedule;
using bmae::TrainPlan;

/// A run by a clock that the test moves: `cost(time)` is how long a step takes that begins then.
struct Simulated {
    TrainPlan plan;
    std::vector<double> progress = {};   // of each step
    double time = 0;

    Simulated(double budget, std::function<double(double)> const& cost) : plan(std::vector<PlanSegment>()) {
        ClockPlanner clock(budget, 0);
        for (std::uint64_t step = 0; step < plan.steps(); ++step) {
            progress.push_back(plan.progress(step));
            time += cost(time);
            if (step + 1 >= plan.steps()) { break; }
            if (auto const left = clock.after_step(time)) { plan.replan(step + 1, *left); }
        }
    }
};

BOOST_AUTO_TEST_CASE(a_known_number_of_steps_has_the_rates_of_the_schedule) {
    Schedule const schedule;
    TrainPlan const plan(100);
    for (std::uint64_t step = 0; step < 100; ++step) {
        BOOST_TEST(plan.factor(schedule, step) == schedule.factor(step, 100));
        BOOST_TEST(plan.progress(step) == static_cast<double>(step) / 100);
    }
    BOOST_TEST(plan.steps() == 100U);
    BOOST_TEST(TrainPlan(0).progress(0) == 0.0);
}

BOOST_AUTO_TEST_CASE(a_run_by_the_clock_anneals_to_its_end_at_any_load) {
    std::function<double(double)> const loads[] = {
        [](double) { return .1; },
        [](double t) { return t < 50 ? .1 : .5; },                           // five times slower from the middle on
        [](double t) { return t < 50 ? .5 : .1; },                           // five times faster
        [](double t) { return t < 90 ? .02 : .4; },                          // twenty times slower at the end
        [](double t) { return t == 0 ? 3 : .1 + .05 * std::sin(17 * t); },   // a slow first step, uneven steps
        [](double t) { return t > 80 && t < 80.02 ? 8 : .02; },              // one step that stalls for most of the rest
    };
    for (auto const& cost : loads) {
        Simulated const run(100, cost);
        BOOST_TEST(run.time > 98);
        BOOST_TEST(run.time < 101.5);
        BOOST_TEST(run.progress.front() == 0.0);
        BOOST_TEST(run.progress.back() > .97);
        for (std::size_t s = 1; s < run.progress.size(); ++s) { BOOST_TEST(run.progress[s] >= run.progress[s - 1]); }
        BOOST_TEST(run.plan.segments().size() < 500U);   // not one per step
        Schedule const linear;
        BOOST_TEST(run.plan.factor(linear, run.progress.size() - 1) < .04);
    }
    BOOST_TEST(Simulated(100, [](double) { return .1; }).plan.steps() == 1000U, boost::test_tools::tolerance(.02));
}

BOOST_AUTO_TEST_CASE(the_warm_up_is_a_share_of_the_time_or_a_number_of_steps) {
    TrainPlan plan(std::vector<PlanSegment>{{.step = 0, .progress = 0, .left = 100}});
    Schedule const share;   // a tenth, then linear
    BOOST_TEST(plan.factor(share, 5) == .5);
    BOOST_TEST(plan.factor(share, 10) == 1.0);
    BOOST_TEST(plan.factor(share, 55) == .5, boost::test_tools::tolerance(1e-12));
    Schedule const steps{.warmup_steps = 20};
    BOOST_TEST(plan.factor(steps, 10) == .5);
    BOOST_TEST(plan.factor(steps, 60) == .5, boost::test_tools::tolerance(1e-12));
    plan.replan(60, 10);   // the machine became slower: progress is .6 here, and 1 ten steps later
    BOOST_TEST(plan.progress(60) == .6);
    BOOST_TEST(plan.progress(65) == .8, boost::test_tools::tolerance(1e-12));
    BOOST_TEST(plan.steps() == 70U);
    BOOST_TEST(plan.factor(steps, 10) == .5);   // what lies before does not change
    BOOST_TEST(plan.factor(share, 55) == .5, boost::test_tools::tolerance(1e-12));
    BOOST_TEST(plan.factor({.decay = bmae::Decay::constant, .warmup_ratio = 0}, 69) == 1.0);
}

BOOST_AUTO_TEST_CASE(a_plan_goes_through_json_bit_for_bit_and_a_wrong_one_is_refused) {
    Simulated const run(10, [](double t) { return .03 + t / 300; });
    auto const text = bmae::to_json(run.plan.segments()).dump();
    TrainPlan const again(bmae::plan_from_json(nlohmann::ordered_json::parse(text)));
    BOOST_TEST((again.segments() == run.plan.segments()));
    for (std::size_t s = 0; s < run.progress.size(); ++s) { BOOST_TEST(again.progress(s) == run.progress[s]); }
    BOOST_CHECK_THROW(TrainPlan(std::vector<PlanSegment>{{.step = 3}, {.step = 3}}), bmae::InputError);
    BOOST_CHECK_THROW(TrainPlan(std::vector<PlanSegment>{{.progress = 1.5}}), bmae::InputError);
}

BOOST_AUTO_TEST_CASE(a_resumed_planner_counts_the_time_of_earlier_starts) {
    ClockPlanner clock(100, 60);
    auto const left = clock.after_step(61);   // the first step of a start is always planned after
    BOOST_REQUIRE(left.has_value());
    BOOST_TEST(*left == 39U);
    BOOST_TEST(!clock.after_step(61.01).has_value());
    BOOST_TEST(clock.after_step(101).value() == 0U);   // the time is over
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
