// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// Pre-train, fine-tune, search, measure: the same for every pre-training preset, so that only that differs.
#pragma once

#include <unistd.h>
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <bmae/edge/composed_objective.hpp>
#include <bmae/evaluation/evaluator.hpp>
#include <bmae/metrics/mrr.hpp>
#include <bmae/metrics/ndcg.hpp>
#include <bmae/metrics/recall.hpp>
#include <bmae/presets/masked_language_model.hpp>
#include <bmae/presets/retriever.hpp>
#include <bmae/presets/retromae.hpp>
#include <bmae/retrieval/bm25.hpp>
#include <bmae/retrieval/exact_index.hpp>
#include <bmae/retrieval/hybrid.hpp>
#include <bmae/retrieval/sentence_encoder.hpp>
#include <bmae/text/pair_store.hpp>
#include <bmae/text/pair_store_writer.hpp>
#include <bmae/text/token_store_builder.hpp>
#include <bmae/training/trainer.hpp>

#include "chart.hpp"
#include "collection.hpp"
#include "tokenizer.hpp"

namespace quickstart {

struct Settings {
    std::int64_t layers = 2;
    std::int64_t width = 128;
    std::size_t vocabulary = 8000;   // at most, before unused tokens are dropped
    std::size_t max_length = 80;     // tokens of a text
    std::uint64_t steps = 1500;      // of pre-training
    std::size_t batch = 64;          // texts per step
    double learning_rate = 1.2e-3;
    double dropout = 0;         // short runs underfit
    double decoder_mask = .7;   // RetroMAE: .5; the upper end of the papers' range trains the bottleneck faster
    std::uint64_t finetune_steps = 100;
    std::size_t finetune_batch = 32;
    double finetune_learning_rate = 5e-4;
    double temperature = .05;   // of cosine similarity
    std::uint64_t seed = 1;
    std::filesystem::path output;   // checkpoints, logs and results
};

// Measures of one search method.
struct Scores {
    double mrr = 0, recall = 0, ndcg = 0;
};

inline Scores measure(bmae::Qrels const& qrels, bmae::Run const& run) {
    auto const report = bmae::evaluate(qrels, run, bmae::Mrr{10}, bmae::Recall{100}, bmae::Ndcg{10});
    return {report["mrr@10"], report["recall@100"], report["ndcg@10"]};
}

// A line that is updated on a terminal, periodic lines elsewhere.
class Ticker {
public:
    explicit Ticker(std::string what) : what_(std::move(what)), terminal_(isatty(2) != 0), start_(Clock::now()) {}

    void show(std::uint64_t done, std::uint64_t total, std::string const& more) {
        double const seconds = std::chrono::duration<double>(Clock::now() - start_).count();
        if (!terminal_ && done != total && seconds < next_) { return; }
        next_ = seconds + 15;
        double const left = done == 0 ? 0 : seconds / static_cast<double>(done) * static_cast<double>(total - done);
        std::fprintf(stderr, "%s%s %llu/%llu, %s, %.0f s left%s", terminal_ ? "\r\033[K" : "", what_.c_str(),
                     static_cast<unsigned long long>(done), static_cast<unsigned long long>(total), more.c_str(), left,
                     terminal_ && done != total ? "" : "\n");
        std::fflush(stderr);
    }

private:
    using Clock = std::chrono::steady_clock;
    std::string what_;
    bool terminal_;
    Clock::time_point start_;
    double next_ = 0;
};

class Experiment {
public:
    Experiment(Collection const& collection, Settings settings)
        : collection_(collection),
          settings_(std::move(settings)),
          qrels_(collection.test_qrels()),
          tokenizer_(make_tokenizer(collection, settings_.vocabulary)),
          store_(make_store()) {
        config_ = bmae::BertConfig::of_size(settings_.layers, settings_.width);
        config_.hidden_dropout_prob = config_.attention_probs_dropout_prob = settings_.dropout;
        config_.vocab_size = static_cast<std::int64_t>(tokenizer_.size());
        config_.max_position_embeddings = static_cast<std::int64_t>(settings_.max_length);
        for (auto const& question : collection_.test) {
            query_ids_.push_back(question.id);
            queries_.push_back(question.text);
        }
    }

