// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
#include <bmae/training/schedule.hpp>

#include <boost/test/unit_test.hpp>

#include <bmae/training/precision.hpp>

BOOST_AUTO_TEST_SUITE(schedule)

namespace {

using bmae::Decay;
using bmae::Schedule;

BOOST_AUTO_TEST_CASE(linear_has_the_values_of_the_published_recipe) {
    Schedule const linear;   // a tenth warm-up, to 0
    BOOST_TEST(linear.warmup(100) == 10U);
    BOOST_TEST(linear.warmup(101) == 11U);   // rounded up
    BOOST_TEST(linear.factor(0, 100) == 0.0);
    BOOST_TEST(linear.factor(5, 100) == .5);
    BOOST_TEST(linear.factor(10, 100) == 1.0);
    BOOST_TEST(linear.factor(55, 100) == .5);
    BOOST_TEST(linear.factor(99, 100) == 1.0 / 90, boost::test_tools::tolerance(1e-12));
    BOOST_TEST(linear.factor(100, 100) == 0.0);
    BOOST_TEST(linear.factor(1000, 100) == 0.0);   // beyond the end it stays at the floor
}

BOOST_AUTO_TEST_CASE(cosine_and_constant) {
    Schedule const cosine{.decay = Decay::cosine, .warmup_steps = 20, .floor = .1};
    BOOST_TEST(cosine.factor(10, 100) == .5);
    BOOST_TEST(cosine.factor(20, 100) == 1.0);
    BOOST_TEST(cosine.factor(60, 100) == .55, boost::test_tools::tolerance(1e-12));
    BOOST_TEST(cosine.factor(100, 100) == .1, boost::test_tools::tolerance(1e-12));
    Schedule const constant{.decay = Decay::constant, .warmup_ratio = 0};
    BOOST_TEST(constant.factor(0, 10) == 1.0);
    BOOST_TEST(constant.factor(9, 10) == 1.0);
}

BOOST_AUTO_TEST_CASE(degenerate_runs_stay_finite) {
    for (Decay const decay : {Decay::constant, Decay::linear, Decay::cosine}) {
        for (std::uint64_t const warmup : {0U, 1U, 7U, 100U}) {
            for (std::uint64_t step = 0; step < 10; ++step) {
                double const factor = Schedule{.decay = decay, .warmup_steps = warmup}.factor(step, 7);
                BOOST_TEST((factor >= 0 && factor <= 1));
            }
        }
    }
}

BOOST_AUTO_TEST_CASE(names_go_both_ways_and_unknown_ones_are_refused) {
    for (Decay const decay : {Decay::constant, Decay::linear, Decay::cosine}) {
        BOOST_TEST((bmae::decay_from(to_string(decay)) == decay));
    }
    BOOST_CHECK_EXCEPTION(bmae::decay_from("step"), bmae::InputError, [](bmae::InputError const& error) {
        return std::string(error.what()) == "expected a schedule: constant, linear or cosine, found \"step\".";
    });
    BOOST_TEST((bmae::compute_type_from("bf16") == bmae::ComputeType::bf16));
    BOOST_CHECK_THROW(bmae::compute_type_from("fp16"), bmae::InputError);
    BOOST_CHECK_THROW(bmae::check(Schedule{.warmup_ratio = 1.5}), bmae::InputError);
    BOOST_CHECK_THROW(bmae::check(Schedule{.floor = -1}), bmae::InputError);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
