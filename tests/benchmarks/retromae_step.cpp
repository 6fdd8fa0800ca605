// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// links LibTorch
/// \file
/// Our side of retromae_step.py: the RetroMAE training step over a file of batches and initial weights.
///
/// usage: retromae_step --batches FILE [--precision fp32|bf16] [--threads N] [--device cpu|cuda] [--attention-dropout P]
///                      [--serve | --steps N]
///
/// The file and the commands are described in retromae_peer.py. A step is the one of the trainer: zero the gradient, forward,
/// backward, collect, norm, AdamW 1e-4 with clipping at 1, dropout 0.1, of attention weights P (0.1). Without --serve it prints the
/// time of N single steps. With BMAE_STAND_IN=1 a CPU takes the paths of a GPU.
#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <iostream>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include <ATen/Parallel.h>
#include <c10/core/GradMode.h>
#include <nlohmann/json.hpp>

#include <bmae/io/tensors.hpp>
#include <bmae/presets/retromae.hpp>
#include <bmae/training/allocator.hpp>
#include <bmae/training/optimizer.hpp>

#include "../dumped_view.hpp"

namespace {

using namespace bmae;
using test::read_view;

/// The model as the trainer sees it.
class Step final : public Objective {
public:
    explicit Step(RetroMae& model) : model_(model) {}
    [[nodiscard]] std::size_t examples() const override { return 1; }
    [[nodiscard]] std::size_t cost(std::size_t) const override { return 1; }
    [[nodiscard]] std::size_t terms() const override { return 2; }
    [[nodiscard]] HostBatch collate(std::span<std::size_t const>, DrawKey) const override { return {}; }
    StepOutput forward(HostBatch const&, ForwardContext&, std::span<std::int64_t const>) override { return {}; }
    void for_each_parameter(ParameterVisitor const& visit) override { model_.for_each_parameter(visit); }
    [[nodiscard]] std::string description() const override { return "{}"; }

private:
    RetroMae& model_;
};

class Bench {
public:
    Bench(std::string const& path, ComputeType precision, at::Device device, double attention_dropout) {
        NamedTensors const file = load_tensors(path);
        FileMetadata const metadata = SafetensorsFile::open(path).metadata();
        auto const stored = nlohmann::json::parse(metadata.at("config"));
        BertConfig config;
        at::Tensor const& word = file.at("encoder.embeddings.word_embeddings.weight");
        config.vocab_size = word.size(0);
        config.hidden_size = word.size(1);
        config.num_hidden_layers = 0;
        while (file.contains("encoder.layer." + std::to_string(config.num_hidden_layers) + ".output.dense.bias")) {
            ++config.num_hidden_layers;
        }
        config.num_attention_heads = stored.value("num_attention_heads", std::int64_t{12});
        config.intermediate_size = file.at("encoder.layer.0.intermediate.dense.bias").size(0);
        config.max_position_embeddings = file.at("encoder.embeddings.position_embeddings.weight").size(0);
        config.attention_probs_dropout_prob = attention_dropout;
        model_ = std::make_unique<RetroMae>(config);
        model_->for_each_parameter([&](std::string const& name, at::Tensor& value, bool) {
            value.copy_(file.at(name));
            value = value.detach().to(device);
        });
        for (std::size_t k = 0; file.contains("batches." + std::to_string(k) + ".passes.0.view.input_ids"); ++k) {
            HostBatch batch;
            for (ViewDescription const& view : model_->describe_views()) {
                batch.views.push_back(read_view(file, "batches." + std::to_string(k) + "." + view.path));
                batch.term_labels.push_back(static_cast<std::int64_t>(batch.views.back().label_count()));
            }
            batches_.push_back(std::move(batch));
        }
        step_ = std::make_unique<Step>(*model_);
        parameters_ = std::make_unique<FlatParameters>(*step_, precision);
        optimizer_ = std::make_unique<AdamW>(*parameters_, AdamWOptions{});
    }

