// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// A composition and a token store, bound together as something that a trainer can train.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include <bmae/bottlenecks/pooling.hpp>
#include <bmae/corruptors/generator_replacement.hpp>
#include <bmae/edge/dump_step.hpp>
#include <bmae/encoders/bert.hpp>
#include <bmae/maskers/word_weights.hpp>
#include <bmae/pretraining/pretraining.hpp>
#include <bmae/text/token_store.hpp>
#include <bmae/training/objective.hpp>
#include <bmae/values/error.hpp>

namespace bmae {

/// What a program does with a model whose composition it does not know: the type-erased edge of pre-training.
class AnyPretraining : public Objective {
public:
    [[nodiscard]] virtual BertEncoder& encoder() = 0;
    [[nodiscard]] virtual std::string preset() const = 0;
    [[nodiscard]] virtual std::string composition() const = 0;
    /// How the first pass makes its sentence vector: what a saved sentence encoder should do. [CLS] where it has no such name.
    [[nodiscard]] virtual Pooling pooling() const = 0;

    /// Computes one step on `batch` without dropout and without an update, and writes it for other programs to check.
    virtual void dump_step(HostBatch const& batch, std::filesystem::path const& file) = 0;
};

namespace detail {

/// Losses of a composition under the names of its terms.
inline StepOutput to_step_output(PretrainingLoss loss, std::vector<TermDescription> const& terms) {
    StepOutput output{.total = std::move(loss.total)};
    for (std::size_t t = 0; t < loss.terms.size(); ++t) {
        output.terms.push_back({.name = terms[t].name, .kind = terms[t].kind, .loss = loss.terms[t].loss,
                                .correct = loss.terms[t].correct, .labels = loss.terms[t].labels, .weight = loss.terms[t].weight});
    }
    return output;
}

/// The trailing terms of a composition, over whole optimizer steps.
template <class Model>
class PretrainingContrast final : public StepContrast {
public:
    /// \param model,terms  must outlive it
    PretrainingContrast(Model& model, std::vector<TermDescription> const& terms) : model_(model), terms_(terms) {}

    [[nodiscard]] std::vector<std::int64_t> step_labels(std::span<HostBatch const> batches) const override { return model_.count_labels(batches); }
    at::Tensor represent(HostBatch const& batch, ForwardContext& context) override { return model_.represent(batch, context); }
    StepOutput contrast(std::span<HostBatch const> batches, std::span<at::Tensor const> vectors, ForwardContext& context,
                        std::span<std::int64_t const> step_labels) override {
        return to_step_output(model_.contrast(batches, vectors, context, step_labels), terms_);
    }
    StepPart forward_part(HostBatch const& batch, ForwardContext& context, std::span<std::int64_t const> step_labels) override {
        PretrainingPart part = model_.forward_part(batch, context, step_labels);
        return {.output = to_step_output(std::move(part.loss), terms_), .vectors = std::move(part.vectors)};
    }

private:
    Model& model_;
    std::vector<TermDescription> const& terms_;
};

}  // namespace detail

/// Pre-training of `Model` on the passages of a token store.
template <class Model>
class PretrainingObjective final : public AnyPretraining {
public:
    using Sidecars = std::function<void(std::filesystem::path const&)>;