    bmae::TokenStore const& store() const { return store_; }
    std::vector<Curve> const& curves() const { return curves_; }

    bmae::Run bm25_run() const { return bmae::Bm25Index(collection_.texts, collection_.ids).search(queries_, 100, query_ids_); }
    Scores bm25() const { return measure(qrels_, bm25_run()); }
    Scores hybrid(bmae::SentenceEncoder const& encoder) const {
        return measure(qrels_, bmae::reciprocal_rank_fusion(dense_run(encoder), bm25_run()));
    }

    // An encoder pre-trained by `preset`; without a preset, one with random weights.
    bmae::BertEncoder pretrain(std::optional<std::string> const& preset) {
        bmae::BertEncoder encoder(config_, settings_.seed);
        if (!preset) { return encoder; }
        auto const objective = objective_of(*preset, std::move(encoder));
        run(*objective, "pre-training " + *preset,
            {.steps = settings_.steps,
             .batch = {.examples = settings_.batch},
             .learning_rate = settings_.learning_rate,
             .seed = settings_.seed,
             .output = settings_.output / ("pretrain-" + *preset),
             .save_every = 250,
             .keep_last = 1,
             .resume = true,
             .log_every = 25},
            &curves_.emplace_back(Curve{*preset}));
        return *objective->encoder().as<bmae::BertEncoder>();
    }

    // Steps of pre-training that fit into `seconds` on this machine.
    std::uint64_t steps_in(double seconds, std::string const& preset) {
        bmae::BertEncoder encoder(config_, settings_.seed);
        auto const objective = objective_of(preset, std::move(encoder));
        double measured = 0;
        constexpr std::uint64_t warm_up = 4, counted = 8;
        bmae::Trainer trainer(
            *objective, {.steps = warm_up + counted, .batch = {.examples = settings_.batch}, .log_every = 0},
            {.on_step = [&](bmae::StepReport const& report) { measured += report.step > warm_up ? report.seconds : 0; }});
        trainer.fit();
        return std::max<std::uint64_t>(100, static_cast<std::uint64_t>(seconds * static_cast<double>(counted) / measured));
    }
    void set_steps(std::uint64_t steps) { settings_.steps = steps; }

    // The same encoder after training on the questions of the training split.
    bmae::BertEncoder finetune(bmae::BertEncoder const& from, std::string const& name) {
        bmae::BertEncoder encoder = clone(from);
        std::filesystem::path const folder = settings_.output / ("pairs-" + name);
        std::filesystem::remove_all(folder);   // of an interrupted run; it is quickly rebuilt
        bmae::PairStoreWriter writer(folder, tokenizer_);
        std::vector<std::uint32_t> numbers;   // in the store, of each text of the collection
        for (std::size_t i = 0; i < collection_.texts.size(); ++i) {
            numbers.push_back(writer.add_text(collection_.ids[i], tokenizer_.encode(collection_.texts[i])));
        }
        for (std::size_t q = 0; q < collection_.train.size(); ++q) {
            bmae::PairQuery query{.id = std::to_string(q), .tokens = tokenizer_.encode(collection_.train[q].text)};
            for (std::size_t const text : collection_.train[q].relevant) { query.positives.push_back(numbers[text]); }
            writer.add(query);
        }
        writer.finish();
        bmae::PairStore const pairs = bmae::PairStore::open(folder);
        auto model = std::make_shared<bmae::Retriever>(
            encoder,
            bmae::PresetHyperparameters<bmae::Retriever>::options({.passages = 1,
                                                                   .query_length = settings_.max_length,
                                                                   .passage_length = settings_.max_length,
                                                                   .temperature = settings_.temperature,
                                                                   .similarity = bmae::Similarity::cosine}),
            settings_.seed);
        bmae::ComposedObjective<bmae::Retriever, bmae::PairStore> objective(model, pairs, {.max_length = settings_.max_length},
                                                                            "retriever");
        run(objective, "fine-tuning " + name,
            {.steps = settings_.finetune_steps,
             .batch = {.examples = std::min(settings_.finetune_batch, collection_.train.size())},
             .learning_rate = settings_.finetune_learning_rate,
             .seed = settings_.seed,
             .output = settings_.output / ("finetune-" + name),
             .save_every = 0,
             .keep_last = 1,
             .resume = true},
            nullptr);
        return model->encoder();
    }

