// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// Whole runs of two towers that take turns, over a token store: bits at rest, resuming, one contrast over a step.
#include <bmae/edge/pretrain.hpp>

#include <array>
#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include <ATen/Parallel.h>
#include <boost/test/unit_test.hpp>

#include <bmae/bottlenecks/adaptors.hpp>
#include <bmae/presets/contriever.hpp>
#include <bmae/presets/inverse_cloze.hpp>
#include <bmae/presets/retromae.hpp>
#include <bmae/values/option.hpp>

#include "../scratch_folder.hpp"
#include "invented_store.hpp"
#include "tiny.hpp"

BOOST_AUTO_TEST_SUITE(alternation_run)

namespace {

using namespace bmae;
using test::invented_store;

TrainerOptions turns_of_three() {
    return {.steps = 10,
            .batch = {.examples = 2},
            .accumulation = 2,
            .gradient_cache = true,
            .learning_rate = .01,
            .adamw = {.weight_decay = .1},
            .save_every = 0,
            .log_every = 0,
            .loader_threads = 0};
}

struct Run {
    at::Tensor masters = {};   ///< all parameters, one after another
    std::map<std::string, at::Tensor> state = {};
    TrainResult result = {};
};

/// Trains a new LaPraDoR; `on_step(model, report)` after every step.
template <class OnStep>
Run run(TokenStore const& corpus, TrainerOptions const& options, std::uint64_t steps, OnStep&& on_step) {
    at::set_num_threads(1);
    BertConfig config = test::tiny(1);
    config.vocab_size = static_cast<std::int64_t>(corpus.traits().size());
    LaPraDoR model(config, LaPraDoRHyperparameters{.temperature = .2, .alternate = 3, .cache = 6});
    ComposedObjective<LaPraDoR> objective(std::shared_ptr<LaPraDoR>(std::shared_ptr<LaPraDoR>{}, &model), corpus,
                                          {.max_length = 36}, "laprador");
    Trainer* running = nullptr;
    Trainer trainer(objective, options, {.on_step = [&](StepReport const& report) {
                        on_step(model, report);
                        if (report.step == steps) { running->request_stop(); }
                    }});
    running = &trainer;
    Run done{.result = trainer.fit()};
    std::vector<at::Tensor> all;
    model.for_each_parameter([&](std::string const&, at::Tensor& value, bool) { all.push_back(value.detach().flatten()); });
    done.masters = at::cat(all);
    model.for_each_state([&](std::string const& name, at::Tensor& value) { done.state[name] = value.clone(); });
    return done;
}

}  // namespace

BOOST_AUTO_TEST_CASE(the_resting_tower_keeps_its_bits) {
    test::ScratchFolder scratch;
    TokenStore const corpus = invented_store(scratch / "store");
    std::map<std::string, at::Tensor> before;
    run(corpus, turns_of_three(), 10, [&](LaPraDoR& model, StepReport const& report) {
        std::uint64_t const step = report.step - 1;
        bool const second_rests = step / 3 % 2 == 0;
        double moved = 0;
        model.for_each_parameter([&](std::string const& name, at::Tensor& value, bool) {
            if (before.contains(name) && name.starts_with("second.") == second_rests) {
                BOOST_CHECK_MESSAGE(value.equal(before[name]), name << " moved in step " << step);
            } else if (before.contains(name)) {
                moved += test::distance(value.detach(), before[name]);
            }
            before[name] = value.detach().clone();
        });
        if (step > 1) { BOOST_CHECK_GT(moved, 0); }   // the first step has no rate yet
    });
}

BOOST_AUTO_TEST_CASE(a_resumed_run_is_the_same_bit_for_bit) {
    test::ScratchFolder scratch;
    TokenStore const corpus = invented_store(scratch / "store");
    auto const nothing = [](LaPraDoR&, StepReport const&) {};
    Run const whole = run(corpus, turns_of_three(), 10, nothing);
    BOOST_CHECK_EQUAL(whole.state.size(), 3U);
    for (std::uint64_t const stop : {2U, 3U, 5U}) {   // within a alternation, between two, within the other
        test::MemoryFolder output;
        TrainerOptions options = turns_of_three();
        options.output = output / "run";
        BOOST_CHECK_EQUAL(run(corpus, options, stop, nothing).result.step, stop);
        options.resume = true;
        Run const resumed = run(corpus, options, 10, nothing);
        BOOST_CHECK_EQUAL(resumed.result.resumed_from, stop);
        BOOST_CHECK(resumed.masters.equal(whole.masters));
        for (auto const& [name, value] : whole.state) { BOOST_CHECK_MESSAGE(resumed.state.at(name).equal(value), name); }
    }
}

