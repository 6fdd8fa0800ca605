// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// Fine-tuning with one contrast over several micro-batches: gradients, whole runs, resuming.
#include <cmath>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include <ATen/Parallel.h>
#include <ATen/ops/cat.h>
#include <boost/test/unit_test.hpp>

#include <bmae/encoders/bert.hpp>
#include <bmae/finetuning/bi_encoder.hpp>
#include <bmae/training/trainer.hpp>

#include "../scratch_folder.hpp"

namespace {

using namespace bmae;

TokenTraits const traits{{.pad = 0, .unk = 1, .cls = 2, .sep = 3, .mask = 4}, std::vector<std::uint8_t>(60, 0)};

BertConfig tiny(double dropout) {
    BertConfig config = BertConfig::of_size(1, 16);
    config.vocab_size = 60;
    config.max_position_embeddings = 40;
    config.initializer_range = .2;
    config.hidden_dropout_prob = config.attention_probs_dropout_prob = dropout;
    return config;
}

/// Eight queries and nine passages; neighbours share a relevant one, so that positives are known across micro-batches.
RetrievalPairs shared_positives() {
    RetrievalPairs data;
    for (TokenId p = 0; p < 9; ++p) { data.passages.push_back({static_cast<TokenId>(10 + p), static_cast<TokenId>(20 + p), 30}); }
    for (std::size_t q = 0; q < 8; ++q) {
        data.queries.push_back(
            {.query = {static_cast<TokenId>(40 + q), 31}, .positives = {q, q + 1}, .negatives = {(q + 4) % 9}});
    }
    return data;
}

BiEncoderOptions cosine() {
    return {.normalize = true, .temperature = .1, .passages_per_query = 2, .query_length = 8, .passage_length = 8};
}

std::vector<at::Tensor> take_gradients(BiEncoderObjective& objective) {
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

Result train(TrainerOptions const& options, double dropout, std::uint64_t stop_at = 0) {
    at::set_num_threads(1);
    RetrievalPairs const data = shared_positives();
    BertEncoder encoder(tiny(dropout), 4);
    BiEncoderObjective objective(encoder, data, traits, cosine());
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

BOOST_AUTO_TEST_SUITE(bi_encoder_gradient_cache)

BOOST_AUTO_TEST_CASE(oracle_f_gradient_cache_equals_the_full_batch) {
    RetrievalPairs const data = shared_positives();
    std::vector<std::size_t> const all{0, 1, 2, 3, 4, 5, 6, 7};
    std::vector<std::vector<std::size_t>> const uneven{{0, 1, 2}, {3}, {4, 5, 6, 7}};
    for (double const dropout : {0., .1}) {
        BertEncoder encoder(tiny(dropout), 4);
        BiEncoderObjective objective(encoder, data, traits, cosine());
        objective.for_each_parameter([](std::string const&, at::Tensor& value, bool) { value.requires_grad_(true); });
        std::vector<HostBatch> chunks;
        for (auto const& examples : uneven) { chunks.push_back(objective.collate(examples, {.seed = 5})); }
        HostBatch const whole = objective.collate(all, {.seed = 5});
        auto const context_of = [&](std::size_t m) { return ForwardContext{.training = true, .seed = 70 + m}; };
        std::vector<std::int64_t> const labels = objective.step_labels(chunks);
        BOOST_CHECK(labels == whole.term_labels);

        std::vector<StepOutput> const outputs = cached_gradient(objective, chunks, context_of, labels, [] {});
        std::vector<at::Tensor> const cached = take_gradients(objective);
        BOOST_REQUIRE_EQUAL(outputs.size(), 4U);
        for (std::size_t m = 0; m < 3; ++m) { BOOST_CHECK_EQUAL(outputs[m].terms[0].labels, 0); }
        BOOST_CHECK_EQUAL(outputs[3].terms[0].labels, 8);

        std::vector<at::Tensor> vectors;   // one graph over the same chunks
        for (std::size_t m = 0; m < chunks.size(); ++m) {
            ForwardContext context = context_of(m);
            vectors.push_back(objective.represent(chunks[m], context));
        }
        ForwardContext context;
        StepOutput const joined = objective.contrast(chunks, vectors, context, labels);
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
    RetrievalPairs data = shared_positives();
    data.queries.resize(2);
    data.queries[0].positives = {1};
    data.queries[1].positives = {2, 1};
    BertEncoder encoder(tiny(0), 4);
    auto const loss_with = [&](bool spare) {
        BiEncoderObjective objective(encoder, data, traits,
                                     {.query_length = 8, .passage_length = 8, .mask_false_negatives = spare});
        std::uint64_t seed = 0;
        std::vector<HostBatch> chunks(2);
        do {   // query 1 draws passage 2
            for (std::size_t e = 0; e < 2; ++e) { chunks[e] = objective.collate(std::vector<std::size_t>{e}, {.seed = seed}); }
            ++seed;
        } while (chunks[1].views[0].text_ids[1] != 2);
        std::vector<at::Tensor> vectors;
        for (HostBatch const& chunk : chunks) {
            ForwardContext context;
            vectors.push_back(objective.represent(chunk, context));
        }
        ForwardContext context;
        return objective.contrast(chunks, vectors, context, objective.step_labels(chunks)).total.item<double>();
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
    for (ComputeType const precision : {ComputeType::fp32, ComputeType::bf16}) {
        TrainerOptions options = run_of(2, 3);
        options.precision = precision;
        options.batch.shuffle = true;
        std::vector<float> const expected = train(options, .1).bits;
        for (float const value : expected) { BOOST_REQUIRE(std::isfinite(value)); }
        test::MemoryFolder scratch;
        options.output = scratch.path() / "run";
        BOOST_CHECK_EQUAL(train(options, .1, 3).end.step, 3U);
        options.resume = true;
        BOOST_CHECK((train(options, .1).bits == expected));
        options.gradient_cache = false;
        BOOST_CHECK_THROW(train(options, .1), InputError);   // another run
    }
}

BOOST_AUTO_TEST_SUITE_END()