    [[nodiscard]] std::int64_t elements() const { return parameters_->elements(); }

    nlohmann::json run(int steps) {
        auto const start = std::chrono::steady_clock::now();
        std::size_t tokens = 0;
        double loss = 0;
        for (int i = 0; i < steps; ++i) {
            HostBatch const& batch = batches_[done_ % batches_.size()];
            ForwardContext context{.training = true, .seed = detail::mix64(++done_)};
            parameters_->zero_gradient();
            ModelLoss output = model_->forward(batch, context, batch.term_labels);
            output.total.backward();
            output.total = output.total.detach();
            parameters_->collect();
            auto const norm = parameters_->gradient_norm().item<double>();
            optimizer_->step(1e-4, clip_divisor(norm, 1));
            loss = output.total.item<double>();
            tokens += batch.views[0].tokens();
        }
        double const seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
        return {{"seconds", seconds}, {"tokens", tokens}, {"loss", loss}};
    }

    /// The vectors of all batches in turn, without a graph; the last one is read, so that the clock stops behind all work.
    nlohmann::json encode(int batches) {
        c10::AutoGradMode const no_grad(false);
        auto const start = std::chrono::steady_clock::now();
        std::size_t tokens = 0;
        at::Tensor vectors;
        for (int i = 0; i < batches; ++i) {
            PackedView const& view = batches_[static_cast<std::size_t>(i) % batches_.size()].views[0];
            ForwardContext context;
            PackedInput const input = to_tensors(view, model_->encoder().embeddings.word.device());
            vectors = model_->encoder().encode(input, context).hidden.index_select(0, input.first_rows);
            tokens += view.tokens();
        }
        auto const sum = vectors.sum().item<double>();
        double const seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
        return {{"seconds", seconds}, {"tokens", tokens}, {"sum", sum}};
    }

    nlohmann::json evaluate() {
        c10::AutoGradMode const no_grad(false);
        ForwardContext context;
        ModelLoss const output = model_->forward(batches_[0], context, batches_[0].term_labels);
        return {{"loss", output.total.item<double>()},
                {"mlm", output.terms[0].loss.item<double>()},
                {"decoder", output.terms[1].loss.item<double>()}};
    }

private:
    std::unique_ptr<RetroMae> model_;
    std::vector<HostBatch> batches_;
    std::unique_ptr<Step> step_;
    std::unique_ptr<FlatParameters> parameters_;
    std::unique_ptr<AdamW> optimizer_;
    std::uint64_t done_ = 0;
};

}  // namespace

int main(int argc, char** argv) {
    std::vector<std::string> const words(argv + 1, argv + argc);
    auto const value = [&words](std::string const& name, std::string fallback) {
        auto const found = std::ranges::find(words, name);
        return found == words.end() || found + 1 == words.end() ? fallback : *(found + 1);
    };
    at::set_num_threads(std::atoi(value("--threads", "2").c_str()));
    keep_freed_memory();
    Bench bench(value("--batches", ""), value("--precision", "fp32") == "bf16" ? ComputeType::bf16 : ComputeType::fp32,
                at::Device(value("--device", "cpu")), std::atof(value("--attention-dropout", "0.1").c_str()));
    if (std::ranges::find(words, "--serve") == words.end()) {
        std::cout << bench.evaluate() << std::endl;
        for (int i = std::atoi(value("--steps", "5").c_str()); i > 0; --i) { std::cout << bench.run(1) << std::endl; }
        return 0;
    }
    std::cout << nlohmann::json{{"ready", "ours"}, {"parameters", bench.elements()}} << std::endl;
    for (std::string line; std::getline(std::cin, line) && line != "quit";) {
        std::istringstream command(line);
        std::string name;
        int steps = 0;
        command >> name >> steps;
        std::cout << (name == "run" ? bench.run(steps) : name == "encode" ? bench.encode(steps) : bench.evaluate()) << std::endl;
    }
    return 0;
}
