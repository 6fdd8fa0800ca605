// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
#include <bmae/io/safetensors.hpp>
#include <bmae/training/checkpoint_store.hpp>
#include <bmae/training/trainer.hpp>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <sys/resource.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>
#include <csignal>

#include <boost/test/unit_test.hpp>

#include <ATen/core/grad_mode.h>
#include <c10/core/GradMode.h>
#include <nlohmann/json.hpp>

#include "../scratch_folder.hpp"
#include "one_thread.hpp"
#include "toy_memory.hpp"
#include "toy_objective.hpp"
#include "two_ranks.hpp"

BOOST_AUTO_TEST_SUITE(trainer, *boost::unit_test::fixture<bmae::test::OneThread>())

namespace {

namespace fs = std::filesystem;
using bmae::ComputeType;
using bmae::TrainEnd;
using bmae::Trainer;
using bmae::TrainerOptions;
using bmae::test::ToyObjective;
using bmae::test::ToyOptions;
using Scratch = test::MemoryFolder;

TrainerOptions toy_run() {
    return {.steps = 12,
            .batch = {.tokens = 0, .examples = 5},
            .learning_rate = .02,
            .save_every = 3,
            .log_every = 4,
            .loader_threads = 0};
}

/// All parameters, bit for bit.
std::vector<float> bits(ToyObjective& toy) {
    std::vector<float> all;
    for (at::Tensor const& value : toy.values()) {
        BOOST_TEST((value.scalar_type() == at::kFloat));
        at::Tensor const flat = value.detach().contiguous();
        float const* first = flat.const_data_ptr<float>();
        all.insert(all.end(), first, first + flat.numel());
    }
    return all;
}

std::vector<float> train(TrainerOptions const& options, ToyOptions const& toy_options = {}) {
    ToyObjective toy(toy_options);
    Trainer trainer(toy, options, {.on_warning = [](std::string const& text) { BOOST_TEST_MESSAGE("warning: " << text); }});
    trainer.fit();
    return bits(toy);
}

double largest_difference(std::vector<float> const& a, std::vector<float> const& b) {
    BOOST_REQUIRE(a.size() == b.size());
    double worst = 0;
    for (std::size_t i = 0; i < a.size(); ++i) {
        worst = std::max(worst, std::abs(static_cast<double>(a[i]) - static_cast<double>(b[i])));
    }
    return worst;
}

BOOST_AUTO_TEST_CASE(the_loss_falls_and_is_reported_by_term) {
    for (ComputeType const precision : {ComputeType::fp32, ComputeType::bf16}) {
        TrainerOptions options = toy_run();
        options.steps = 200;
        options.precision = precision;
        options.log_every = 20;
        ToyObjective toy;
        std::vector<bmae::LogReport> logs;
        std::vector<bmae::StepReport> steps;
        Trainer trainer(toy, options,
                        {.on_step = [&](auto const& step) { steps.push_back(step); },
                         .on_log = [&](auto const& log) { logs.push_back(log); }});
        auto const result = trainer.fit();
        BOOST_TEST((result.end == TrainEnd::finished));
        BOOST_TEST(result.step == 200U);
        BOOST_TEST(steps.size() == 200U);
        BOOST_TEST(steps[0].learning_rate == 0.0);
        BOOST_TEST(steps[20].learning_rate == .02);
        BOOST_TEST(steps[0].examples == 5U);
        BOOST_TEST(logs.size() == 10U);
        BOOST_TEST(logs.front().terms.size() == 2U);
        BOOST_TEST(logs.front().terms[1].name == "second");
        BOOST_TEST(logs.back().loss < .9 * logs.front().loss);
        BOOST_TEST(*logs.back().terms[1].accuracy > .5);
        BOOST_TEST(logs.back().tokens_per_second > 0);
        std::int64_t labels = 0;
        double loss = 0;
        for (std::size_t s = 0; s < 20; ++s) { loss += steps[s].loss; }
        labels += logs.front().terms[0].labels;
        BOOST_TEST(labels > 0);
        BOOST_TEST(loss / 20 == logs.front().loss, boost::test_tools::tolerance(.05));   // mean of means against mean over labels
    }
}

BOOST_AUTO_TEST_CASE(pitfall_30_accumulation_equals_one_large_batch) {
    TrainerOptions whole = toy_run();
    whole.batch.examples = 20;
    whole.batch.shuffle = false;
    TrainerOptions parts = whole;
    parts.batch.examples = 5;
    parts.accumulation = 4;
    ToyOptions const toy{.examples = 20, .dropout = 0};   // dropout is keyed by micro-batch; label counts of the parts differ
    BOOST_TEST(largest_difference(train(whole, toy), train(parts, toy)) < 2e-6);
}

// Warm-up and decay count optimizer steps, not micro-batches; a warm-up that is given counts; no step has a batch too many.
BOOST_AUTO_TEST_CASE(pitfall_30_the_schedule_counts_optimizer_steps) {
    for (std::size_t const accumulation : {1U, 4U}) {
        TrainerOptions options = toy_run();
        options.accumulation = accumulation;
        options.schedule.warmup_steps = 5;   // against the tenth of 12 steps that is the default
        std::vector<bmae::StepReport> steps;
        ToyObjective toy({.examples = 240});
        Trainer(toy, options, {.on_step = [&](auto const& step) { steps.push_back(step); }}).fit();
        BOOST_REQUIRE(steps.size() == 12U);
        for (std::size_t s = 0; s < 12; ++s) {
            double const expected = s < 5 ? static_cast<double>(s) / 5 : static_cast<double>(12 - s) / 7;
            BOOST_TEST(steps[s].learning_rate == .02 * expected, boost::test_tools::tolerance(1e-12));
            BOOST_TEST(steps[s].examples == 5 * accumulation);
        }
    }
}

BOOST_AUTO_TEST_CASE(results_do_not_depend_on_loader_threads) {
    TrainerOptions options = toy_run();
    options.accumulation = 2;
    options.batch = {.tokens = 40, .examples = 0, .sort_window = 16};
    auto const alone = train(options);
    for (std::size_t const threads : {1U, 4U}) {
        options.loader_threads = threads;
        BOOST_TEST((train(options) == alone));
    }
}

BOOST_AUTO_TEST_CASE(seeds_matter) {
    TrainerOptions options = toy_run();
    auto const one = train(options);
    BOOST_TEST((train(options) == one));
    options.seed = 43;
    BOOST_TEST((train(options) != one));
}

BOOST_AUTO_TEST_CASE(epochs_become_steps) {
    TrainerOptions options = toy_run();
    options.steps = 0;
    options.epochs = 3;   // 37 examples in batches of 5: 8 batches an epoch
    options.accumulation = 5;
    ToyObjective toy;
    Trainer trainer(toy, options);
    BOOST_TEST(trainer.fit().step == 5U);   // 24 batches, 5 a step
    options.batch = {.tokens = 30, .examples = 0};
    Trainer by_tokens(toy, options);
    BOOST_TEST(by_tokens.fit().step > 5U);
}

BOOST_AUTO_TEST_CASE(pitfall_18_two_ranks_learn_what_one_learns_by_accumulation) {
    TrainerOptions options = toy_run();
    options.log_every = 12;
    options.accumulation = 2;
    ToyObjective alone;
    auto const expected = Trainer(alone, options).fit();
    options.accumulation = 1;
    std::vector<std::unique_ptr<ToyObjective>> toys;
    std::vector<bmae::TrainResult> results(2);
    for (int r = 0; r < 2; ++r) { toys.push_back(std::make_unique<ToyObjective>()); }
    bmae::test::on_two_ranks([&](std::size_t rank, bmae::Replicas const& replicas) {
        results[rank] = Trainer(*toys[rank], options, {}, replicas).fit();
    });
    BOOST_TEST((bits(*toys[0]) == bits(alone)));
    BOOST_TEST((bits(*toys[1]) == bits(alone)));
    for (auto const& result : results) {
        BOOST_TEST(result.terms[0].labels == expected.terms[0].labels);
        BOOST_TEST(result.terms[0].loss == expected.terms[0].loss, boost::test_tools::tolerance(1e-12));
    }
}

BOOST_AUTO_TEST_CASE(a_non_finite_step_stops_the_run_and_says_why) {
    TrainerOptions options = toy_run();
    options.batch.shuffle = false;
    ToyObjective toy({.poison_example = 12, .poison_epochs = 1});   // in the third batch of the first epoch
    Trainer trainer(toy, options);
    BOOST_CHECK_EXCEPTION(trainer.fit(), bmae::RunError, [](bmae::RunError const& error) {
        BOOST_TEST_MESSAGE(error.what());
        return std::string(error.what()) ==
               "step 3: the loss of second (toy) is not finite; first bad tensor: gradient of embedding; "
               "examples 10, 11, 12, 13, 14";
    });
}

BOOST_AUTO_TEST_CASE(non_finite_steps_can_be_left_out) {
    TrainerOptions options = toy_run();
    options.batch.shuffle = false;
    options.non_finite = bmae::NonFinitePolicy::skip(1);
    ToyObjective toy({.poison_example = 12, .poison_epochs = 1});
    std::vector<std::string> warnings;
    std::vector<bool> skipped;
    Trainer trainer(toy, options,
                    {.on_step = [&](auto const& step) { skipped.push_back(step.skipped); },
                     .on_warning = [&](std::string const& text) { warnings.push_back(text); }});
    BOOST_TEST(trainer.fit().step == 12U);
    BOOST_TEST(warnings.size() == 1U);
    BOOST_TEST(std::ranges::count(skipped, true) == 1);
    BOOST_TEST(skipped[2]);
    for (float const value : bits(toy)) { BOOST_REQUIRE(std::isfinite(value)); }
    options.batch = {.tokens = 0, .examples = 37};   // every step holds the bad example
    ToyObjective worse({.poison_example = 12, .poison_epochs = 100});
    Trainer fails(worse, options, {.on_warning = [](std::string const&) {}});
    BOOST_CHECK_EXCEPTION(fails.fit(), bmae::RunError,
                          [](bmae::RunError const& error) { return std::string(error.what()).ends_with("; 2 steps in a row"); });
}

// A caller's guard turned all gradients off, and the run ended in success with the parameters that it began with.
BOOST_AUTO_TEST_CASE(a_callers_gradient_mode_does_not_matter) {
    auto const expected = train(toy_run());
    {
        at::NoGradGuard const no_gradients;
        BOOST_TEST((train(toy_run()) == expected));
        BOOST_TEST(!at::GradMode::is_enabled());
    }
    ToyObjective toy;
    auto const before = bits(toy);
    c10::InferenceMode const inference;
    Trainer trainer(toy, toy_run());
    BOOST_CHECK_EXCEPTION(trainer.fit(), bmae::InputError, [](bmae::InputError const& error) {
        return std::string(error.what()).find("expected Trainer::fit outside of c10::InferenceMode") == 0U;
    });
    BOOST_TEST((bits(toy) == before));
}

BOOST_AUTO_TEST_CASE(labels_without_a_gradient_are_refused) {
    ToyObjective toy({.detached = true});
    Trainer trainer(toy, toy_run());
    BOOST_CHECK_EXCEPTION(trainer.fit(), bmae::RunError, [](bmae::RunError const& error) {
        std::string const text = error.what();
        BOOST_TEST_MESSAGE(text);
        return text.find("first (toy) has ") == 0U && text.find("the loss requires no gradient") != std::string::npos;
    });
}

BOOST_AUTO_TEST_CASE(a_parameter_that_is_broken_before_the_first_step_is_named) {
    for (double const broken : {std::nan(""), HUGE_VAL}) {
        ToyObjective toy;
        toy.values()[3].detach()[2][1].fill_(broken);
        std::size_t steps = 0;
        Trainer trainer(toy, toy_run(), {.on_step = [&](auto const&) { ++steps; }});
        BOOST_CHECK_EXCEPTION(trainer.fit(), bmae::InputError, [](bmae::InputError const& error) {
            BOOST_TEST_MESSAGE(error.what());
            return std::string(error.what()).find("found a NaN or an infinite number in head.weight.") != std::string::npos;
        });
        BOOST_TEST(steps == 0U);
    }
    bmae::test::ToyMemory toy;   // likewise what has no gradient
    toy.memory[1].fill_(std::nan(""));
    Trainer trainer(toy, toy_run());
    BOOST_CHECK_EXCEPTION(trainer.fit(), bmae::InputError, [](bmae::InputError const& error) {
        return std::string(error.what()).find("in memory.") != std::string::npos;
    });
}

// Each request is answered once: one that comes before `fit` is not lost, and the same trainer goes on afterwards.
BOOST_AUTO_TEST_CASE(a_trainer_that_was_stopped_goes_on) {
    TrainerOptions options = toy_run();
    auto const expected = train(options);
    Scratch scratch;
    options.output = scratch.path() / "run";
    options.resume = true;
    ToyObjective toy;
    Trainer* running = nullptr;
    Trainer trainer(toy, options, {.on_step = [&](auto const& step) {
                        if (step.step == 5) { running->request_stop(); }
                    }});
    running = &trainer;
    trainer.request_stop();
    BOOST_TEST(trainer.fit().step == 1U);
    BOOST_TEST(trainer.fit().step == 5U);
    auto const result = trainer.fit();
    BOOST_TEST((result.end == TrainEnd::finished));
    BOOST_TEST(result.resumed_from == 5U);
    BOOST_TEST((bits(toy) == expected));
}

BOOST_AUTO_TEST_CASE(senseless_options_are_refused) {
    ToyObjective toy;
    auto const refused = [&](auto change) {
        TrainerOptions options = toy_run();
        change(options);
        BOOST_CHECK_THROW(Trainer(toy, options), bmae::InputError);
    };
    refused([](TrainerOptions& o) { o.steps = 0; });
    refused([](TrainerOptions& o) { o.epochs = 1; });
    refused([](TrainerOptions& o) { o.accumulation = 0; });
    refused([](TrainerOptions& o) { o.learning_rate = -1; });
    refused([](TrainerOptions& o) { o.clip = -1; });
    refused([](TrainerOptions& o) { o.resume = true; });
    refused([](TrainerOptions& o) { o.adamw.beta2 = 1; });
    BOOST_CHECK_THROW(Trainer(toy, toy_run(), {}, {.rank = 0, .ranks = 2}), bmae::InputError);
    ToyObjective empty({.examples = 0});
    BOOST_CHECK_THROW(Trainer(empty, toy_run()), bmae::InputError);
}

/// Runs to the end in pieces: stops after `stop_at` steps, then resumes with a new model.
std::vector<float> train_in_pieces(TrainerOptions options, std::vector<std::uint64_t> const& stops, fs::path const& output) {
    options.output = output;
    for (std::uint64_t const stop : stops) {
        ToyObjective toy;
        Trainer* running = nullptr;
        Trainer trainer(toy, options, {.on_step = [&](auto const& step) {
                            if (step.step == stop) { running->request_stop(); }
                        }});
        running = &trainer;
        auto const result = trainer.fit();
        BOOST_TEST((result.end == TrainEnd::interrupted));
        BOOST_TEST(result.step == stop);
        BOOST_TEST(fs::exists(output / ("step-" + std::to_string(stop))));
        options.resume = true;
    }
    ToyObjective toy;
    Trainer trainer(toy, options);
    auto const result = trainer.fit();
    BOOST_TEST(result.resumed_from == stops.back());
    BOOST_TEST((result.end == TrainEnd::finished));
    return bits(toy);
}

std::vector<nlohmann::json> log_without_times(fs::path const& output) {
    std::vector<nlohmann::json> lines;
    std::ifstream file(output / "log.jsonl");
    for (std::string line; std::getline(file, line);) {
        lines.push_back(nlohmann::json::parse(line));
        lines.back().erase("tokens_per_second");
        lines.back().erase("waiting");
    }
    return lines;
}

BOOST_AUTO_TEST_CASE(a_resumed_run_is_the_same_bit_for_bit) {
    for (ComputeType const precision : {ComputeType::fp32, ComputeType::bf16}) {
        for (std::size_t const accumulation : {1U, 3U}) {
            TrainerOptions options = toy_run();
            options.steps = 20;
            options.save_every = 6;
            options.precision = precision;
            options.accumulation = accumulation;
            options.batch = {.tokens = 0, .examples = 37 / 4 + 1};   // 4 batches an epoch
            Scratch whole;
            options.output = whole.path() / "run";
            auto const expected = train(options);
            auto const log = log_without_times(options.output);
            BOOST_TEST(log.size() == 5U);
            for (std::size_t const threads : {0U, 1U, 4U}) {
                options.loader_threads = threads;
                for (auto const& stops :
                     std::vector<std::vector<std::uint64_t>>{{7}, {4}, {8, 13}, {19}}) {   // 4, 8: ends of epochs
                    Scratch pieces;
                    BOOST_TEST((train_in_pieces(options, stops, pieces.path() / "run") == expected));
                    BOOST_TEST((log_without_times(pieces.path() / "run") == log));
                }
            }
        }
    }
}

BOOST_AUTO_TEST_CASE(a_checkpoint_holds_everything_and_old_ones_go) {
    Scratch scratch;
    TrainerOptions options = toy_run();
    options.output = scratch.path() / "new" / "run";
    std::vector<fs::path> saved;
    ToyObjective toy;
    Trainer trainer(toy, options, {.on_save = [&](fs::path const& path) { saved.push_back(path); }});
    auto const result = trainer.fit();
    BOOST_TEST(saved.size() == 4U);
    BOOST_TEST(result.checkpoint == options.output / "step-12");
    BOOST_TEST(bmae::list_checkpoints(options.output).size() == 2U);
    BOOST_TEST(bmae::newest_checkpoint(options.output).step == 12U);
    BOOST_TEST(bmae::detail::read_file(options.output / "latest") == "step-12\n");
    for (char const* name : {"model.safetensors", "optimizer.safetensors", "trainer.json", "manifest.json", "config.json"}) {
        BOOST_TEST(fs::exists(result.checkpoint / name));
    }
    auto const file = bmae::SafetensorsFile::open(result.checkpoint / "model.safetensors");
    auto const& head = file.at("head.weight");
    BOOST_TEST(std::memcmp(head.bytes.data(), toy.values()[3].const_data_ptr<float>(), head.bytes.size()) == 0);
    // A finished run that is resumed has nothing to do and gives its model; without `resume` it is not touched.
    options.resume = true;
    ToyObjective again;
    BOOST_TEST(Trainer(again, options).fit().step == 12U);
    BOOST_TEST((bits(again) == bits(toy)));
    options.resume = false;
    Trainer anew(again, options);
    BOOST_CHECK_THROW(anew.fit(), bmae::InputError);
}

BOOST_AUTO_TEST_CASE(a_state_that_does_not_fit_its_checkpoint_is_refused) {
    Scratch scratch;
    TrainerOptions options = toy_run();
    options.output = scratch.path();
    options.keep_last = 1;
    train(options);
    options.resume = true;
    fs::path const folder = bmae::newest_checkpoint(options.output).path;
    auto const sound = nlohmann::ordered_json::parse(bmae::detail::read_file(folder / "trainer.json"));
    for (auto const& [step, says] : {std::pair{nlohmann::ordered_json(0), "expected the state of step 12, found that of step 0"},
                                     {-1, "\"step\": -1"},
                                     {4.5, "\"step\": 4.5"},
                                     {std::uint64_t{1} << 63, "\"step\": 9223372036854775808"},
                                     {"12", "\"step\": the text"}}) {
        auto json = sound;
        json["state"]["step"] = step;
        bmae::detail::write_file(folder / "trainer.json", json.dump(), bmae::detail::Existing::replace);
        auto manifest = nlohmann::ordered_json::parse(bmae::detail::read_file(folder / "manifest.json"))["manifest"];
        manifest["files"]["trainer.json"] = bmae::detail::fingerprint(folder / "trainer.json");
        bmae::detail::write_file(folder / "manifest.json", bmae::detail::manifest_text(manifest),
                                 bmae::detail::Existing::replace);
        ToyObjective toy;
        Trainer trainer(toy, options);
        std::string const part = says;
        auto const names_it = [&part](bmae::InputError const& error) {
            return std::string_view(error.what()).find(part) != std::string_view::npos;
        };
        BOOST_CHECK_EXCEPTION(trainer.fit(), bmae::InputError, names_it);
    }
}

BOOST_AUTO_TEST_CASE(another_model_or_other_options_are_refused) {
    Scratch scratch;
    TrainerOptions options = toy_run();
    options.output = scratch.path();
    train(options);
    options.resume = true;
    auto const message = [&](TrainerOptions const& changed, ToyOptions const& toy_options) -> std::string {
        ToyObjective toy(toy_options);
        Trainer trainer(toy, changed);
        try {
            trainer.fit();
        } catch (bmae::InputError const& error) { return error.what(); }
        return "nothing";
    };
    std::string const model = message(options, {.name = "other"});
    BOOST_TEST(model.find(R"(expected the model's preset "toy" as in the checkpoint, found "other".)") != std::string::npos);
    BOOST_TEST(model.find("hidden") == std::string::npos);   // the rest is the same
    TrainerOptions changed = options;
    changed.learning_rate = .03;
    BOOST_TEST(message(changed, {}).find("expected learning_rate 0.02 as in the checkpoint, found 0.03.") != std::string::npos);
    BOOST_TEST(message(options, {.examples = 36}).find("expected a corpus of 37 examples as in the checkpoint, found 36.") !=
               std::string::npos);
    // An older format cannot tell whether it is the same model: the version that wrote it can.
    std::string const format = message(options, {.format = 2});
    BOOST_TEST_MESSAGE(format);
    BOOST_TEST(format.find("expected a checkpoint that describes its model in format 2, found format none, of version " +
                           std::string(bmae::version) + ". Version " + std::string(bmae::version) + " continues this run.") !=
               std::string::npos);
    BOOST_TEST(format.find("--init " + (options.output / "step-12").string()) != std::string::npos);
    // A longer plan is not another run, but it is said.
    changed = options;
    changed.steps = 15;
    std::vector<std::string> warnings;
    ToyObjective toy;
    Trainer longer(toy, changed, {.on_warning = [&](std::string const& text) { warnings.push_back(text); }});
    BOOST_TEST(longer.fit().step == 15U);
    BOOST_TEST(warnings.size() == 1U);
}

BOOST_AUTO_TEST_CASE(a_damaged_checkpoint_falls_back_to_the_one_before) {
    TrainerOptions options = toy_run();
    auto const expected = train(options);
    for (char const* name : {"model.safetensors", "optimizer.safetensors", "trainer.json", "manifest.json", "config.json"}) {
        for (bool const truncate : {true, false}) {
            Scratch scratch;
            options.output = scratch.path();
            options.steps = 9;
            options.schedule.warmup_steps = 2;
            options.resume = false;
            train(options);
            fs::path const file = scratch.path() / "step-9" / name;
            if (truncate) {
                fs::resize_file(file, fs::file_size(file) / 2);
            } else {
                std::string bytes = bmae::detail::read_file(file);
                bytes[bytes.size() / 2] = static_cast<char>(bytes[bytes.size() / 2] ^ 4);
                std::ofstream(file, std::ios::binary) << bytes;
            }
            options.resume = true;
            std::vector<std::string> warnings;
            ToyObjective toy;
            Trainer trainer(toy, options, {.on_warning = [&](std::string const& text) { warnings.push_back(text); }});
            auto const result = trainer.fit();
            BOOST_TEST(result.resumed_from == 6U);
            BOOST_TEST(warnings.size() == 1U);
            BOOST_TEST(warnings.front().find(name) != std::string::npos);
            BOOST_TEST(fs::exists(scratch.path() / "step-9.damaged"));
            BOOST_TEST(bmae::newest_checkpoint(scratch.path()).step == 9U);
        }
    }
}

BOOST_AUTO_TEST_CASE(a_full_disk_is_reported_and_loses_nothing) {
    Scratch scratch;
    TrainerOptions options = toy_run();
    options.output = scratch.path();
    rlimit before{};
    getrlimit(RLIMIT_FSIZE, &before);
    auto* const old_handler = std::signal(SIGXFSZ, SIG_IGN);   // else the kernel ends the process at the limit
    ToyObjective toy;
    Trainer trainer(toy, options, {.on_save = [&](fs::path const&) {
                        rlimit const small{.rlim_cur = 2048, .rlim_max = before.rlim_max};
                        setrlimit(RLIMIT_FSIZE, &small);
                    }});
    std::string message;
    try {
        trainer.fit();
    } catch (bmae::InputError const& error) { message = error.what(); }
    setrlimit(RLIMIT_FSIZE, &before);
    std::signal(SIGXFSZ, old_handler);
    BOOST_TEST(message.find("model.safetensors") != std::string::npos);
    BOOST_TEST(bmae::newest_checkpoint(scratch.path()).step == 3U);
    BOOST_TEST(!fs::exists(scratch.path() / "step-6.tmp"));
    options.resume = true;
    auto const resumed = train(options);
    options.output.clear();
    options.resume = false;
    BOOST_TEST((resumed == train(options)));
}

constexpr char const* child_variable = "BMAE_TRAINER_TEST_OUTPUT";
constexpr char const* kills_variable = "BMAE_TRAINER_TEST_KILLS";   // benchmarks/kill_resume.py asks for more than 20

TrainerOptions killed_run(fs::path const& output) {
    TrainerOptions options = toy_run();
    options.steps = 60;
    options.save_every = 2;
    options.accumulation = 2;
    options.loader_threads = 1;
    options.output = output;
    options.resume = true;
    return options;
}

BOOST_AUTO_TEST_CASE(child_of_the_kill_test) {
    char const* const output = std::getenv(child_variable);
    if (output == nullptr) { return; }   // only does something when the next test starts it in a process of its own
    train(killed_run(output));
}

/// Starts `child_of_the_kill_test` in a new process.
pid_t start_child(fs::path const& output) {
    pid_t const child = fork();
    if (child == 0) {
        setenv(child_variable, output.c_str(), 1);
        execl("/proc/self/exe", "test", "--run_test=trainer/child_of_the_kill_test", "--log_level=error", "--report_level=no",
              nullptr);
        _exit(127);
    }
    return child;
}

BOOST_AUTO_TEST_CASE(killed_at_any_moment_it_ends_with_the_same_parameters) {
    Scratch scratch;
    TrainerOptions options = killed_run(scratch.path() / "whole");
    auto const start = std::chrono::steady_clock::now();
    int status = 0;
    BOOST_REQUIRE(waitpid(start_child(options.output), &status, 0) > 0);
    BOOST_REQUIRE(status == 0);
    auto const whole = std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - start).count();
    ToyObjective toy;
    Trainer(toy, options).fit();
    auto const expected = bits(toy);

