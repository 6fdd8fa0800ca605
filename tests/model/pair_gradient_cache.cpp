// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// Fine-tuning with one contrast over several micro-batches: gradients, whole runs, resuming.
#include <cmath>
#include <cstdint>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include <ATen/Parallel.h>
#include <ATen/ops/cat.h>
#include <boost/test/unit_test.hpp>

#include <bmae/edge/composed_objective.hpp>
#include <bmae/encoders/bert.hpp>
#include <bmae/presets/retriever.hpp>
#include <bmae/training/step_gradient.hpp>
#include <bmae/training/trainer.hpp>

#include "pairs.hpp"

BOOST_AUTO_TEST_SUITE(pair_gradient_cache)

namespace {

using namespace bmae;

using Objective_ = ComposedObjective<Retriever, PairStore>;

test::TestPairs shared_positives() { return {9, test::TestPairs::shared_positives()}; }

RetrieverHyperparameters compared_by(Similarity similarity) {
    return {.passages = 2, .query_length = 8, .passage_length = 8, .temperature = .1, .similarity = similarity};
}

Objective_ objective_of(PairStore const& pairs, Retriever::Options const& options, double dropout) {
    return {
        std::make_shared<Retriever>(BertEncoder(test::pair_config(dropout), 4), options, 1), pairs, {.max_length = 40}, "test"};
}
Objective_ objective_of(PairStore const& pairs, double dropout, Similarity similarity = Similarity::cosine) {
    return objective_of(pairs, PresetHyperparameters<Retriever>::options(compared_by(similarity)), dropout);
}

std::vector<at::Tensor> take_gradients(Objective_& objective) {
    std::vector<at::Tensor> gradients;
    objective.for_each_parameter([&](std::string const&, at::Tensor& value, bool) {
        gradients.push_back(value.grad().defined() ? value.grad().clone() : value.detach() * 0);
        value.mutable_grad() = at::Tensor();
    });
    return gradients;
}

double difference(std::vector<at::Tensor> const& a, std::vector<at::Tensor> const& b) {
    double worst = 0;
    double largest = 0;
    for (std::size_t i = 0; i < a.size(); ++i) {
        worst = std::max(worst, (a[i] - b[i]).abs().max().item<double>());
        largest = std::max(largest, b[i].abs().max().item<double>());
    }
    BOOST_REQUIRE_GT(largest, 0);
    return worst / largest;
}

TrainerOptions run_of(std::size_t examples, std::size_t accumulation) {
    return {.steps = 6,
            .batch = {.examples = examples, .shuffle = false},
            .accumulation = accumulation,
            .gradient_cache = accumulation > 1,
            .learning_rate = .01,
            .adamw = {.epsilon = .01},   // a bias of all keys has no gradient but rounding, which Adam would blow up
            .save_every = 2,
            .log_every = 2,
            .loader_threads = 0};
}

struct Result {
    std::vector<float> bits = {};
    TrainResult end = {};
    std::vector<StepReport> steps = {};
};

Result train(TrainerOptions const& options, double dropout, std::uint64_t stop_at = 0,
             Similarity similarity = Similarity::cosine) {
    at::set_num_threads(1);
    test::TestPairs const data = shared_positives();
    Objective_ objective = objective_of(data.store(), dropout, similarity);
    Result result;
    Trainer* running = nullptr;
    Trainer trainer(objective, options, {.on_step = [&](StepReport const& step) {
                        result.steps.push_back(step);
                        if (step.step == stop_at) { running->request_stop(); }
                    }});
    running = &trainer;
    result.end = trainer.fit();
    objective.for_each_parameter([&](std::string const&, at::Tensor& value, bool) {
        at::Tensor const flat = value.detach().contiguous();
        result.bits.insert(result.bits.end(), flat.const_data_ptr<float>(), flat.const_data_ptr<float>() + flat.numel());
    });
    return result;
}

double largest_difference(std::vector<float> const& a, std::vector<float> const& b) {
    BOOST_REQUIRE(a.size() == b.size());
    double worst = 0;
    for (std::size_t i = 0; i < a.size(); ++i) {
        worst = std::max(worst, std::abs(static_cast<double>(a[i]) - static_cast<double>(b[i])));
    }
    return worst;
}

}  // namespace

