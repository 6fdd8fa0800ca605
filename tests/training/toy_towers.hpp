// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Two tables of vectors that find each other row by row: a contrast small enough to follow, and towers that take turns.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/index_select.h>
#include <ATen/ops/logsumexp.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>

#include <bmae/training/objective.hpp>
#include <bmae/values/draw.hpp>

namespace bmae::test {

struct TowersOptions {
    std::size_t examples = 24;
    double dropout = .1;
    std::uint64_t alternate = 0;            // steps after which the towers take turns
    std::uint64_t poison_example = ~0ULL;   // makes the contrast of a step not a number, in the first epoch
};

/// Example e: row e of "asking" against row e of "answering", both through "shared"; one own term keeps "asking" small.
class ToyTowers final : public Objective, public StepContrast {
public:
    explicit ToyTowers(TowersOptions options = {}) : options_(options) {
        auto const rows = static_cast<std::int64_t>(options.examples);
        add("asking.rows", {rows, 4}, true);
        add("asking.bias", {4}, false);
        add("answering.rows", {rows, 4}, true);
        add("answering.bias", {4}, false);
        add("shared", {4, 4}, true);
    }

    [[nodiscard]] std::size_t examples() const override { return options_.examples; }
    [[nodiscard]] std::size_t cost(std::size_t) const override { return 1; }
    [[nodiscard]] std::size_t terms() const override { return 2; }
    [[nodiscard]] HostBatch collate(std::span<std::size_t const> examples, DrawKey key) const override {
        return {.examples = {examples.begin(), examples.end()},
                .term_labels = {std::int64_t(examples.size()), std::int64_t(examples.size())},
                .epoch = key.epoch};
    }

    StepOutput forward(HostBatch const& batch, ForwardContext& context, std::span<std::int64_t const> step_labels) override {
        StepPart part = forward_part(batch, context, step_labels);
        HostBatch const step{.term_labels = {step_labels.begin(), step_labels.end()}};
        StepOutput whole = contrast(step, std::span(&batch, 1), std::span(&part.vectors, 1), context);
        whole.total = whole.total + part.output.total;
        whole.terms[0] = part.output.terms[0];
        return whole;
    }

    [[nodiscard]] StepContrast& step_contrast() override { return *this; }
    [[nodiscard]] HostBatch join(std::span<HostBatch const> batches) const override {
        std::int64_t count = 0;
        for (HostBatch const& batch : batches) { count += batch.term_labels[0]; }
        return {.term_labels = {count, count}};
    }
    at::Tensor represent(HostBatch const& batch, ForwardContext& context) override {
        std::size_t const rests = frozen(context.step);
        at::Tensor const asking = side(batch, 0, context);
        at::Tensor const answering = side(batch, 2, context);
        return at::cat({rests == 1 ? asking.detach() : asking, rests == 2 ? answering.detach() : answering});
    }
    StepOutput contrast(HostBatch const& whole, std::span<HostBatch const> batches, std::span<at::Tensor const> vectors,
                        ForwardContext&) override {
        std::vector<at::Tensor> asking, answering;
        bool poisoned = false;
        for (std::size_t b = 0; b < batches.size(); ++b) {
            auto const count = static_cast<std::int64_t>(batches[b].examples.size());
            asking.push_back(vectors[b].narrow(0, 0, count));
            answering.push_back(vectors[b].narrow(0, count, count));
            for (std::uint64_t const example : batches[b].examples) {
                poisoned = poisoned || (batches[b].epoch == 0 && example == options_.poison_example);
            }
        }
        at::Tensor const scores = at::mm(at::cat(asking), at::cat(answering).t()).to(at::kFloat) * (poisoned ? std::nan("") : 5.);
        at::Tensor const sum = (at::logsumexp(scores, {1}) - scores.diagonal()).sum();
        auto const count = scores.size(0);
        return {
            .total = sum / static_cast<double>(whole.term_labels[1]),
            .terms = {
                {.name = "size", .kind = "toy", .loss = at::zeros({})},
                {.name = "contrast", .kind = "contrast", .loss = sum.detach() / static_cast<double>(count), .labels = count}}};
    }
    StepPart forward_part(HostBatch const& batch, ForwardContext& context, std::span<std::int64_t const> step_labels) override {
        at::Tensor const vectors = represent(batch, context);
        at::Tensor const sum = frozen(context.step) == 1 ? at::zeros({}) : rows(batch, 0).to(at::kFloat).pow(2).sum();
        auto const count = batch.term_labels[0];
        return {.output = {.total = sum * (.01 / static_cast<double>(step_labels[0])),
                           .terms = {{.name = "size",
                                      .kind = "toy",
                                      .loss = sum.detach() / static_cast<double>(count),
                                      .labels = count,
                                      .weight = .01},
                                     {.name = "contrast", .kind = "contrast", .loss = at::zeros({})}}},
                .vectors = vectors};
    }

    void for_each_parameter(ParameterVisitor const& visit) override {
        for (std::size_t i = 0; i < values_.size(); ++i) { visit(names_[i], values_[i], decays_[i]); }
    }
    [[nodiscard]] std::size_t alternation(std::string const& parameter) const override {
        if (options_.alternate == 0) { return 0; }
        return parameter.starts_with("asking") ? 1 : parameter.starts_with("answering") ? 2 : 0;
    }
    [[nodiscard]] std::size_t frozen(std::uint64_t step) const override {
        if (options_.alternate == 0) { return 0; }
        return step / options_.alternate % 2 == 0 ? 2 : 1;
    }
    [[nodiscard]] std::string description() const override { return "{}"; }

    [[nodiscard]] std::vector<at::Tensor>& values() { return values_; }

private:
    void add(std::string const& name, std::vector<std::int64_t> const& shape, bool decay) {
        at::Tensor value = at::zeros(shape);
        Draw draw({9, 0, values_.size(), 0});
        for (float* p = value.mutable_data_ptr<float>(); p != value.mutable_data_ptr<float>() + value.numel(); ++p) {
            *p = static_cast<float>(draw.uniform() - .5);
        }
        names_.push_back(name);
        values_.push_back(value.requires_grad_());
        decays_.push_back(decay);
    }
    at::Tensor rows(HostBatch const& batch, std::size_t table) const {
        return values_[table].index_select(0,
                                           at::tensor(std::vector<std::int64_t>(batch.examples.begin(), batch.examples.end())));
    }
    at::Tensor side(HostBatch const& batch, std::size_t table, ForwardContext& context) const {
        at::Tensor const x = at::mm(rows(batch, table), values_[4]) + values_[table + 1];
        if (!context.training || options_.dropout == 0) { return x; }
        Draw draw({context.next_key(), 0, 0, 0});
        std::vector<float> keep(static_cast<std::size_t>(x.numel()));
        for (float& value : keep) {
            value = draw.chance(options_.dropout) ? 0.F : static_cast<float>(1 / (1 - options_.dropout));
        }
        return x.mul(at::tensor(keep).view(x.sizes()).to(x.scalar_type()));
    }

    TowersOptions options_;
    std::vector<std::string> names_;
    std::vector<at::Tensor> values_;
    std::vector<bool> decays_;
};

}  // namespace bmae::test