    bmae::Draw draw({.seed = static_cast<std::uint64_t>(getpid())});
    char const* const asked = std::getenv(kills_variable);
    int const wanted = asked == nullptr ? 20 : std::atoi(asked);
    int kills = 0;
    int runs = 0;
    for (; kills < wanted; ++runs) {
        fs::path const output = scratch.path() / ("killed-" + std::to_string(runs));
        for (bool done = false; !done;) {
            pid_t const child = start_child(output);
            usleep(static_cast<useconds_t>(draw.uniform() * whole));
            kill(child, SIGKILL);
            BOOST_REQUIRE(waitpid(child, &status, 0) == child);
            done = WIFEXITED(status);
            if (done) { BOOST_TEST(WEXITSTATUS(status) == 0); }
            kills += done ? 0 : 1;
            for (auto const& folder : bmae::list_checkpoints(output)) { BOOST_TEST(bmae::explain_damage(folder.path) == ""); }
            if (kills >= wanted && !done) {
                BOOST_REQUIRE(waitpid(start_child(output), &status, 0) > 0);
                done = true;
            }
        }
        ToyObjective resumed;
        BOOST_TEST(Trainer(resumed, killed_run(output)).fit().step == 60U);
        BOOST_TEST((bits(resumed) == expected));
        fs::remove_all(output);
    }
    BOOST_TEST_MESSAGE(kills << " kills in " << runs << " runs");
}

