// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// One contrast over a step, and towers that learn in turns, as the trainer runs them.
#include <bmae/training/flat_parameters.hpp>
#include <bmae/training/optimizer.hpp>
#include <bmae/training/step_gradient.hpp>

#include <cmath>
#include <string>
#include <vector>

#include <boost/test/unit_test.hpp>

#include <bmae/training/trainer.hpp>

#include "../scratch_folder.hpp"
#include "toy_objective.hpp"
#include "toy_towers.hpp"
#include "two_ranks.hpp"

BOOST_AUTO_TEST_SUITE(step_gradient)

namespace {

using namespace bmae;
using bmae::test::TowersOptions;
using bmae::test::ToyObjective;
using bmae::test::ToyTowers;

TrainerOptions towers_run(std::size_t examples, std::size_t accumulation) {
    return {.steps = 12,
            .batch = {.examples = examples, .shuffle = false},
            .accumulation = accumulation,
            .gradient_cache = accumulation > 1,
            .learning_rate = .02,
            .save_every = 3,
            .log_every = 4,
            .loader_threads = 0};
}

std::vector<float> bits(at::Tensor const& value) {
    at::Tensor const flat = value.detach().contiguous();
    return {flat.const_data_ptr<float>(), flat.const_data_ptr<float>() + flat.numel()};
}

std::vector<float> bits(ToyTowers& towers) {
    std::vector<float> all;
    for (at::Tensor const& value : towers.values()) {
        for (float const number : bits(value)) { all.push_back(number); }
    }
    return all;
}

std::vector<float> train(TrainerOptions const& options, TowersOptions const& toy = {}) {
    ToyTowers towers(toy);
    Trainer(towers, options).fit();
    return bits(towers);
}

double largest_difference(std::vector<float> const& a, std::vector<float> const& b) {
    double worst = 0;
    for (std::size_t i = 0; i < a.size(); ++i) {
        worst = std::max(worst, std::abs(static_cast<double>(a[i]) - static_cast<double>(b[i])));
    }
    return worst;
}

}  // namespace

BOOST_AUTO_TEST_CASE(one_contrast_over_the_step_equals_one_large_batch) {
    TowersOptions const still{.dropout = 0};
    auto const smooth = [](TrainerOptions options) {
        options.adamw.epsilon = .01;   // a bias of all candidates has no gradient but rounding, which Adam would blow up
        return options;
    };
    auto const whole = train(smooth(towers_run(8, 1)), still);
    BOOST_TEST(largest_difference(train(smooth(towers_run(2, 4)), still), whole) < 2e-5);
    TrainerOptions apart = smooth(towers_run(2, 4));
    apart.gradient_cache = false;
    BOOST_TEST(largest_difference(train(apart, still), whole) > 1e-2);
}

// Each rank compares the texts of its own micro-batch; gradients are added up once and multiplied by nothing. So two ranks learn
// what one learns by accumulation.
BOOST_AUTO_TEST_CASE(pitfall_18_a_contrast_on_two_ranks_learns_what_accumulation_learns) {
    TrainerOptions options = towers_run(4, 2);
    options.gradient_cache = false;
    auto const expected = train(options);
    options.accumulation = 1;
    std::vector<ToyTowers> towers(2);
    bmae::test::on_two_ranks(
        [&](std::size_t rank, Replicas const& replicas) { Trainer(towers[rank], options, {}, replicas).fit(); });
    BOOST_TEST((bits(towers[0]) == expected));
    BOOST_TEST((bits(towers[1]) == expected));
}

BOOST_AUTO_TEST_CASE(terms_are_reported_once) {
    ToyTowers towers({.dropout = 0});
    TrainResult const cached = Trainer(towers, towers_run(2, 4)).fit();
    ToyTowers other({.dropout = 0});
    TrainResult const whole = Trainer(other, towers_run(8, 1)).fit();
    BOOST_REQUIRE(cached.terms.size() == 2U);
    for (std::size_t t = 0; t < 2; ++t) {
        BOOST_TEST(cached.terms[t].name == whole.terms[t].name);
        BOOST_TEST(cached.terms[t].labels == 4 * 8);
        BOOST_TEST(cached.terms[t].weight == whole.terms[t].weight);
        BOOST_TEST(cached.terms[t].loss == whole.terms[t].loss, boost::test_tools::tolerance(1e-4));
    }
}

BOOST_AUTO_TEST_CASE(a_cached_run_resumes_bit_for_bit) {
    for (ComputeType const precision : {ComputeType::fp32, ComputeType::bf16}) {
        for (std::uint64_t const alternate : {0U, 2U}) {
            TowersOptions const toy{.alternate = alternate};
            TrainerOptions options = towers_run(3, 3);
            options.precision = precision;
            auto const expected = train(options, toy);
            for (std::uint64_t const stop : {2U, 5U, 9U}) {
                ::test::MemoryFolder scratch;
                options.output = scratch.path() / "run";
                options.resume = false;
                ToyTowers towers(toy);
                Trainer* running = nullptr;
                Trainer trainer(towers, options, {.on_step = [&](StepReport const& step) {
                                    if (step.step == stop) { running->request_stop(); }
                                }});
                running = &trainer;
                BOOST_TEST(trainer.fit().step == stop);
                options.resume = true;
                BOOST_TEST((train(options, toy) == expected));
                options.output.clear();
            }
        }
    }
}