    /// \param corpus        must outlive the objective
    /// \param preset        name under which reports and checkpoints know the composition
    /// \param sidecars      writes config.json and tokenizer files into a checkpoint, so that it can be used by itself
    /// Throws InputError where vocabulary or lengths of corpus and encoder do not fit.
    PretrainingObjective(std::shared_ptr<Model> model, TokenStore const& corpus, ViewSettings settings, std::string preset, Sidecars sidecars = {},
                         std::shared_ptr<TokenGenerator const> generator = {})
        : model_(std::move(model)), terms_(model_->describe_terms()), corpus_(corpus), settings_(settings), preset_(std::move(preset)), sidecars_(std::move(sidecars)) {
        auto const vocabulary = static_cast<std::size_t>(model_->encoder().vocabulary_size());
        if (corpus_.traits().size() != vocabulary) {
            throw InputError(Complaint{.file = corpus_.path().string(), .expected = "a corpus tokenised with the model's vocabulary of " +
                                                                                    std::to_string(vocabulary) + " tokens",
                                       .found = "one of " + std::to_string(corpus_.traits().size()) + " tokens",
                                       .remedy = "Prepare the corpus with the tokenizer of the model, or set vocab_size in its config."});
        }
        auto const positions = static_cast<std::size_t>(model_->encoder().config().usable_positions());
        if (settings_.max_length > positions || settings_.max_length < 3) {
            throw InputError(Complaint{.file = {}, .expected = "a view length from 3 to " + std::to_string(positions) + " tokens, the positions of the encoder",
                                       .found = std::to_string(settings_.max_length), .remedy = "Lower --max-length."});
        }
        equip_views(std::move(generator));
        if constexpr (Model::spans_step) { contrast_ = std::make_unique<detail::PretrainingContrast<Model>>(*model_, terms_); }
    }

    [[nodiscard]] std::size_t examples() const override { return corpus_.size(); }
    [[nodiscard]] std::size_t cost(std::size_t example) const override {
        return std::min(corpus_.passage_length(example) + 2, settings_.max_length);
    }
    [[nodiscard]] std::size_t terms() const override { return Model::term_count; }

    [[nodiscard]] HostBatch collate(std::span<std::size_t const> examples, DrawKey key) const override {
        std::vector<Example> texts;
        texts.reserve(examples.size());
        for (std::size_t const i : examples) {
            if (model_->random_window()) {   // one window for all views of the example
                Draw window({.seed = key.seed, .epoch = key.epoch, .example = i, .slot = window_slot});
                texts.push_back(corpus_.example(i, settings_.max_length - 2, window));
            } else {
                texts.push_back(corpus_.example(i, settings_.max_length - 2));
            }
        }
        return model_->collate(texts, corpus_.traits(), settings_, key);
    }

    StepOutput forward(HostBatch const& batch, ForwardContext& context, std::span<std::int64_t const> step_labels) override {
        return detail::to_step_output(model_->forward(batch, context, step_labels), terms_);
    }

    [[nodiscard]] StepContrast& step_contrast() override {
        if (contrast_ == nullptr) { return Objective::step_contrast(); }
        return *contrast_;
    }
    [[nodiscard]] std::size_t negatives(std::size_t examples) const override { return model_->negatives(examples); }
    [[nodiscard]] std::size_t turn(std::string const& parameter) const override { return model_->turn(parameter); }
    [[nodiscard]] std::size_t resting(std::uint64_t step) const override { return model_->resting(step); }

    void for_each_parameter(ParameterVisitor const& visit) override { model_->for_each_parameter(visit); }
    void for_each_state(StateVisitor const& visit) override { model_->for_each_state(visit); }

    [[nodiscard]] std::string description() const override {
        nlohmann::ordered_json json;
        json["preset"] = preset_;
        json["composition"] = model_->composition();
        json["max_length"] = settings_.max_length;
        json["reduction"] = model_->reduction() == Reduction::pooled_tokens ? "pooled_tokens" : "mean_per_term";
        if (model_->alternate() != 0) { json["alternate"] = model_->alternate(); }
        json["terms"] = detail::terms_json(model_->describe_terms());
        json["views"] = detail::views_json(model_->describe_views());
        json["config"] = detail::config_json(model_->encoder().config());
        return json.dump();
    }

    void write_sidecars(std::filesystem::path const& folder) const override {
        if (sidecars_) { sidecars_(folder); }
    }

    [[nodiscard]] BertEncoder& encoder() override { return model_->encoder(); }
    [[nodiscard]] std::string preset() const override { return preset_; }
    [[nodiscard]] std::string composition() const override { return model_->composition(); }
    [[nodiscard]] Pooling pooling() const override {
        return model_->describe_passes().front().bottleneck == to_string(Pooling::mean) ? Pooling::mean : Pooling::cls;
    }