/// A run by a clock that only its steps move.
struct TimedRun {
    std::vector<float> parameters = {};
    std::vector<double> rates = {};   // of each step, by its number
    bmae::TrainResult result = {};
    std::vector<bmae::LogReport> logs = {};

    /// \param stop_after  steps of this start; 0: to the end
    TimedRun(TrainerOptions const& options, std::function<double(std::uint64_t)> const& cost, std::uint64_t stop_after = 0) {
        ToyObjective toy;
        double time = 1000;   // no clock begins at 0
        Trainer* running = nullptr;
        std::uint64_t done = 0;
        Trainer trainer(toy, options,
                        {.on_step =
                             [&](bmae::StepReport const& step) {
                                 rates.resize(step.step, -1);
                                 rates.back() = step.learning_rate;
                                 time += cost(step.step);
                                 if (++done == stop_after) { running->request_stop(); }
                             },
                         .on_log = [&](bmae::LogReport const& log) { logs.push_back(log); },
                         .on_warning = [](std::string const& text) { BOOST_TEST_MESSAGE("warning: " << text); },
                         .clock = [&] { return time; }});
        running = &trainer;
        result = trainer.fit();
        parameters = bits(toy);
    }
};

TrainerOptions run_by_the_clock(Scratch const& folder) {
    TrainerOptions options = toy_run();
    options.steps = 0;
    options.seconds = 20;
    options.output = folder.path() / "run";
    options.save_every = 5;
    return options;
}