BOOST_AUTO_TEST_CASE(oracle_f_gradient_cache_equals_the_full_batch) {
    test::TestPairs const data = shared_positives();
    std::vector<std::size_t> const all{0, 1, 2, 3, 4, 5, 6, 7};
    std::vector<std::vector<std::size_t>> const uneven{{0, 1, 2}, {3}, {4, 5, 6, 7}};
    for (auto const& [dropout, similarity] :
         {std::pair{0., Similarity::cosine}, {.1, Similarity::cosine}, {0., Similarity::euclidean}}) {
        Objective_ objective = objective_of(data.store(), dropout, similarity);
        StepContrast& contrast = objective.step_contrast();
        objective.for_each_parameter([](std::string const&, at::Tensor& value, bool) { value.requires_grad_(true); });
        std::vector<HostBatch> chunks;
        for (auto const& examples : uneven) { chunks.push_back(objective.collate(examples, {.seed = 5})); }
        HostBatch const whole = objective.collate(all, {.seed = 5});
        auto const context_of = [&](std::size_t m) { return ForwardContext{.training = true, .seed = 70 + m}; };
        HostBatch const joint = contrast.join(chunks);
        BOOST_CHECK(joint.term_labels == whole.term_labels);

        std::vector<StepOutput> const outputs = cached_gradient(contrast, joint, chunks, context_of, [] {});
        std::vector<at::Tensor> const cached = take_gradients(objective);
        BOOST_REQUIRE_EQUAL(outputs.size(), 4U);
        for (std::size_t m = 0; m < 3; ++m) { BOOST_CHECK_EQUAL(outputs[m].terms[0].labels, 0); }
        BOOST_CHECK_EQUAL(outputs[3].terms[0].labels, 8);

        std::vector<at::Tensor> vectors;   // one graph over the same chunks
        for (std::size_t m = 0; m < chunks.size(); ++m) {
            ForwardContext context = context_of(m);
            vectors.push_back(contrast.represent(chunks[m], context));
        }
        ForwardContext context;
        StepOutput const joined = contrast.contrast(joint, chunks, vectors, context);
        joined.total.backward();
        BOOST_CHECK_LE(difference(cached, take_gradients(objective)), 2e-5);
        BOOST_CHECK_CLOSE(outputs[3].total.item<double>(), joined.total.item<double>(), 1e-4);
        if (dropout != 0) { continue; }
        ForwardContext plain = context_of(0);
        StepOutput const full = objective.forward(whole, plain, whole.term_labels);
        full.total.backward();
        BOOST_CHECK_LE(difference(cached, take_gradients(objective)), 2e-5);
        BOOST_CHECK_CLOSE(outputs[3].terms[0].loss.item<double>(), full.terms[0].loss.item<double>(), 1e-4);
        BOOST_CHECK_EQUAL(outputs[3].terms[0].correct.item<double>(), full.terms[0].correct.item<double>());
    }
}

// Passage 1 is the answer of query 0 and known to be relevant to query 1 as well, which stands in another micro-batch.
BOOST_AUTO_TEST_CASE(known_positives_of_other_micro_batches_are_no_negatives) {
    std::vector<test::PairRow> rows = test::TestPairs::shared_positives();
    rows.resize(2);
    rows[0].positives = {1};
    rows[1].positives = {2, 1};
    test::TestPairs const data(9, rows);
    auto const loss_with = [&](bool masks) {
        Retriever::Options options =
            PresetHyperparameters<Retriever>::options({.passages = 1, .query_length = 8, .passage_length = 8});
        std::get<0>(options.terms).mask_false_negatives = masks;
        Objective_ objective = objective_of(data.store(), options, 0);
        std::uint64_t seed = 0;
        std::vector<HostBatch> chunks(2);
        do {   // query 1 draws text 2
            for (std::size_t e = 0; e < 2; ++e) { chunks[e] = objective.collate(std::vector<std::size_t>{e}, {.seed = seed}); }
            ++seed;
        } while (chunks[1].views[1].text_ids[0] != 2);
        StepContrast& contrast = objective.step_contrast();
        std::vector<at::Tensor> vectors;
        for (HostBatch const& chunk : chunks) {
            ForwardContext context;
            vectors.push_back(contrast.represent(chunk, context));
        }
        ForwardContext context;
        return contrast.contrast(contrast.join(chunks), chunks, vectors, context).total.item<double>();
    };
    BOOST_CHECK_LT(loss_with(true), loss_with(false));
}

BOOST_AUTO_TEST_CASE(a_run_with_the_cache_is_a_run_with_large_batches) {
    Result const whole = train(run_of(8, 1), 0);
    Result const cached = train(run_of(2, 4), 0);
    BOOST_CHECK_LT(largest_difference(whole.bits, cached.bits), 2e-5);
    for (std::size_t s = 0; s < whole.steps.size(); ++s) {
        BOOST_CHECK_CLOSE(whole.steps[s].loss, cached.steps[s].loss, .1);
        BOOST_CHECK_CLOSE(whole.steps[s].gradient_norm, cached.steps[s].gradient_norm, .5);
        BOOST_CHECK_EQUAL(whole.steps[s].examples, cached.steps[s].examples);
        BOOST_CHECK_EQUAL(whole.steps[s].tokens, cached.steps[s].tokens);
    }
    BOOST_REQUIRE_EQUAL(cached.end.terms.size(), 1U);
    BOOST_CHECK_EQUAL(cached.end.terms[0].labels, whole.end.terms[0].labels);
    BOOST_CHECK_CLOSE(cached.end.terms[0].loss, whole.end.terms[0].loss, .1);
    TrainerOptions apart = run_of(2, 4);
    apart.gradient_cache = false;
    BOOST_CHECK_GT(largest_difference(train(apart, 0).bits, whole.bits), 1e-3);   // accumulation alone has fewer negatives
}

BOOST_AUTO_TEST_CASE(a_resumed_run_is_the_same_bit_for_bit) {
    using enum Similarity;
    for (auto const& [precision, similarity] :
         {std::pair{ComputeType::fp32, cosine}, {ComputeType::bf16, cosine}, {ComputeType::bf16, euclidean}}) {
        TrainerOptions options = run_of(2, 3);
        options.precision = precision;
        options.batch.shuffle = true;
        std::vector<float> const expected = train(options, .1, 0, similarity).bits;
        for (float const value : expected) { BOOST_REQUIRE(std::isfinite(value)); }
        test::MemoryFolder scratch;
        options.output = scratch.path() / "run";
        BOOST_CHECK_EQUAL(train(options, .1, 3, similarity).end.step, 3U);
        options.resume = true;
        BOOST_CHECK((train(options, .1, 0, similarity).bits == expected));
        options.gradient_cache = false;
        BOOST_CHECK_THROW(train(options, .1, 0, similarity), InputError);   // another run
    }
}

BOOST_AUTO_TEST_SUITE_END()