BOOST_AUTO_TEST_CASE(a_contrast_that_is_not_finite_is_named_with_all_its_texts) {
    TrainerOptions options = towers_run(2, 3);
    ToyTowers towers({.poison_example = 7});
    Trainer trainer(towers, options);
    BOOST_CHECK_EXCEPTION(trainer.fit(), RunError, [](RunError const& error) {
        return std::string(error.what()) ==
               "step 2: the loss of contrast (contrast) is not finite; first bad tensor: gradient of asking.rows; "
               "examples 6, 7, 8, 9, 10, 11";
    });
    options.non_finite = NonFinitePolicy::skip(1);
    std::vector<bool> skipped;
    ToyTowers again({.poison_example = 7});
    Trainer skips(
        again, options,
        {.on_step = [&](StepReport const& step) { skipped.push_back(step.skipped); }, .on_warning = [](std::string const&) {}});
    skips.fit();
    BOOST_TEST(std::ranges::count(skipped, true) == 1);
    for (float const value : bits(again)) { BOOST_REQUIRE(std::isfinite(value)); }
}

BOOST_AUTO_TEST_CASE(what_cannot_be_cached_is_refused) {
    auto const message = [](Objective& objective, TrainerOptions const& options, Replicas const& replicas = {}) -> std::string {
        try {
            Trainer const trainer(objective, options, {}, replicas);
        } catch (InputError const& error) { return error.what(); }
        return "nothing";
    };
    ToyTowers towers;
    ToyObjective plain;
    TrainerOptions options = towers_run(2, 2);
    BOOST_TEST(message(towers, options) == "nothing");
    BOOST_TEST(message(plain, options).find("expected a loss that compares the texts of a batch with each other") == 0U);
    BOOST_TEST(message(towers, options, {.rank = 0, .ranks = 2, .sum = [](at::Tensor const&) {}}).find("expected 1 rank") !=
               std::string::npos);
    options.accumulation = 1;
    BOOST_TEST(message(towers, options).find("expected an accumulation of at least 2 with a gradient cache, found 1.") == 0U);
}

// No decay, no momentum: the parameters of a frozen tower keep their bits, and its training continues where it stopped.
BOOST_AUTO_TEST_CASE(towers_learn_in_turns) {
    TrainerOptions options = towers_run(8, 1);
    options.adamw.weight_decay = .1;
    options.log_every = 0;
    ToyTowers towers({.alternate = 3});
    std::vector<std::vector<float>> before;
    for (at::Tensor const& value : towers.values()) { before.push_back(bits(value)); }
    Trainer trainer(towers, options, {.on_step = [&](StepReport const& report) {
                        std::uint64_t const step = report.step - 1;
                        if (report.learning_rate == 0) { return; }
                        for (std::size_t i = 0; i < before.size(); ++i) {
                            bool const rests = (step / 3 % 2 == 0 && (i == 2 || i == 3)) || (step / 3 % 2 == 1 && i < 2);
                            BOOST_TEST((bits(towers.values()[i]) == before[i]) == rests, "step " << step << ", parameter " << i);
                            if (rests) { BOOST_TEST(towers.values()[i].grad().abs().sum().item<double>() == 0); }
                            before[i] = bits(towers.values()[i]);
                        }
                    }});
    trainer.fit();
}

// Moments and their correction count a parameter's own updates: a tower learns alike whether the other's turns lie between or not.
BOOST_AUTO_TEST_CASE(rest_leaves_moments_and_counts_alone) {
    ToyTowers towers({.alternate = 1});
    FlatParameters parameters(towers);
    AdamW optimizer(parameters, {});
    BOOST_TEST(optimizer.alternations() == 3U);
    ToyTowers plain;
    FlatParameters always(plain);
    AdamW reference(always, {});
    BOOST_TEST(reference.alternations() == 1U);
    for (int step = 0; step < 6; ++step) {
        for (FlatParameters* flat : {&parameters, &always}) {
            for (std::size_t i = 0; i < flat->slots().size(); ++i) { flat->view(flat->gradient(), i).fill_(.1 + step); }
        }
        reference.step(.01);
        optimizer.step(.01, 1, 2);   // the second tower is frozen and has no gradient
        for (int rest = 0; rest < 3; ++rest) {
            parameters.zero_gradient();
            for (std::size_t i = 0; i < parameters.slots().size(); ++i) {
                if (parameters.slots()[i].alternation == 2) { parameters.view(parameters.gradient(), i).fill_(-1); }
            }
            optimizer.step(.01, 1, 1);
        }
    }
    for (std::size_t i = 0; i < 2; ++i) { BOOST_TEST((bits(towers.values()[i]) == bits(plain.values()[i]))); }
    BOOST_TEST((bits(towers.values()[2]) != bits(plain.values()[2])));
    BOOST_TEST(optimizer.count(1).item<double>() == 6.0);
    BOOST_TEST(optimizer.count(2).item<double>() == 18.0);
}

BOOST_AUTO_TEST_SUITE_END()
