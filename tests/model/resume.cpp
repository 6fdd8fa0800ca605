// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// Which run may go on from a checkpoint, and that momentum encoder and queue go on with it; what `pretrain` says of itself.
#include <bmae/edge/pretrain.hpp>

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include <ATen/Parallel.h>
#include <ATen/ops/cat.h>
#include <boost/test/unit_test.hpp>
#include <nlohmann/json.hpp>

#include <bmae/bottlenecks/cls.hpp>
#include <bmae/corruptors/none.hpp>
#include <bmae/decoders/basic.hpp>
#include <bmae/losses/all_tokens.hpp>
#include <bmae/maskers/token.hpp>
#include <bmae/model/branch.hpp>
#include <bmae/presets/contriever.hpp>
#include <bmae/sources/passage.hpp>

#include "../scratch_folder.hpp"
#include "invented_store.hpp"
#include "tiny.hpp"

BOOST_AUTO_TEST_SUITE(resume)

namespace {

using namespace bmae;

BertConfig config_for(TokenStore const& corpus) {
    BertConfig config = test::tiny(1);
    config.vocab_size = static_cast<std::int64_t>(corpus.traits().size());
    return config;
}

template <class ModelT>
std::unique_ptr<ComposedObjective<ModelT>> objective_of(std::shared_ptr<ModelT> model, TokenStore const& corpus) {
    return std::make_unique<ComposedObjective<ModelT>>(std::move(model), corpus, ViewSettings{.max_length = 36}, "tested");
}

/// Parameters, one after another, then all state by name.
std::map<std::string, at::Tensor> numbers_of(Contriever& model) {
    std::map<std::string, at::Tensor> numbers;
    model.for_each_parameter([&](std::string const& name, at::Tensor& value, bool) { numbers[name] = value.detach().clone(); });
    model.for_each_state([&](std::string const& name, at::Tensor& value) { numbers[name] = value.clone(); });
    return numbers;
}

/// Trains a Contriever until `stop` steps are done; the largest distance of its momentum encoder from the average by hand.
std::map<std::string, at::Tensor> run(TokenStore const& corpus, TrainerOptions const& options, std::uint64_t stop,
                                      double* largest = nullptr) {
    at::set_num_threads(1);
    auto const model = std::make_shared<Contriever>(
        config_for(corpus), ContrieverHyperparameters{.temperature = 20, .momentum = .9, .queue_size = 7});
    auto const objective = objective_of(model, corpus);
    Trainer* running = nullptr;
    Trainer trainer(*objective, options, {.on_step = [&](StepReport const& report) {
        if (report.step == stop) { running->request_stop(); }
    }});
    running = &trainer;
    auto const before = numbers_of(*model);
    trainer.fit();
    auto after = numbers_of(*model);
    for (auto const& [name, value] : before) {
        if (largest == nullptr || !name.starts_with("momentum.")) { continue; }
        at::Tensor const by_hand = value * .9 + after.at(name.substr(9)) * .1;   // right after one step
        *largest = std::max(*largest, test::distance(after.at(name), by_hand));
    }
    return after;
}

TrainerOptions queue_run(ComputeType precision) {
    return {.steps = 8,
            .batch = {.examples = 2},
            .accumulation = 2,
            .learning_rate = .01,
            .schedule = {.decay = Decay::constant, .warmup_ratio = 0},
            .precision = precision,
            .save_every = 0,
            .log_every = 0,
            .loader_threads = 0};
}

// Four compositions that differ in one slot each, and in no option.
struct OtherMasker : TokenMasker {};   // with the name of its base
template <class Masker, class Loss, class Head>
using Rebuilds = Model<BertEncoder,
    Pass<View<Passage, Masker, NoCorruption>, ClsBottleneck,
        Branch<View<Passage, TokenMasker, NoCorruption>, BasicDecoder, Loss, Head>>>;

}  // namespace

BOOST_AUTO_TEST_CASE(momentum_encoder_and_queue_go_on_bit_for_bit) {
    test::ScratchFolder scratch;
    TokenStore const corpus = test::invented_store(scratch / "store");
    for (ComputeType const precision : {ComputeType::fp32, ComputeType::bf16}) {
        auto const whole = run(corpus, queue_run(precision), 0);
        for (std::uint64_t const stop : {1U, 5U}) {
            test::MemoryFolder output;
            TrainerOptions options = queue_run(precision);
            options.output = output / "run";
            run(corpus, options, stop);
            options.resume = true;
            auto const resumed = run(corpus, options, 0);
            for (auto const& [name, value] : whole) { BOOST_CHECK_MESSAGE(resumed.at(name).equal(value), name); }
        }
        double largest = 0;
        run(corpus, queue_run(precision), 1, &largest);
        BOOST_CHECK_LE(largest, 1e-6);   // of the masters, in either precision
    }
}