BOOST_AUTO_TEST_CASE(a_run_by_the_clock_ends_annealed_and_its_plan_repeats_it_bit_for_bit) {
    Scratch const folder;
    TrainerOptions options = run_by_the_clock(folder);
    auto const cost = [](std::uint64_t step) { return step < 40 ? .2 : .6; };   // three times slower from the middle on
    TimedRun const run(options, cost);
    BOOST_TEST((run.result.end == TrainEnd::finished));
    BOOST_TEST(run.result.step == run.result.steps);
    BOOST_TEST(run.result.step > 55U);
    BOOST_TEST(run.result.step < 65U);
    BOOST_TEST(*std::max_element(run.rates.begin(), run.rates.end()) > .9 * options.learning_rate);
    BOOST_TEST(run.rates.back() < .1 * options.learning_rate);
    BOOST_TEST(!run.logs.front().plan.empty());

    auto const saved = nlohmann::ordered_json::parse(std::ifstream(run.result.checkpoint / "trainer.json"));
    TrainerOptions again = options;
    again.seconds = 0;
    again.plan = bmae::plan_from_json(saved.at("state").at("plan"));
    again.output = folder.path() / "again";
    TimedRun const repeated(again, [](std::uint64_t) { return 1e6; });   // at any speed
    BOOST_TEST((repeated.rates == run.rates));
    BOOST_TEST((repeated.parameters == run.parameters));
    TimedRun const stopped(
        [&] {
            again.output = folder.path() / "stopped";
            return again;
        }(),
        cost, 23);
    again.resume = true;
    TimedRun const resumed(again, cost);
    BOOST_TEST((resumed.parameters == run.parameters));
}

