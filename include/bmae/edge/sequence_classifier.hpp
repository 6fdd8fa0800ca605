// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// A classification or regression of texts and pairs of texts over any encoder, as something that the trainer can train: GLUE's tasks.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <ATen/core/Tensor.h>
#include <ATen/ops/cross_entropy_loss.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/mse_loss.h>

#include <bmae/batch/to_tensors.hpp>
#include <bmae/bottlenecks/scored.hpp>
#include <bmae/detail/hash.hpp>
#include <bmae/encoders/any_encoder.hpp>
#include <bmae/encoders/encoder_description.hpp>
#include <bmae/io/json_file.hpp>
#include <bmae/nn/context.hpp>
#include <bmae/nn/initialize.hpp>
#include <bmae/nn/linear.hpp>
#include <bmae/retrieval/cross_encoder.hpp>
#include <bmae/retrieval/encode_run.hpp>
#include <bmae/sources/candidates.hpp>
#include <bmae/training/objective.hpp>
#include <bmae/values/error.hpp>

namespace bmae {

struct SequenceClassifierOptions {
    std::string task = {};     ///< name in descriptions
    std::int64_t labels = 2;   ///< outputs; 1: a score with the squared error, else a softmax over classes
    std::size_t max_length =
        128;                   ///< tokens of a text or a pair with its special ones; of a pair the second text is truncated first
    std::uint64_t seed = 42;   ///< of a new head
};

/// Texts, or pairs of them, with targets: a class from 0, or a score.
struct ClassifiedTexts {
    std::vector<MaskedText> texts = {};   ///< [n] framed
    std::vector<float> targets = {};      ///< [n]
};

/// Frames texts for a `SequenceClassifier`: [CLS] a [SEP], or [CLS] a [SEP] b [SEP] in the form of the tokenizer.
/// \param seconds  [n] or empty
/// \param targets  [n]
/// \throws InputError  where tokenizer and length do not fit the encoder, and lists of different lengths
inline ClassifiedTexts classified_texts(AnyTokenizer const& tokenizer, Shape const& shape, std::vector<std::string> const& texts,
                                        std::vector<std::string> const& seconds, std::vector<double> const& targets,
                                        std::size_t max_length) {
    detail::require_fit(tokenizer, shape, max_length, 4);
    if (targets.size() != texts.size() || (!seconds.empty() && seconds.size() != texts.size())) {
        throw InputError(Diagnostic{
            .file = {},
            .expected = std::to_string(texts.size()) + " targets, and as many second texts or none",
            .found = std::to_string(targets.size()) + " targets and " + std::to_string(seconds.size()) + " second texts"});
    }
    SpecialIds const& special = tokenizer.traits().special();
    PairForm const form = seconds.empty() ? PairForm() : pair_form(tokenizer, shape);
    auto const frame = [&](std::size_t i) {
        std::vector<TokenId> first = tokenizer.encode(texts[i]);
        if (!seconds.empty()) {
            return QueryWithCandidate::pair_text(first, tokenizer.encode(seconds[i]), special, first.size(), max_length, form);
        }
        MaskedText text;
        text.input_ids = detail::with_specials(std::move(first), special, max_length);
        return text;
    };
    return {.texts = detail::tokenize_all<MaskedText>(texts.size(), {}, frame), .targets = {targets.begin(), targets.end()}};
}

/// An encoder with the head `Scored` and one output per class (Devlin et al., arXiv 1810.04805, section 4.1). All of both is trained.
/// Deviations: the pooled vector has no dropout of its own, and a pooler that the encoder was pre-trained with is not read: a head is new
/// but for `take_head`.
class SequenceClassifier final : public Objective {
public:
    using Sidecars = std::function<void(std::filesystem::path const&)>;

    /// \param texts  of training; must have one target each
    /// Throws InputError for no text, and for a class beyond the labels.
    SequenceClassifier(AnyEncoder encoder, ClassifiedTexts texts, SpecialIds special, SequenceClassifierOptions options,
                       Sidecars sidecars = {})
        : encoder_(std::move(encoder)),
          head_(head_of(encoder_, options.labels, options.seed)),
          texts_(std::move(texts)),
          special_(special),
          options_(std::move(options)),
          sidecars_(std::move(sidecars)) {
        bool const good = !texts_.texts.empty() && texts_.texts.size() == texts_.targets.size() &&
                          std::all_of(texts_.targets.begin(), texts_.targets.end(), [&](float target) {
                              return options_.labels == 1 || (target >= 0 && target < static_cast<float>(options_.labels) &&
                                                              target == std::floor(target));
                          });
        if (!good) {
            throw InputError(Diagnostic{.file = {},
                                        .expected = "texts with a target each, a class below " + std::to_string(options_.labels),
                                        .found = std::to_string(texts_.texts.size()) + " texts and " +
                                                 std::to_string(texts_.targets.size()) + " targets"});
        }
    }

    /// Sets the head to trained weights, by the names of `Scored`. Throws InputError where one is missing or of another shape.
    void take_head(NamedTensors const& head, std::string const& file) { take_tensors(head_, head, file); }

    /// Outputs for texts that were framed alike, without dropout.                                  [n, labels] fp32 on the CPU
    /// \throws NonFiniteVector  for an output that is not finite
    [[nodiscard]] at::Tensor predict(ClassifiedTexts const& texts) const {
        at::Tensor output = at::empty({static_cast<std::int64_t>(texts.texts.size()), options_.labels}, at::kFloat);
        detail::for_each_batch(
            texts.texts, {}, [](MaskedText const& text) { return text.input_ids.size(); },
            [](PackedView& view, MaskedText const& text) { view.append_input(text.input_ids, text.types); },
            [&](PackedView const& view, std::vector<std::int64_t> const& places) {
                ForwardContext context;
                at::Tensor const rows = outputs(view, context).cpu();
                detail::require_finite(rows, places, texts.texts.size());
                output.index_copy_(0, detail::int64_tensor(places, at::kCPU), rows);
            });
        return output;
    }