// A number, or an adaptor that has none, by its name and with both values.
BOOST_AUTO_TEST_CASE(another_number_is_refused_by_name) {
    test::ScratchFolder scratch;
    TokenStore const corpus = invented_store(scratch / "store");
    BertConfig config = test::tiny(1);
    config.vocab_size = static_cast<std::int64_t>(corpus.traits().size());
    TrainerOptions options{.steps = 1, .batch = {.examples = 2}, .output = scratch / "run", .log_every = 0, .loader_threads = 0};
    auto const fit = [&]<class Model>(std::shared_ptr<Model> const& model) -> std::string {
        ComposedObjective<Model> objective(model, corpus, {.max_length = 36}, "ict");
        try {
            Trainer(objective, options).fit();
        } catch (InputError const& error) { return error.what(); }
        return "nothing";
    };
    BOOST_CHECK_EQUAL(fit(std::make_shared<InverseCloze>(config)), "nothing");
    options.resume = true;
    auto const told = [&](std::string const& text, std::string const& expected) {
        BOOST_CHECK_MESSAGE(text.find("expected the model's " + expected) != std::string::npos, text);
        BOOST_CHECK_MESSAGE(text.find('{') == std::string::npos, text);
    };
    InverseCloze::Options changed = PresetHyperparameters<InverseCloze>::options({});
    std::vector<OptionEntry> const numbers = option_entries(changed);
    for (auto const& [path, before, now] :
         std::vector<std::array<std::string, 3>>{{"passes.1.view.source.kept", "0.1", "0.2"},
                                                 {"terms.0.hard_negative_weight", "0.0", "1.5"},
                                                 {"terms.0.label_smoothing", "0.0", "0.25"},
                                                 {"random_window", "false", "true"},
                                                 {"terms.0.weight.schedule", "\"constant\"", "\"linear\""}}) {
        InverseCloze::Options const kept = changed;
        set_option(numbers, path, now.starts_with('"') ? now.substr(1, now.size() - 2) : now);
        told(fit(std::make_shared<InverseCloze>(config, changed)),
             path + ' ' + before + " as in the checkpoint, found " + now + '.');
        changed = kept;
    }
    using Unit = Model<BertEncoder, Pass<View<ClozeSentence, NoMasker, NoCorruption>, Normalized<ClsBottleneck>>,
        Pass<View<ClozeContext, NoMasker, NoCorruption>, Normalized<ClsBottleneck>>, Contrast>;
    told(fit(std::make_shared<Unit>(config)), "passes.0.projection \"\" as in the checkpoint, found \"normalized\".");
    BOOST_CHECK_EQUAL(fit(std::make_shared<InverseCloze>(config)), "nothing");
}

BOOST_AUTO_TEST_CASE(objectives_without_a_contrast_in_the_batch_refuse_a_gradient_cache) {
    test::ScratchFolder scratch;
    TokenStore const corpus = invented_store(scratch / "store");
    auto const refuses = [&]<class Model>(std::shared_ptr<Model> const& model) {
        ComposedObjective<Model> objective(model, corpus, {.max_length = 36}, "plain");
        BOOST_CHECK_EXCEPTION(Trainer(objective, turns_of_three()), InputError, [](InputError const& error) {
            return std::string(error.what()).find("leave --gradient-cache out") != std::string::npos;
        });
        return objective.negatives(64);
    };
    BertConfig config = test::tiny(1);
    config.vocab_size = static_cast<std::int64_t>(corpus.traits().size());
    BOOST_CHECK_EQUAL(refuses(std::make_shared<RetroMae>(config)), 0U);
    BOOST_CHECK_EQUAL(refuses(std::make_shared<Contriever>(config, ContrieverHyperparameters{.queue_size = 50})), 50U);
    auto const cloze = std::make_shared<InverseCloze>(config);
    BOOST_CHECK_EQUAL(ComposedObjective<InverseCloze>(cloze, corpus, {.max_length = 36}, "ict").negatives(64), 63U);
}

BOOST_AUTO_TEST_SUITE_END()
