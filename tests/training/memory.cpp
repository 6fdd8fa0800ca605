// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// What makes a run fit into memory: optimizers with smaller states, frozen parts, low-rank factors.
#include <bmae/training/adafactor.hpp>
#include <bmae/training/adamw8.hpp>
#include <bmae/training/flat_parameters.hpp>
#include <bmae/training/lamb.hpp>
#include <bmae/training/lora.hpp>
#include <bmae/training/make_optimizer.hpp>
#include <bmae/training/objective_wrapper.hpp>
#include <bmae/training/slot_optimizer.hpp>
#include <bmae/training/trainer.hpp>

#include <cmath>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <boost/test/unit_test.hpp>

#include <ATen/ops/equal.h>
#include <ATen/ops/matmul.h>

#include <bmae/io/tensors.hpp>
#include <bmae/training/lora_tensors.hpp>

#include "../scratch_folder.hpp"
#include "toy_objective.hpp"

BOOST_AUTO_TEST_SUITE(memory)

namespace {

using namespace bmae;
using bmae::test::ToyObjective;
using Scratch = ::test::MemoryFolder;
using Vector = std::vector<double>;

Vector numbers(at::Tensor const& tensor) {
    at::Tensor const flat = tensor.detach().to(at::kDouble).reshape({-1}).contiguous();
    double const* first = flat.const_data_ptr<double>();
    return {first, first + flat.numel()};
}

double largest_difference(Vector const& a, Vector const& b) {
    BOOST_REQUIRE(a.size() == b.size());
    double worst = 0;
    for (std::size_t i = 0; i < a.size(); ++i) { worst = std::max(worst, std::abs(a[i] - b[i])); }
    return worst;
}

/// A toy whose parameters are named as those of an encoder with two layers and a head.
class NamedToy : public ToyObjective {
public:
    using ToyObjective::ToyObjective;
    void for_each_parameter(ParameterVisitor const& visit) override {
        static std::map<std::string, std::string> const names{
            {"embedding", "encoder.embeddings.word"},
            {"hidden.weight", "encoder.layer.0.query.weight"},
            {"hidden.bias", "encoder.layer.0.query.bias"},
            {"head.weight", "encoder.layer.1.query.weight"},
        };
        ToyObjective::for_each_parameter([&](std::string const& name, at::Tensor& value, bool decay) {
            auto const found = names.find(name);
            visit(found == names.end() ? name : found->second, value, decay);
        });
    }
};

void run_backward(Objective& toy, std::size_t step) {
    ForwardContext context{.training = true, .seed = 5};
    std::vector<std::size_t> const examples{step, step + 9};
    toy.forward(toy.collate(examples, {.seed = 1}), context, std::vector<std::int64_t>{5, 7}).total.backward();
}

/// A parameter as the formulas see it.
struct Known {
    std::size_t slot;
    bool decay;
    std::vector<std::int64_t> shape;
    Vector weight, mean, square, row, column;
};

/// Runs an optimizer beside a formula, clipped in every second step; the largest difference of a weight.
double beside(Optimizer& optimizer, FlatParameters& parameters, Objective& toy, int steps,
              std::function<void(Known&, Vector const&, double rate, int step)> const& formula) {
    std::vector<Known> all;
    for (std::size_t i = 0; i < parameters.slots().size(); ++i) {
        ParameterSlot const& slot = parameters.slots()[i];
        auto const size = static_cast<std::size_t>(slot.size);
        all.push_back({i, slot.decay, slot.shape, numbers(parameters.view(parameters.master(), i)), Vector(size), Vector(size),
                       Vector(static_cast<std::size_t>(slot.shape.front())),
                       Vector(static_cast<std::size_t>(slot.shape.back()))});
    }
    for (int step = 1; step <= steps; ++step) {
        parameters.zero_gradient();
        run_backward(toy, static_cast<std::size_t>(step));
        parameters.collect();
        double const divisor = step % 2 == 0 ? 3 : 1;
        double const rate = .002 * step;
        std::vector<Vector> gradients;
        for (Known const& known : all) {
            gradients.push_back(numbers(parameters.view(parameters.gradient(), known.slot)));
            for (double& number : gradients.back()) { number /= divisor; }
        }
        optimizer.step(rate, divisor);
        for (Known& known : all) { formula(known, gradients[known.slot], rate, step); }
    }
    double worst = 0;
    for (Known const& known : all) {
        worst = std::max(worst, largest_difference(known.weight, numbers(parameters.view(parameters.master(), known.slot))));
    }
    return worst;
}

double norm(Vector const& values) {
    double sum = 0;
    for (double const value : values) { sum += value * value; }
    return std::sqrt(sum);
}

BOOST_AUTO_TEST_CASE(follows_the_formula_of_lamb) {
    ToyObjective toy;
    FlatParameters parameters(toy);
    AdamWOptions const options{.epsilon = 1e-6, .weight_decay = .1};
    Lamb optimizer(parameters, options);
    double const worst = beside(optimizer, parameters, toy, 20, [&](Known& known, Vector const& g, double rate, int step) {
        Vector update(g.size());
        for (std::size_t i = 0; i < g.size(); ++i) {
            known.mean[i] = options.beta1 * known.mean[i] + (1 - options.beta1) * g[i];
            known.square[i] = options.beta2 * known.square[i] + (1 - options.beta2) * g[i] * g[i];
            update[i] = known.mean[i] / (1 - std::pow(options.beta1, step)) /
                        (std::sqrt(known.square[i] / (1 - std::pow(options.beta2, step))) + options.epsilon);
            if (known.decay) { update[i] += options.weight_decay * known.weight[i]; }
        }
        double const ratio = known.decay ? norm(known.weight) / norm(update) : 1;
        for (std::size_t i = 0; i < g.size(); ++i) { known.weight[i] -= rate * ratio * update[i]; }
    });
    BOOST_TEST(worst < 2e-5);
}

BOOST_AUTO_TEST_CASE(follows_the_formula_of_adafactor) {
    ToyObjective toy;
    FlatParameters parameters(toy);
    AdamWOptions const options{.weight_decay = .1};
    Adafactor optimizer(parameters, options);
    double const worst = beside(optimizer, parameters, toy, 20, [&](Known& known, Vector const& g, double rate, int step) {
        double const decay = 1 - std::pow(step, -.8);
        Vector update(g.size());
        if (known.shape.size() < 2) {
            for (std::size_t i = 0; i < g.size(); ++i) {
                known.square[i] = decay * known.square[i] + (1 - decay) * (g[i] * g[i] + 1e-30);
                update[i] = g[i] / std::sqrt(known.square[i]);
            }
        } else {
            std::size_t const rows = known.row.size();
            std::size_t const columns = known.column.size();
            double mean_row = 0;
            for (std::size_t r = 0; r < rows; ++r) {
                double sum = 0;
                for (std::size_t c = 0; c < columns; ++c) { sum += g[r * columns + c] * g[r * columns + c] + 1e-30; }
                known.row[r] = decay * known.row[r] + (1 - decay) * sum / static_cast<double>(columns);
                mean_row += known.row[r] / static_cast<double>(rows);
            }
            for (std::size_t c = 0; c < columns; ++c) {
                double sum = 0;
                for (std::size_t r = 0; r < rows; ++r) { sum += g[r * columns + c] * g[r * columns + c] + 1e-30; }
                known.column[c] = decay * known.column[c] + (1 - decay) * sum / static_cast<double>(rows);
            }
            for (std::size_t i = 0; i < g.size(); ++i) {
                update[i] = g[i] / std::sqrt(known.row[i / columns] * known.column[i % columns] / mean_row);
            }
        }
        double const length = std::max(1.0, norm(update) / std::sqrt(static_cast<double>(update.size())));
        for (std::size_t i = 0; i < g.size(); ++i) {
            if (known.decay) { known.weight[i] -= rate * options.weight_decay * known.weight[i]; }
            known.weight[i] -= rate * update[i] / length;
        }
    });
    BOOST_TEST(worst < 5e-5);
}

BOOST_AUTO_TEST_CASE(eight_bits_hold_the_second_moment_within_a_code) {
    ToyObjective toy;
    FlatParameters parameters(toy);
    AdamWOptions const options{.weight_decay = .1};
    AdamW8 optimizer(parameters, options, 3);
    double const code = std::exp2(AdamW8::octaves / 254);   // between neighbors
    double const worst = beside(optimizer, parameters, toy, 20, [&](Known& known, Vector const& g, double rate, int step) {
        Vector const stored = numbers(optimizer.square(known.slot));
        double largest = 0;
        for (std::size_t i = 0; i < g.size(); ++i) {
            if (known.decay) { known.weight[i] -= rate * options.weight_decay * known.weight[i]; }
            known.mean[i] = options.beta1 * known.mean[i] + (1 - options.beta1) * g[i];
            known.square[i] = options.beta2 * known.square[i] + (1 - options.beta2) * g[i] * g[i];
            known.weight[i] -= rate * known.mean[i] / (1 - std::pow(options.beta1, step)) /
                               (std::sqrt(known.square[i] / (1 - std::pow(options.beta2, step))) + options.epsilon);
            largest = std::max(largest, known.square[i]);
        }
        for (std::size_t i = 0; i < g.size(); ++i) {
            double const least = std::max(known.square[i], largest * std::exp2(-AdamW8::octaves) * (known.square[i] > 0 ? 1 : 0));
            BOOST_REQUIRE((stored[i] == 0) == (known.square[i] == 0));
            BOOST_REQUIRE(stored[i] <= least * code * 1.0001);
            BOOST_REQUIRE(stored[i] >= least / code * .9999);
        }
        known.square = stored;   // the next update starts from what is stored
    });
    BOOST_TEST(worst < 2e-5);
}

BOOST_AUTO_TEST_CASE(rounding_to_eight_bits_keeps_the_mean) {
    ToyObjective toy({.vocabulary = 4096, .hidden = 16});
    FlatParameters parameters(toy);
    AdamW8 optimizer(parameters, {.beta2 = .9}, 3);
    at::Tensor const gradient = parameters.view(parameters.gradient(), 0).view({-1, AdamW8::block});
    gradient.fill_(.3F);
    gradient.select(1, 0).fill_(1);   // the scale of each block; the others lie between two codes
    for (int step = 0; step < 30; ++step) { optimizer.step(1e-4); }
    at::Tensor const square = optimizer.square(0).view({-1, AdamW8::block}).narrow(1, 1, AdamW8::block - 1);
    double const expected = .09 * (1 - std::pow(.9, 30));
    BOOST_TEST(square.mean().item<double>() == expected, boost::test_tools::tolerance(.01));
    BOOST_TEST(square.std().item<double>() > .01 * expected);   // each by itself is rounded
}

BOOST_AUTO_TEST_CASE(frozen_parameters_keep_their_bits_and_have_no_state) {
    for (OptimizerKind const kind :
         {OptimizerKind::adamw, OptimizerKind::lamb, OptimizerKind::adafactor, OptimizerKind::adamw8}) {
        for (ComputeType const precision : {ComputeType::fp32, ComputeType::bf16}) {
            NamedToy toy;
            std::vector<at::Tensor> before;
            for (at::Tensor const& value : toy.values()) { before.push_back(value.detach().clone()); }
            FlatParameters parameters(toy, precision, {.frozen = {"embeddings", "layers:1"}});
            BOOST_TEST(parameters.gradient().numel() == parameters.trained());
            BOOST_TEST(parameters.trained() < parameters.elements());
            auto const optimizer = make_optimizer(kind, parameters, {}, 1);
            run_backward(toy, 1);
            parameters.collect();
            BOOST_TEST(parameters.first_non_finite().empty());
            optimizer->step(.1);
            for (std::size_t i = 0; i < before.size(); ++i) {
                bool const frozen = i < 3;   // embedding, weight and bias of layer 0
                BOOST_TEST(parameters.slots()[i].frozen == frozen);
                BOOST_TEST(at::equal(parameters.view(parameters.master(), i), before[i]) == frozen);
                BOOST_TEST(toy.values()[i].requires_grad() == !frozen);
                BOOST_TEST(toy.values()[i].grad().defined() == !frozen);
            }
            optimizer->for_each_state([](std::string const& name, at::Tensor const&) {
                BOOST_TEST((name.find("embeddings") == name.npos && name.find("layer.0") == name.npos), name);
            });
        }
    }
}

BOOST_AUTO_TEST_CASE(each_layer_has_its_share_of_the_rate) {
    NamedToy toy, plain;
    FlatParameters decayed(toy, ComputeType::fp32, {.layer_decay = .25});
    FlatParameters whole(plain);
    AdamW optimizer(decayed, {.weight_decay = 0});
    AdamW reference(whole, {.weight_decay = 0});
    run_backward(toy, 1);
    run_backward(plain, 1);
    decayed.collect();
    whole.collect();
    std::vector<Vector> before;
    for (std::size_t i = 0; i < whole.slots().size(); ++i) { before.push_back(numbers(whole.view(whole.master(), i))); }
    optimizer.step(.01);
    reference.step(.01);
    std::vector<double> const factors{.0625, .25, .25, 1, 1, 1};
    for (std::size_t i = 0; i < factors.size(); ++i) {
        Vector const one = numbers(decayed.view(decayed.master(), i));
        Vector const full = numbers(whole.view(whole.master(), i));
        for (std::size_t e = 0; e < one.size(); ++e) {
            BOOST_REQUIRE_SMALL((one[e] - before[i][e]) - factors[i] * (full[e] - before[i][e]), 3e-7);
        }
    }
}

/// A run of 9 steps, in one piece or stopped after 4 of them.
std::vector<Vector> trained(TrainerOptions options, bool stopped, std::size_t lora_rank) {
    Scratch const folder;
    options.output = folder.path() / "run";
    std::vector<Vector> values;
    for (bool const resume : {false, true}) {
        if (resume && !stopped) { continue; }
        NamedToy toy;
        std::unique_ptr<LoraObjective> lora;
        if (lora_rank != 0) {
            lora = std::make_unique<LoraObjective>(toy, LoraOptions{.rank = lora_rank, .targets = {"query"}}, 7);
        }
        Objective& model = lora ? static_cast<Objective&>(*lora) : toy;
        options.resume = resume;
        Trainer* running = nullptr;
        Trainer trainer(model, options, {.on_step = [&](StepReport const& step) {
                            if (stopped && !resume && step.step == 4) { running->request_stop(); }
                        }});
        running = &trainer;
        TrainResult const result = trainer.fit();
        BOOST_TEST((result.end == TrainEnd::finished) == (resume || !stopped));
        values.clear();
        model.for_each_parameter([&](std::string const&, at::Tensor& value, bool) { values.push_back(numbers(value)); });
    }
    return values;
}

BOOST_AUTO_TEST_CASE(a_resumed_run_has_the_bits_of_one_in_one_piece) {
    TrainerOptions const base{
        .steps = 9, .batch = {.tokens = 0, .examples = 5}, .learning_rate = .02, .save_every = 2, .loader_threads = 0};
    for (OptimizerKind const kind :
         {OptimizerKind::adamw, OptimizerKind::lamb, OptimizerKind::adafactor, OptimizerKind::adamw8}) {
        TrainerOptions options = base;
        options.optimizer = kind;
        BOOST_TEST((trained(options, false, 0) == trained(options, true, 0)), to_string(kind));
        options.rates = {.frozen = {"embeddings"}, .layer_decay = .5};
        BOOST_TEST((trained(options, false, 0) == trained(options, true, 0)), to_string(kind));
        BOOST_TEST((trained(options, false, 2) == trained(options, true, 2)), to_string(kind));
    }
}

BOOST_AUTO_TEST_CASE(a_run_with_other_rates_is_not_resumed) {
    Scratch const folder;
    TrainerOptions options{
        .steps = 2, .batch = {.tokens = 0, .examples = 5}, .output = folder.path() / "run", .loader_threads = 0};
    options.rates.frozen = {"embeddings"};
    NamedToy toy;
    Trainer(toy, options).fit();
    options.resume = true;
    auto const refusal = [&](TrainerOptions const& other) {
        NamedToy again;
        try {
            Trainer(again, other).fit();
        } catch (InputError const& error) { return std::string(error.what()); }
        return std::string();
    };
    TrainerOptions other = options;
    other.rates.frozen = {"layers:1"};
    BOOST_TEST(refusal(other).find("frozen \"embeddings\"") != std::string::npos);
    other = options;
    other.optimizer = OptimizerKind::lamb;
    BOOST_TEST(refusal(other).find("optimizer \"adamw\"") != std::string::npos);
    other = options;
    other.recompute = true;   // not a matter of the result
    BOOST_TEST(refusal(other).empty());
}

BOOST_AUTO_TEST_CASE(factors_have_the_gradient_of_the_sum) {
    NamedToy toy, merged;
    LoraObjective lora(toy, {.rank = 3, .alpha = 6, .targets = {"query"}}, 7);
    BOOST_TEST(lora.targets() == 2U);
    BOOST_TEST(lora.trains("second.weight"));
    BOOST_TEST(!lora.trains("encoder.embeddings.word"));
    std::map<std::string, at::Tensor> factors;
    lora.for_each_parameter([&](std::string const& name, at::Tensor& value, bool) {
        if (!name.starts_with("lora.")) { return; }
        if (name.ends_with(".up")) { value.fill_(.05F); }
        value.requires_grad_(lora.trains(name));
        factors.emplace(name, value);
    });
    for (at::Tensor const& value : toy.values()) { value.set_requires_grad(false); }
    run_backward(lora, 1);
    {
        c10::AutoGradMode const no_grad(false);
        for (int const i : {1, 3}) {
            std::string const stem = "lora.encoder.layer." + std::to_string(i / 2) + ".query";
            merged.values()[static_cast<std::size_t>(i)].add_(at::matmul(factors.at(stem + ".up"), factors.at(stem + ".down")),
                                                              2);
        }
    }
    run_backward(merged, 1);   // the same step on the weights themselves
    for (int const i : {1, 3}) {
        std::string const stem = "lora.encoder.layer." + std::to_string(i / 2) + ".query";
        at::Tensor const whole = merged.values()[static_cast<std::size_t>(i)].grad();
        at::Tensor const up = at::matmul(whole, factors.at(stem + ".down").detach().t()).mul(2);
        at::Tensor const down = at::matmul(factors.at(stem + ".up").detach().t(), whole).mul(2);
        BOOST_TEST(largest_difference(numbers(up), numbers(factors.at(stem + ".up").grad())) < 1e-6);
        BOOST_TEST(largest_difference(numbers(down), numbers(factors.at(stem + ".down").grad())) < 1e-6);
    }
}

BOOST_AUTO_TEST_CASE(the_encoder_keeps_its_bits_until_factors_are_merged) {
    for (ComputeType const precision : {ComputeType::fp32, ComputeType::bf16}) {
        NamedToy toy, start;
        LoraObjective lora(toy, {.rank = 2, .alpha = 4, .targets = {"layer.0.query"}}, 7);
        TrainerOptions options{
            .steps = 5, .batch = {.tokens = 0, .examples = 5}, .learning_rate = .02, .precision = precision, .loader_threads = 0};
        bool evaluated = false;
        options.evaluation.every = 5;
        Trainer(lora, options,
                {.evaluate =
                     [&](std::uint64_t) {
                         at::Tensor const before = toy.values()[1].clone();
                         {
                             LoraObjective::Merged const merged(lora);
                             BOOST_TEST(!at::equal(toy.values()[1], before));
                         }
                         BOOST_TEST(at::equal(toy.values()[1], before));
                         evaluated = true;
                         return Figures{{"loss", 1.0}};
                     }})
            .fit();
        BOOST_TEST(evaluated);
        for (std::size_t i = 0; i < 4; ++i) { BOOST_TEST(at::equal(toy.values()[i].detach(), start.values()[i].detach())); }
        BOOST_TEST(!at::equal(toy.values()[5].detach(), start.values()[5].detach()));   // not of the encoder
        NamedTensors stored;
        lora.for_each_parameter([&](std::string const& name, at::Tensor& value, bool) { stored[name] = value.detach().clone(); });
        NamedTensors const read = merge_lora(stored, "file");
        BOOST_TEST(read.size() == 6U);
        lora.merge();
        BOOST_TEST(!at::equal(toy.values()[1].detach(), start.values()[1].detach()));
        BOOST_TEST(at::equal(toy.values()[1].detach(), read.at("encoder.layer.0.query.weight")));
        BOOST_TEST(at::equal(toy.values()[3].detach(), start.values()[3].detach()));
        lora.merge();   // once is enough
        BOOST_TEST(at::equal(toy.values()[1].detach(), read.at("encoder.layer.0.query.weight")));
        stored.erase("lora.encoder.layer.0.query.up");
        BOOST_CHECK_THROW(merge_lora(stored, "file"), InputError);
    }
}

BOOST_AUTO_TEST_CASE(a_wrapper_hands_on_everything) {
    NamedToy toy, plain;
    ObjectiveWrapper wrapped(toy);
    TrainerOptions const options{.steps = 4, .batch = {.tokens = 0, .examples = 5}, .loader_threads = 0};
    Trainer(wrapped, options).fit();
    Trainer(plain, options).fit();
    for (std::size_t i = 0; i < plain.values().size(); ++i) {
        BOOST_TEST(at::equal(toy.values()[i].detach(), plain.values()[i].detach()));
    }
    BOOST_TEST(wrapped.description() == toy.description());
    BOOST_TEST(wrapped.examples() == toy.examples());
    BOOST_TEST(wrapped.cost(3) == toy.cost(3));
    BOOST_TEST(wrapped.negatives(5) == toy.negatives(5));
    BOOST_CHECK_THROW(static_cast<void>(wrapped.step_contrast()), InputError);
}

BOOST_AUTO_TEST_CASE(targets_that_are_none_are_refused) {
    NamedToy toy;
    auto const refusal = [&](LoraOptions const& options) {
        try {
            LoraObjective const lora(toy, options, 1);
        } catch (InputError const& error) { return std::string(error.what()); }
        return std::string();
    };
    BOOST_TEST(refusal({.rank = 2, .targets = {"key"}}).find("encoder.layer.0.query.weight") != std::string::npos);
    BOOST_TEST(refusal({.rank = 2, .targets = {"weight"}}).find("targets of LoRA") != std::string::npos);
    BOOST_TEST(refusal({.rank = 9, .targets = {"query"}}).find("at most 8") != std::string::npos);
    BOOST_TEST(refusal({.rank = 0}).find("above 0") != std::string::npos);
    BOOST_TEST(refusal({.rank = 2, .targets = {"encoder.layer.1.*"}}).empty());
    LoraObjective const lora(toy, {.rank = 2, .targets = {"query"}}, 1);
    BOOST_TEST(lora.description().find(R"("lora":{"rank":2,"alpha":16.0,"targets":"query"})") != std::string::npos);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