    void dump_step(HostBatch const& batch, std::filesystem::path const& file) override {
        bmae::dump_step(*model_, batch, corpus_.traits(), preset_, file);
    }

private:
    static constexpr std::uint64_t window_slot = 0x77696e64;   // no view has this number

    /// Refuses a composition whose texts the corpus lacks, and gives maskers and corruptors what they learn or need.
    void equip_views(std::shared_ptr<TokenGenerator const> generator) {
        std::vector<ViewDescription> const descriptions = model_->describe_views();
        std::shared_ptr<WordWeights const> words;
        model_->for_each_view([&]<class ViewT>(ViewT& view, auto const&, std::size_t v) {
            if constexpr (requires { ViewT::Source::needs; }) {
                bool const stands_in = [&] {
                    if constexpr (requires { view.source.passage_if_absent; }) { return view.source.passage_if_absent; }
                    return false;
                }();
                std::size_t const span = [&] {
                    if constexpr (requires { view.source.length; }) { return view.source.length; }
                    return std::size_t{0};
                }();
                if (!stands_in) { require_texts(ViewT::Source::needs, descriptions[v], span); }
            }
            if constexpr (LearnsWords<typename ViewT::Masker>) {
                if (view.masker.needs_words()) {
                    if (words == nullptr) { words = std::make_shared<WordWeights const>(WordWeights::of(corpus_)); }
                    view.masker.learn(words);
                }
            }
            if constexpr (requires { view.corruptor.generator; }) {
                if (view.corruptor.generator == nullptr) { view.corruptor.generator = generator; }
                if (view.corruptor.generator == nullptr) {
                    throw InputError(Complaint{.file = {}, .expected = "a generator that fills the masks of " + descriptions[v].path, .found = "none",
                                               .remedy = "Name a masked language model with this vocabulary by --generator DIR; one of your own: --preset mlm."});
                }
            }
        });
    }

    /// Never trains on silence: a corpus without one single text of this kind is refused.
    /// \param span  tokens of a span that the source cuts; two of them need a longer document, in however many passages
    void require_texts(std::string_view kind, ViewDescription const& view, std::size_t span) const {
        TokenStoreStatistics const& counts = corpus_.statistics();
        bool const there = kind == "queries"        ? counts.queries != 0
                           : kind == "continuation" ? counts.continuations != 0
                           : kind == "spans"        ? counts.passages > counts.documents || counts.longest_passage > span
                                                    : counts.passages > counts.documents;
        if (there) { return; }
        std::string remedy = "bmae generate writes continuations with a GPT-2 model; bmae prepare --format jsonl or master reads them.";
        std::string expected = "continuations of the passages";
        if (kind == "queries") {
            remedy = "bmae generate writes queries with a T5 model; bmae prepare --format jsonl or master reads them.";
            expected = "queries of the passages";
        } else if (kind == "neighbours") {
            remedy = "Prepare texts with document boundaries and a --max-length below theirs, or choose a preset whose name ends in -as-released.";
            expected = "documents of more than one passage";
        } else if (kind == "spans") {
            remedy = "Prepare longer texts, or lower --set span_tokens.";
            expected = "documents of more than " + std::to_string(span) + " tokens";
        }
        throw InputError(Complaint{.file = corpus_.path().string(), .expected = expected + ", which " + view.path + " (" + view.source + ") reads",
                                   .found = "none", .remedy = std::move(remedy)});
    }

    std::shared_ptr<Model> model_;
    std::vector<TermDescription> terms_;   // made once: names and kinds do not change from step to step
    std::unique_ptr<StepContrast> contrast_;   // none where no term compares the texts of a batch
    TokenStore const& corpus_;
    ViewSettings settings_;
    std::string preset_;
    Sidecars sidecars_;
};

}  // namespace bmae