    [[nodiscard]] AnyEncoder const& encoder() const noexcept { return encoder_; }
    [[nodiscard]] SequenceClassifierOptions const& options() const noexcept { return options_; }
    /// The parameters of the head by the names of `Scored`, sharing their memory.
    [[nodiscard]] NamedTensors head() const {
        NamedTensors tensors;
        Scored<> shared = head_;   // visiting requires a mutable one
        shared.for_each_parameter("", [&](std::string const& name, at::Tensor& value, bool) { tensors[name] = value.detach(); });
        return tensors;
    }

    [[nodiscard]] std::size_t examples() const override { return texts_.texts.size(); }
    [[nodiscard]] std::size_t cost(std::size_t example) const override { return texts_.texts[example].input_ids.size(); }
    [[nodiscard]] std::size_t terms() const override { return 1; }

    [[nodiscard]] HostBatch collate(std::span<std::size_t const> examples, DrawKey key) const override {
        HostBatch batch{.views = std::vector<PackedView>(1), .epoch = key.epoch, .seed = key.seed};
        PackedView& view = batch.views[0];
        view.special = special_;
        for (std::size_t const i : examples) {
            view.append_input(texts_.texts[i].input_ids, texts_.texts[i].types);
            view.scores.push_back(texts_.targets[i]);
            batch.examples.push_back(i);
        }
        batch.term_labels = {static_cast<std::int64_t>(examples.size())};
        return batch;
    }

    StepOutput forward(HostBatch const& batch, ForwardContext& context, std::span<std::int64_t const> step_labels) override {
        at::Tensor const logits = outputs(batch.views[0], context);
        at::Tensor const targets = detail::sent<float>(batch.views[0].scores, logits.device());
        constexpr std::int64_t sum_of_all = 2;   // at::Reduction::Sum
        bool const is_score = options_.labels == 1;
        at::Tensor const classes = targets.to(at::kLong);
        at::Tensor const sum = is_score ? at::mse_loss(logits.squeeze(1), targets, sum_of_all)
                                        : at::cross_entropy_loss(logits, classes, {}, sum_of_all);
        std::int64_t const labels = batch.term_labels[0];
        StepOutput output{.total = sum / static_cast<double>(std::max<std::int64_t>(step_labels[0], 1))};
        output.terms.push_back({.name = "terms.0",
                                .kind = is_score ? "regression" : "classification",
                                .loss = sum.detach() / static_cast<double>(labels),
                                .correct = is_score ? at::Tensor() : logits.detach().argmax(1).eq(classes).sum().to(at::kFloat),
                                .labels = labels});
        return output;
    }

    void for_each_parameter(ParameterVisitor const& visit) override {
        auto const each = [&](std::string const& name, at::Tensor& value, bool decay) { visit(name, value, decay); };
        encoder_.for_each_body_parameter("encoder", each);
        head_.for_each_parameter("", each);
    }

    [[nodiscard]] std::string description() const override {
        detail::Xxh64 hash;
        for (std::size_t i = 0; i < texts_.texts.size(); ++i) {
            hash.update(std::as_bytes(std::span(texts_.texts[i].input_ids)));
            hash.update(std::as_bytes(std::span(&texts_.targets[i], 1)));
        }
        Shape const shape = encoder_.shape();
        detail::Json json{{"format", 1},
                          {"preset", "glue"},
                          {"composition", "SequenceClassifier"},
                          {"task", options_.task},
                          {"labels", options_.labels},
                          {"max_length", options_.max_length},
                          {"config", describe_encoder(encoder_)},
                          {"dropout",
                           {{"hidden", shape.hidden_dropout},
                            {"attention", shape.attention_dropout},
                            {"attention_output", shape.attention_output_dropout}}},
                          {"texts", detail::to_hex(hash.digest())}};
        return json.dump();
    }

    void write_sidecars(std::filesystem::path const& folder) const override {
        if (sidecars_) { sidecars_(folder); }
    }

private:
    /// `Scored` has one output: its last map is exchanged for one with an output per label.
    static Scored<> head_of(AnyEncoder const& encoder, std::int64_t labels, std::uint64_t seed) {
        Scored<> head({}, encoder, seed, {});
        constexpr char const* name = "shared.score.classifier";
        Shape const shape = encoder.shape();
        Linear map(shape.width, labels);
        initialize(map, name, seed, Initialization::bert, shape.initial_deviation);
        NamedTensors exchanged;
        map.for_each_parameter(name,
                               [&](std::string const& parameter, at::Tensor& value, auto) { exchanged[parameter] = value; });
        head.for_each_parameter("", [&](std::string const& parameter, at::Tensor& value, auto) {
            if (auto const found = exchanged.find(parameter); found != exchanged.end()) { value = found->second; }
        });
        return head;
    }

    [[nodiscard]] at::Device device() const {
        at::Device found = at::kCPU;
        const_cast<Scored<>&>(head_).for_each_parameter(
            "", [&](std::string const&, at::Tensor& value, bool) { found = value.device(); });
        return found;
    }

    [[nodiscard]] at::Tensor outputs(PackedView const& view, ForwardContext& context) const {   // [B, labels] fp32
        PackedInput const input = to_tensors(view, device());
        return head_.pool(encoder_.encode(input, context), input, encoder_).to(at::kFloat);
    }

    AnyEncoder encoder_;
    Scored<> head_;
    ClassifiedTexts texts_;
    SpecialIds special_;
    SequenceClassifierOptions options_;
    Sidecars sidecars_;
};

}  // namespace bmae
