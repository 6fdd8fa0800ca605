// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// What training changes without a gradient: in one hook after each update, never after a step that is left out, on every rank its own.
#include <bmae/training/checkpoint_store.hpp>
#include <bmae/training/trainer.hpp>

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include <boost/test/unit_test.hpp>

#include "../scratch_folder.hpp"
#include "one_thread.hpp"
#include "toy_memory.hpp"
#include "two_ranks.hpp"

BOOST_AUTO_TEST_SUITE(after_step, *boost::unit_test::fixture<bmae::test::OneThread>())

namespace {

using namespace bmae;
using bmae::test::on_two_ranks;
using bmae::test::ToyMemory;

TrainerOptions memory_run(std::size_t accumulation = 1) {
    return {.steps = 9,
            .batch = {.examples = 5},
            .accumulation = accumulation,
            .learning_rate = .02,
            .save_every = 4,
            .log_every = 0,
            .loader_threads = 0};
}

std::vector<float> bits(at::Tensor const& value) {
    at::Tensor const flat = value.detach().contiguous();
    return {flat.const_data_ptr<float>(), flat.const_data_ptr<float>() + flat.numel()};
}

std::vector<float> bits(ToyMemory& toy) {
    std::vector<float> all = bits(toy.memory);
    for (at::Tensor const& value : toy.values()) {
        for (float const number : bits(value)) { all.push_back(number); }
    }
    return all;
}

BOOST_AUTO_TEST_CASE(once_after_each_update_and_the_same_for_all_micro_batches) {
    ToyMemory toy;
    std::vector<std::int64_t> moves;
    Trainer(toy, memory_run(3), {.on_step = [&](auto const&) { moves.push_back(toy.moves.item<std::int64_t>()); }}).fit();
    BOOST_TEST(moves == (std::vector<std::int64_t>{1, 2, 3, 4, 5, 6, 7, 8, 9}), boost::test_tools::per_element());
    BOOST_REQUIRE(toy.read.size() == 27U);
    for (std::size_t i = 0; i < toy.read.size(); ++i) {
        BOOST_TEST(toy.read[i] == toy.read[i / 3 * 3]);
        if (i >= 3) { BOOST_TEST(toy.read[i] != toy.read[i / 3 * 3 - 1]); }
    }
}

BOOST_AUTO_TEST_CASE(a_step_that_is_left_out_changes_nothing) {
    for (std::size_t const accumulation : {1U, 2U}) {
        TrainerOptions options = memory_run(accumulation);
        options.batch.shuffle = false;
        options.non_finite = NonFinitePolicy::skip(1);
        ToyMemory toy({.poison_example = 12, .poison_epochs = 1});   // in the third batch
        std::vector<std::vector<float>> memories{bits(toy.memory)};
        std::vector<bool> skipped;
        Trainer trainer(toy, options,
                        {.on_step =
                             [&](StepReport const& report) {
                                 memories.push_back(bits(toy.memory));
                                 skipped.push_back(report.skipped);
                             },
                         .on_warning = [](std::string const&) {}});
        trainer.fit();
        BOOST_TEST(std::ranges::count(skipped, true) == 1);
        BOOST_TEST(toy.moves.item<std::int64_t>() == 8);
        for (std::size_t s = 0; s < skipped.size(); ++s) { BOOST_TEST((memories[s] == memories[s + 1]) == skipped[s]); }
    }
}

BOOST_AUTO_TEST_CASE(it_is_given_the_masters_in_fp32) {
    for (ComputeType const precision : {ComputeType::fp32, ComputeType::bf16}) {
        TrainerOptions options = memory_run();
        options.precision = precision;
        ToyMemory toy;
        Trainer(toy, options).fit();
        BOOST_REQUIRE(toy.masters.size() == 3U);
        BOOST_TEST((bits(toy.masters[0]) == bits(toy.values()[0])));
        BOOST_TEST((bits(toy.masters[1]) == bits(toy.values()[4])));
        BOOST_TEST(!toy.masters[2].defined());
    }
}

/// Both ranks train in `output` until the end or until `stop` steps are done.
std::vector<std::unique_ptr<ToyMemory>> train_on_two(TrainerOptions const& options, std::uint64_t stop) {
    std::vector<std::unique_ptr<ToyMemory>> toys;
    for (int r = 0; r < 2; ++r) { toys.push_back(std::make_unique<ToyMemory>()); }
    on_two_ranks([&](std::size_t rank, Replicas const& replicas) {
        Trainer* running = nullptr;
        Trainer trainer(*toys[rank], options,
                        {.on_step =
                             [&](StepReport const& report) {
                                 if (report.step + 1 == stop) { running->request_stop(); }   // the ranks agree a step later
                             }},
                        replicas);
        running = &trainer;
        trainer.fit();
    });
    return toys;
}

BOOST_AUTO_TEST_CASE(every_rank_resumes_with_its_own) {
    TrainerOptions options = memory_run();
    auto const whole = train_on_two(options, 0);
    BOOST_TEST((bits(whole[0]->memory) != bits(whole[1]->memory)));
    for (std::uint64_t const stop : {3U, 4U}) {
        ::test::MemoryFolder scratch;
        options.output = scratch.path() / "run";
        options.resume = false;
        train_on_two(options, stop);
        auto const folder = newest_checkpoint(options.output).path;
        BOOST_TEST(folder.filename() == "step-" + std::to_string(stop));
        for (char const* name : {"state.safetensors", "state-rank-1.safetensors"}) {
            BOOST_TEST(std::filesystem::exists(folder / name));
            BOOST_TEST(detail::read_file(folder / "manifest.json").find(name) != std::string::npos);
        }
        options.resume = true;
        auto const resumed = train_on_two(options, 0);
        for (std::size_t r = 0; r < 2; ++r) { BOOST_TEST((bits(*resumed[r]) == bits(*whole[r]))); }
    }
}

BOOST_AUTO_TEST_CASE(another_number_of_ranks_is_refused_where_each_has_its_own) {
    ::test::MemoryFolder scratch;
    TrainerOptions options = memory_run();
    options.output = scratch.path() / "run";
    train_on_two(options, 3);
    options.resume = true;
    ToyMemory alone;
    Trainer trainer(alone, options);
    BOOST_CHECK_EXCEPTION(trainer.fit(), InputError, [](InputError const& error) {
        BOOST_TEST_MESSAGE(error.what());
        return std::string(error.what()).find("expected ranks, each with queues of its own: 2 as in the checkpoint, found 1.") !=
               std::string::npos;
    });
}

BOOST_AUTO_TEST_CASE(a_folder_that_rank_0_refuses_stops_all) {
    ::test::MemoryFolder scratch;
    TrainerOptions options = memory_run();
    options.output = scratch.path() / "run";
    train_on_two(options, 3);
    std::vector<std::string> told(2);
    on_two_ranks([&](std::size_t rank, Replicas const& replicas) {
        ToyMemory toy;
        try {
            Trainer(toy, options, {}, replicas).fit();
        } catch (Error const& error) { told[rank] = error.what(); }
    });
    BOOST_TEST(told[0].find("expected a folder without checkpoints, found step-3.") != std::string::npos);
    BOOST_TEST(told[1].find("rank 0 refused the folder") != std::string::npos);
}

// A rank that cannot write its part leaves no checkpoint, and no rank waits for ever.
BOOST_AUTO_TEST_CASE(a_rank_that_cannot_write_stops_all) {
    struct Broken final : ToyMemory {
        bool breaks = false;
        void for_each_state(StateVisitor const& visit) override {
            if (breaks && moves.item<std::int64_t>() == 4) { throw RunError("no room"); }
            ToyMemory::for_each_state(visit);
        }
    };
    for (std::size_t const which : {0U, 1U}) {
        ::test::MemoryFolder scratch;
        TrainerOptions options = memory_run();
        options.output = scratch.path() / "run";
        std::vector<std::string> told(2);
        on_two_ranks([&](std::size_t rank, Replicas const& replicas) {
            Broken toy;
            toy.breaks = rank == which;
            try {
                Trainer(toy, options, {}, replicas).fit();
            } catch (Error const& error) { told[rank] = error.what(); }
        });
        BOOST_TEST(told[which] == "no room");
        BOOST_TEST(told[1 - which] == "the checkpoint of step 4 is not written: another rank failed");
        BOOST_TEST(list_checkpoints(options.output).empty());
    }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