BOOST_AUTO_TEST_CASE(a_run_by_the_clock_that_is_resumed_keeps_its_rates_and_goes_on_with_the_time_left) {
    Scratch const folder;
    TrainerOptions options = run_by_the_clock(folder);
    TimedRun const first(options, [](std::uint64_t) { return .2; }, 50);   // half of the time
    BOOST_TEST((first.result.end == TrainEnd::interrupted));
    options.resume = true;
    TimedRun const second(options, [](std::uint64_t) { return .5; });   // on a slower machine
    BOOST_TEST(second.result.resumed_from == 50U);
    BOOST_TEST((second.result.end == TrainEnd::finished));
    BOOST_TEST(second.result.step == 70U, boost::test_tools::tolerance(.05));   // 10 s of .5 s
    BOOST_TEST(second.rates.back() < .1 * options.learning_rate);
    BOOST_TEST(second.rates[50] == first.rates[49], boost::test_tools::tolerance(.05));   // no jump

    auto const saved = nlohmann::ordered_json::parse(std::ifstream(second.result.checkpoint / "trainer.json"));
    bmae::TrainPlan const plan(bmae::plan_from_json(saved.at("state").at("plan")));
    for (std::size_t s = 0; s < 50; ++s) {
        BOOST_TEST(options.learning_rate * plan.factor(options.schedule, s) == first.rates[s]);   // recorded bit for bit
    }
    options.seconds = 40;   // more time: from the share that is used of it
    TimedRun const longer(options, [](std::uint64_t) { return .5; });
    BOOST_TEST(longer.result.steps == 110U, boost::test_tools::tolerance(.05));
    BOOST_TEST(longer.rates[70] == options.learning_rate * .5 / .9, boost::test_tools::tolerance(.06));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