    bmae::SentenceEncoder sentence_encoder(bmae::BertEncoder encoder) const {
        return {std::move(encoder), tokenizer_, {.normalize = true, .max_length = settings_.max_length}};
    }

    bmae::Run dense_run(bmae::SentenceEncoder const& encoder) const {
        bmae::ExactIndex const index(encoder.encode(collection_.texts), collection_.ids);
        return index.search(encoder.encode(queries_), 100, query_ids_);
    }

    Scores dense(bmae::SentenceEncoder const& encoder) const { return measure(qrels_, dense_run(encoder)); }

private:
    // Two models by name. The table compares them.
    std::unique_ptr<bmae::AnyModel> objective_of(std::string const& preset, bmae::BertEncoder encoder) const {
        if (preset == "mlm") { return objective_of<bmae::PlainMaskedLanguageModel>(preset, std::move(encoder), {}); }
        return objective_of<bmae::RetroMae>(preset, std::move(encoder), {.decoder_mask = settings_.decoder_mask});
    }

    template <class Model>
    std::unique_ptr<bmae::AnyModel> objective_of(std::string const& preset, bmae::BertEncoder encoder,
                                                 typename bmae::PresetHyperparameters<Model>::type numbers) const {
        auto model =
            std::make_shared<Model>(std::move(encoder), bmae::PresetHyperparameters<Model>::options(numbers), settings_.seed);
        bmae::ViewSettings const views{.max_length = settings_.max_length};
        return std::make_unique<bmae::ComposedObjective<Model>>(std::move(model), store_, views, preset);
    }

    static bmae::BertEncoder clone(bmae::BertEncoder const& from) {
        bmae::BertEncoder copy = from;
        copy.for_each_parameter("", [](std::string const&, at::Tensor& value, bool) { value = value.detach().clone(); });
        return copy;
    }

    static void run(bmae::Objective& objective, std::string const& what, bmae::TrainerOptions options, Curve* curve) {
        Ticker ticker(what);
        bmae::Trainer trainer(objective, std::move(options), {.on_log = [&](bmae::LogReport const& report) {
                                  if (curve != nullptr) {
                                      curve->points.emplace_back(static_cast<double>(report.step), report.terms.front().loss);
                                  }
                                  ticker.show(report.step, report.steps,
                                              "loss " + number(report.loss, "%.3f") + ", " +
                                                  number(report.tokens_per_second, "%.0f") + " tokens/s");
                              }});
        trainer.fit();
    }

    bmae::TokenStore make_store() const {
        std::filesystem::path const folder = settings_.output / "tokens";
        if (!std::filesystem::exists(folder)) {
            bmae::TokenStoreBuilder builder(folder, tokenizer_, {.passages = {.max_length = settings_.max_length}});
            std::size_t number_of = 0;
            std::set<std::size_t> const unread(collection_.unread.begin(), collection_.unread.end());
            for (std::size_t i = 0; i < collection_.texts.size(); ++i) {
                if (!unread.contains(i)) { builder.add({.id = std::to_string(number_of++), .text = collection_.texts[i]}); }
            }
            for (std::string const& text : collection_.unlabeled) {
                builder.add({.id = std::to_string(number_of++), .text = text});
            }
            builder.finish();
        }
        bmae::TokenStore store = bmae::TokenStore::open(folder);
        store.require_tokenizer(tokenizer_);   // left by an interrupted run of another collection
        return store;
    }

    Collection const& collection_;
    Settings settings_;
    bmae::Qrels qrels_;
    bmae::WordPiece tokenizer_;
    bmae::TokenStore store_;
    bmae::BertConfig config_;
    std::vector<std::string> query_ids_;
    std::vector<std::string> queries_;
    std::vector<Curve> curves_;
};

}  // namespace quickstart