BOOST_AUTO_TEST_CASE(another_type_in_any_slot_is_refused_by_name) {
    test::ScratchFolder scratch;
    TokenStore const corpus = test::invented_store(scratch / "store");
    TrainerOptions options{.steps = 1, .batch = {.examples = 2}, .output = scratch / "run", .log_every = 0, .loader_threads = 0};
    auto const fit = [&]<class ModelT>(std::shared_ptr<ModelT> model) -> std::string {
        auto const objective = objective_of(std::move(model), corpus);
        try {
            Trainer(*objective, options).fit();
        } catch (InputError const& error) { return error.what(); }
        return "nothing";
    };
    using Started = Rebuilds<TokenMasker, TokenCrossEntropy, EncoderHead>;
    BertConfig const config = config_for(corpus);
    BOOST_CHECK_EQUAL(fit(std::make_shared<Started>(config)), "nothing");
    options.resume = true;
    auto const told = [&](std::string const& text, std::string const& expected) {
        BOOST_CHECK_MESSAGE(text.find("expected the model's " + expected) != std::string::npos, text);
    };
    told(fit(std::make_shared<Rebuilds<TokenMasker, AllTokens, EncoderHead>>(config)),
         R"(passes.0.terms.0.loss "TokenCrossEntropy" as in the checkpoint, found "AllTokens".)");
    told(
        fit(std::make_shared<Rebuilds<TokenMasker, TokenCrossEntropy, OwnHead>>(config)),
        R"(passes.0.terms.0 "Branch<View<Passage, TokenMasker, NoCorruption>, BasicDecoder, TokenCrossEntropy, EncoderHead>" as)");
    std::string const masker = fit(std::make_shared<Rebuilds<OtherMasker, TokenCrossEntropy, EncoderHead>>(config));
    told(masker, R"(passes.0.view.masker "TokenMasker" as in the checkpoint, found )");
    BOOST_CHECK_MESSAGE(masker.find("OtherMasker") != std::string::npos, masker);
    BOOST_CHECK_EQUAL(fit(std::make_shared<Started>(config)), "nothing");
}

BOOST_AUTO_TEST_CASE(a_description_tells_its_format_and_every_type) {
    test::ScratchFolder scratch;
    TokenStore const corpus = test::invented_store(scratch / "store");
    auto const objective = objective_of(std::make_shared<Contriever>(config_for(corpus)), corpus);
    auto const json = nlohmann::json::parse(objective->description());
    BOOST_CHECK_EQUAL(json.at("format"), 2);
    auto const& slots = json.at("slots");
    BOOST_CHECK_EQUAL(slots.at("encoder"), "BertEncoder");
    BOOST_CHECK_EQUAL(slots.at("passes.1.view.corruptor"), "TokenDeletion");
    BOOST_CHECK_EQUAL(slots.at("passes.1.bottleneck"), "MeanBottleneck");
    BOOST_CHECK_EQUAL(slots.at("terms.0"), "QueueContrast");
}

BOOST_AUTO_TEST_CASE(a_description_tells_the_data_and_the_dropout) {
    test::ScratchFolder scratch;
    TokenStore const corpus = test::invented_store(scratch / "store");
    using Model = Rebuilds<TokenMasker, TokenCrossEntropy, EncoderHead>;
    auto const describe = [&](BertConfig const& config, TokenStore const& data) {
        return nlohmann::json::parse(objective_of(std::make_shared<Model>(config), data)->description());
    };
    BertConfig config = config_for(corpus);
    auto const json = describe(config, corpus);
    TokenStore const copy = test::invented_store(scratch / "copy");
    BOOST_CHECK_EQUAL(describe(config, copy), json);
    // Other documents of equal number.
    TokenStore const other = test::invented_store(scratch / "other", /*seed=*/5);
    BOOST_CHECK_EQUAL(other.size(), corpus.size());
    BOOST_CHECK_NE(other.content_hash(), corpus.content_hash());
    BOOST_CHECK_EQUAL(copy.content_hash(), corpus.content_hash());
    config.hidden_dropout_prob = .3;
    auto const dropped = describe(config, corpus);
    BOOST_CHECK_EQUAL(dropped.at("dropout").at("hidden"), .3);
    BOOST_CHECK_EQUAL(dropped.at("corpus"), json.at("corpus"));
    BOOST_CHECK_NE(dropped.at("dropout"), json.at("dropout"));
}

BOOST_AUTO_TEST_CASE(pretrain_says_what_it_does_unless_told_not_to) {
    test::ScratchFolder scratch;
    TokenStore const corpus = test::invented_store(scratch / "store");
    Rebuilds<TokenMasker, TokenCrossEntropy, EncoderHead> model(config_for(corpus));
    TrainerOptions const options{.steps = 2, .log_every = 1, .loader_threads = 0};
    auto const errors = [&](auto&& train) {   // standard error
        std::ostringstream text;
        std::streambuf* const old = std::cerr.rdbuf(text.rdbuf());
        train();
        std::cerr.rdbuf(old);
        return text.str();
    };
    std::string const told = errors([&] { pretrain(model, corpus, options); });
    for (char const* part :
         {"16384 tokens (the default", "0.0001 (the default)", "fp32", "seed", "step 1 of 2  loss ", "step 2 of 2"}) {
        BOOST_CHECK_MESSAGE(told.find(part) != std::string::npos, part << " in " << told);
    }
    BOOST_CHECK_EQUAL(errors([&] { pretrain(model, corpus, options, {}, {.log = nullptr}); }), "");
    std::size_t logs = 0;
    std::ostringstream log;
    BOOST_CHECK_EQUAL(
        errors([&] { pretrain(model, corpus, options, {.on_log = [&](LogReport const&) { ++logs; }}, {.log = &log}); }), "");
    BOOST_CHECK_EQUAL(logs, 2U);
    BOOST_CHECK_EQUAL(log.str(), settings_text(options));
}

BOOST_AUTO_TEST_SUITE_END()
