// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// A small model over invented texts with everything that a trainer has to get right: two terms with unequal label counts,
/// masks keyed by epoch and example, dropout keyed by the step.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <fstream>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>
#include <ATen/ops/embedding.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/log_softmax.h>
#include <ATen/ops/nll_loss.h>
#include <ATen/ops/tanh.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>

#include <bmae/training/objective.hpp>
#include <bmae/values/draw.hpp>

namespace bmae::test {

struct ToyOptions {
    std::size_t examples = 37;
    std::int64_t vocabulary = 16;
    std::int64_t hidden = 8;
    double dropout = .1;
    std::uint64_t poison_example = ~0ULL;   // its labels make the loss of the second term not a number ...
    std::uint64_t poison_epochs = 0;        // ... in the first so many epochs
    std::string name = "toy";
    int format = 0;          // of its description; 0: it tells none
    bool detached = false;   // its loss has no gradient
};

class ToyObjective : public Objective {
public:
    explicit ToyObjective(ToyOptions options = {}) : options_(std::move(options)) {
        std::int64_t const v = options_.vocabulary;
        std::int64_t const h = options_.hidden;
        add("embedding", {v, h}, true);
        add("hidden.weight", {h, h}, true);
        add("hidden.bias", {h}, false);
        add("head.weight", {v, h}, true);
        add("head.bias", {v}, false);
        add("second.weight", {v, h}, true);
    }

    [[nodiscard]] std::size_t examples() const override { return options_.examples; }
    [[nodiscard]] std::size_t cost(std::size_t example) const override { return length(example); }
    [[nodiscard]] std::size_t terms() const override { return 2; }

    [[nodiscard]] HostBatch collate(std::span<std::size_t const> examples, DrawKey key) const override {
        HostBatch batch{.views = std::vector<PackedView>(1), .term_labels = {0, 0}, .epoch = key.epoch};
        for (std::size_t const example : examples) {
            Draw text({7, 0, example, 0});
            key.example = example;
            Draw mask(key);
            MaskedText masked;
            for (std::size_t i = 0; i < length(example); ++i) {
                auto const id = static_cast<TokenId>(text.below(static_cast<std::uint64_t>(options_.vocabulary)));
                bool const hidden = mask.chance(.5);
                masked.original_ids.push_back(id);
                masked.input_ids.push_back(hidden ? 0 : id);
                masked.labels.push_back(hidden ? id : ignored_label);
                batch.term_labels[0] += hidden ? 1 : 0;
                batch.term_labels[1] += id % 3 == 0 ? 1 : 0;
            }
            batch.views[0].append(masked);
            batch.examples.push_back(example);
        }
        return batch;
    }

    StepOutput forward(HostBatch const& batch, ForwardContext& context, std::span<std::int64_t const> step_labels) override {
        PackedView const& view = batch.views[0];
        std::vector<std::int64_t> inputs(view.input_ids.begin(), view.input_ids.end());
        std::vector<std::int64_t> first, second;
        for (std::size_t i = 0; i < view.tokens(); ++i) {
            first.push_back(view.labels[i]);
            second.push_back(view.original_ids[i] % 3 == 0 ? (view.original_ids[i] + 1) % options_.vocabulary : ignored_label);
        }
        at::Tensor x = at::tanh(at::linear(at::embedding(values_[0], at::tensor(inputs)), values_[1], values_[2]));
        if (context.training && options_.dropout > 0) {
            Draw draw({context.next_key(), 0, 0, 0});
            std::vector<float> keep(static_cast<std::size_t>(x.numel()));
            for (float& value : keep) {
                value = draw.chance(options_.dropout) ? 0.F : static_cast<float>(1 / (1 - options_.dropout));
            }
            x = x.mul(at::tensor(keep).view(x.sizes()).to(x.scalar_type()));
        }
        bool poisoned = false;
        for (std::uint64_t const example : batch.examples) {
            poisoned = poisoned || (example == options_.poison_example && batch.epoch < options_.poison_epochs);
        }
        StepOutput output;
        add_term(output, "first", at::linear(x, values_[3], values_[4]), first, batch.term_labels[0], step_labels[0], 1);
        at::Tensor logits = at::linear(x, values_[5]);
        if (poisoned) { logits = logits.mul(std::nan("")); }
        add_term(output, "second", logits, second, batch.term_labels[1], step_labels[1], .5);
        if (options_.detached) { output.total = output.total.detach(); }
        return output;
    }

    void for_each_parameter(ParameterVisitor const& visit) override {
        for (std::size_t i = 0; i < values_.size(); ++i) { visit(names_[i], values_[i], decays_[i]); }
    }

    [[nodiscard]] std::string description() const override {
        std::string const format = options_.format == 0 ? "" : R"("format":)" + std::to_string(options_.format) + ',';
        return '{' + format + R"("preset":")" + options_.name + R"(","hidden":)" + std::to_string(options_.hidden) + "}";
    }

    void write_sidecars(std::filesystem::path const& folder) const override {
        std::ofstream(folder / "config.json") << description();
    }

    [[nodiscard]] std::vector<at::Tensor>& values() { return values_; }

private:
    static std::size_t length(std::size_t example) { return 3 + Draw({8, 0, example, 0}).below(8); }

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

    static void add_term(StepOutput& output, std::string const& name, at::Tensor const& logits,
                         std::vector<std::int64_t> const& labels, std::int64_t count, std::int64_t step_count, double weight) {
        at::Tensor const target = at::tensor(labels);
        at::Tensor const sum = at::nll_loss(at::log_softmax(logits.to(at::kFloat), 1), target, {}, /*sum*/ 2, ignored_label);
        at::Tensor const share = sum.mul(weight / static_cast<double>(std::max<std::int64_t>(step_count, 1)));
        output.total = output.total.defined() ? output.total.add(share) : share;
        output.terms.push_back({.name = name,
                                .kind = "toy",
                                .loss = sum.div(static_cast<double>(std::max<std::int64_t>(count, 1))).detach(),
                                .correct = logits.argmax(1).eq(target).sum(),
                                .labels = count,
                                .weight = weight});
    }

    ToyOptions options_;
    std::vector<std::string> names_;
    std::vector<at::Tensor> values_;
    std::vector<bool> decays_;
};

}  // namespace bmae::test
