// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// A composition and a token store, bound together as something that a trainer can train.
#pragma once

#include <algorithm>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <bmae/bottlenecks/sentence_bottleneck.hpp>
#include <bmae/corruptors/generator_replacement.hpp>
#include <bmae/detail/bind_model.hpp>
#include <bmae/detail/hash.hpp>
#include <bmae/detail/separate.hpp>
#include <bmae/edge/dump_step.hpp>
#include <bmae/edge/slot_names.hpp>
#include <bmae/edge/text_coverage.hpp>
#include <bmae/encoders/any_encoder.hpp>
#include <bmae/maskers/keyword.hpp>
#include <bmae/maskers/word_weights.hpp>
#include <bmae/model/model.hpp>
#include <bmae/sources/candidates.hpp>
#include <bmae/text/pair_store.hpp>
#include <bmae/text/token_store.hpp>
#include <bmae/training/objective.hpp>
#include <bmae/values/error.hpp>
#include <bmae/values/shape.hpp>

namespace bmae {

/// The type-erased interface of a model for programs that do not know its composition.
class AnyModel : public Objective {
public:
    /// Shares the tensors of the model's encoder, of whatever type.
    [[nodiscard]] virtual AnyEncoder encoder() const = 0;
    [[nodiscard]] virtual std::string preset() const = 0;
    [[nodiscard]] virtual std::string composition() const = 0;
    /// Bottleneck and projection of each pass, in order.
    [[nodiscard]] virtual std::vector<PassDescription> passes() const = 0;
    /// Every option by its path.
    [[nodiscard]] virtual std::vector<std::pair<std::string, OptionValue>> option_values() const = 0;
    /// How the first pass makes its sentence vector, for a saved sentence encoder, a reduction with its weights included. [CLS]
    /// where its bottleneck is not a pooling, which `pooling_note` then reports.
    [[nodiscard]] virtual SentenceBottleneck pooling() const = 0;
    /// The difference between `pooling()` and the bottleneck that was trained, in one sentence; empty: none.
    [[nodiscard]] virtual std::string pooling_note() const = 0;
    /// The encoder of the other text of a pair, where a `SecondPass` trained one; else nothing.
    [[nodiscard]] virtual std::optional<AnyEncoder> second_encoder() const = 0;

    /// Computes one step on `batch` without dropout and without an update, and writes it for comparison with other programs.
    virtual void dump_step(HostBatch const& batch, std::filesystem::path const& file) = 0;
};

/// The parameters of a model that several parts share, by their names in a checkpoint: projections, lexicons, decoders.
/// \param model  a `Model` or an `AnyModel`
template <class ModelT>
[[nodiscard]] NamedTensors shared_tensors(ModelT& model) {
    NamedTensors tensors;
    model.for_each_parameter([&](std::string const& name, at::Tensor& value, bool) {
        if (name.starts_with("shared.")) { tensors[name] = value.detach(); }
    });
    return tensors;
}

namespace detail {

/// "mkp" as reports and papers write it: "MKP".
BMAE_INLINE std::string task_in_capitals(std::string task);

/// What an objective tells of itself: two runs with one description are runs of one model on the same data.
struct ObjectiveDescription {
    std::string preset;
    std::string composition;
    std::size_t max_length = 0;
    std::vector<std::pair<std::string, OptionValue>> numbers = {};
    std::vector<TermDescription> terms = {};
    std::vector<ViewDescription> views = {};
    std::vector<PassDescription> passes = {};
    std::string data = {};   ///< kind of the dataset: "corpus" or "pairs"
    std::uint64_t data_hash = 0;
    std::uint64_t generator_hash = 0;   ///< 0: no generator, or one that does not tell
    SlotNames slots = {};
    std::optional<std::uint64_t> words_hash = {};   ///< of a dictionary from outside
};

/// The description as JSON text.
BMAE_INLINE std::string description_text(ObjectiveDescription const& objective, AnyEncoder const& encoder);

/// Losses of a composition under the names of its terms.
BMAE_INLINE StepOutput to_step_output(ModelLoss loss, std::vector<TermDescription> const& terms);

/// The trailing terms of a composition, over whole optimizer steps.
template <class Model>
class ModelContrast final : public StepContrast {
public:
    /// \param model,terms  must outlive it
    ModelContrast(Model& model, std::vector<TermDescription> const& terms) : model_(model), terms_(terms) {}

    [[nodiscard]] HostBatch join(std::span<HostBatch const> batches) const override { return model_.join(batches); }
    at::Tensor represent(HostBatch const& batch, ForwardContext& context) override { return model_.represent(batch, context); }
    StepOutput contrast(HostBatch const& whole, std::span<HostBatch const> batches, std::span<at::Tensor const> vectors,
                        ForwardContext& context) override {
        return to_step_output(model_.contrast(whole, batches, vectors, context), terms_);
    }
    StepPart forward_part(HostBatch const& batch, ForwardContext& context, std::span<std::int64_t const> step_labels) override {
        ModelPart part = model_.forward_part(batch, context, step_labels);
        return {.output = to_step_output(std::move(part.loss), terms_), .vectors = std::move(part.vectors)};
    }

private:
    Model& model_;
    std::vector<TermDescription> const& terms_;
};

}  // namespace detail

/// A dataset that a composition can be trained on: a token store (passages) or a pair store (queries with candidates).
template <class D>
concept Dataset = requires(D const& data) {
    { data.size() } -> std::convertible_to<std::size_t>;
    { data.traits() } -> std::convertible_to<TokenTraits const&>;
    { data.path() } -> std::convertible_to<std::filesystem::path const&>;
};

/// `Model` on the examples of a dataset: pre-training over a token store, fine-tuning over a pair store.
template <class Model, Dataset Data = TokenStore>
class ComposedObjective final : public AnyModel {
public:
    static constexpr bool reads_pairs = std::is_same_v<typename Model::ExampleType, PairExample>;
    static_assert(reads_pairs == std::is_same_v<Data, PairStore>,
                  "ComposedObjective: a model whose views read queries and candidates is trained on a PairStore, one whose views "
                  "read passages on a TokenStore.");
    using Sidecars = std::function<void(std::filesystem::path const&)>;

    /// \param corpus        must outlive the objective
    /// \param preset        name of the composition in reports and checkpoints
    /// \param sidecars      writes config.json and tokenizer files into a checkpoint, so that it is self-contained
    /// \param words         word counts for keyword maskers; none: those of the corpus
    /// Throws InputError where vocabulary or lengths of corpus and encoder do not fit (an encoder may have more rows than the tokenizer
    /// has tokens: no corruptor draws those, no label names them, only the softmax over the vocabulary counts them), and where texts, generator or words are
    /// missing or unused.
    ComposedObjective(std::shared_ptr<Model> model, Data const& corpus, ViewSettings settings, std::string preset,
                      Sidecars sidecars = {}, std::shared_ptr<TokenGenerator const> generator = {},
                      std::shared_ptr<WordWeights const> words = {})
        : model_(std::move(model)),
          terms_(model_->describe_terms()),
          corpus_(corpus),
          settings_(settings),
          preset_(std::move(preset)),
          sidecars_(std::move(sidecars)),
          words_(std::move(words)) {
        auto const vocabulary = static_cast<std::size_t>(model_->encoder().shape().vocabulary);
        if (corpus_.traits().size() > vocabulary) {   // a padded vocabulary has more rows than tokens
            throw InputError(Diagnostic{
                .file = corpus_.path().string(),
                .expected = "a corpus tokenized with at most the model's vocabulary of " + std::to_string(vocabulary) + " tokens",
                .found = "one of " + std::to_string(corpus_.traits().size()) + " tokens",
                .hint = "Prepare the corpus with the tokenizer of the model, or set vocab_size in its config."});
        }
        auto const positions = static_cast<std::size_t>(model_->encoder().shape().positions);
        if (settings_.max_length > positions || settings_.max_length < 3) {
            throw InputError(Diagnostic{
                .file = {},
                .expected = "a view length from 3 to " + std::to_string(positions) + " tokens, the positions of the encoder",
                .found = std::to_string(settings_.max_length),
                .hint = "Lower --max-length."});
        }
        if constexpr (reads_pairs) {
            require_pairs();
        } else {
            equip_views(std::move(generator));
        }
        if constexpr (Model::spans_step) { contrast_ = std::make_unique<detail::ModelContrast<Model>>(*model_, terms_); }
    }

    [[nodiscard]] std::size_t examples() const override { return corpus_.size(); }
    [[nodiscard]] std::size_t cost(std::size_t example) const override {
        if constexpr (reads_pairs) {
            return pair_cost(corpus_.example(example));
        } else {
            return std::min(corpus_.passage_length(example) + 2, settings_.max_length);
        }
    }
    [[nodiscard]] std::size_t terms() const override { return Model::term_count; }
    [[nodiscard]] std::size_t source(std::size_t example) const override {
        if constexpr (reads_pairs) {
            return corpus_.source_of(example);
        } else {
            return AnyModel::source(example);
        }
    }

    [[nodiscard]] HostBatch collate(std::span<std::size_t const> examples, DrawKey key) const override {
        std::vector<typename Model::ExampleType> texts;
        texts.reserve(examples.size());
        for (std::size_t const i : examples) {
            if constexpr (reads_pairs) {
                texts.push_back(corpus_.example(i));
            } else if (model_->random_window()) {   // one window for all views of the example
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
    [[nodiscard]] std::size_t alternation(std::string const& parameter) const override { return model_->alternation(parameter); }
    [[nodiscard]] std::size_t frozen(std::uint64_t step) const override { return model_->frozen(step); }

    void after_step(MasterOf const& master) override { model_->after_step(master); }

    void for_each_parameter(ParameterVisitor const& visit) override { model_->for_each_parameter(visit); }
    void for_each_state(StateVisitor const& visit) override { model_->for_each_state(visit); }

    [[nodiscard]] std::string description() const override {
        detail::ObjectiveDescription description{.preset = preset_,
                                                 .composition = model_->composition(),
                                                 .max_length = settings_.max_length,
                                                 .numbers = model_->option_values(),
                                                 .terms = model_->describe_terms(),
                                                 .views = model_->describe_views(),
                                                 .passes = model_->describe_passes(),
                                                 .data = reads_pairs ? "pairs" : "corpus",
                                                 .data_hash = corpus_.content_hash(),
                                                 .generator_hash = generator_hash_,
                                                 .slots = detail::slot_names(*model_)};
        if (words_ != nullptr) { description.words_hash = detail::xxh64(std::as_bytes(words_->words())); }
        return detail::description_text(description, model_->encoder());
    }

    [[nodiscard]] std::vector<std::string> warnings() const override { return warnings_; }

    void write_sidecars(std::filesystem::path const& folder) const override {
        if (sidecars_) { sidecars_(folder); }
    }

    [[nodiscard]] AnyEncoder encoder() const override { return std::as_const(*model_).encoder(); }
    [[nodiscard]] std::string preset() const override { return preset_; }
    [[nodiscard]] std::string composition() const override { return model_->composition(); }
    [[nodiscard]] std::vector<PassDescription> passes() const override { return model_->describe_passes(); }
    [[nodiscard]] std::vector<std::pair<std::string, OptionValue>> option_values() const override {
        return model_->option_values();
    }
    [[nodiscard]] SentenceBottleneck pooling() const override {
        PassDescription const pass = model_->describe_passes().front();
        return SentenceBottleneck::of({.name = pass.bottleneck, .projection = pass.projection}, shared_tensors(*model_))
            .value_or(SentenceBottleneck());
    }
    [[nodiscard]] std::string pooling_note() const override {
        PassDescription const pass = model_->describe_passes().front();
        std::string const given = "vectors are " + to_string(pooling());
        if (!SentenceBottleneck::named(pass.bottleneck)) {
            return given + ": the model was trained with the bottleneck " + pass.bottleneck +
                   ", which is not a pooling of hidden states. Fine-tune before search";
        }
        bool const for_training =
            pass.projection.find("tanh") != std::string::npos || pass.projection.find("batch_norm") != std::string::npos;
        if (!for_training) { return {}; }
        return given + " without the projection " + pass.projection + " that followed it in training";
    }
    [[nodiscard]] std::optional<AnyEncoder> second_encoder() const override {
        if constexpr (Model::has_second_encoder) {
            return std::as_const(*model_).second_encoder();
        } else {
            return std::nullopt;
        }
    }

    void dump_step(HostBatch const& batch, std::filesystem::path const& file) override {
        bmae::dump_step(*model_, batch, corpus_.traits(), preset_, file);
    }

private:
    /// Tokens that the views of a training query read; of its texts, the longest relevant one stands for all.
    [[nodiscard]] std::size_t pair_cost(PairExample const& example) const {
        std::size_t passage = 0;
        for (std::uint32_t const p : example.positives) { passage = std::max(passage, example.texts[p].size()); }
        std::size_t cost = 0;
        model_->for_each_view([&]<class ViewT>(ViewT const& view, auto const&, std::size_t) {
            std::size_t const limit = [&] {
                if constexpr (requires { view.source.max_length; }) {
                    return std::min(view.source.max_length, settings_.max_length);
                }
                return settings_.max_length;
            }();
            if constexpr (requires { view.source.query_length; }) {
                cost += view.source.group_size() *
                        std::min(std::min(example.query.size(), view.source.query_length) + passage + 3, limit);
            } else if constexpr (requires { view.source.group_size(); }) {
                cost += view.source.group_size() * std::min(passage + 2, limit);
            } else if constexpr (detail::reads_relevant_text<typename ViewT::Source>) {
                cost += std::min(passage + 2, limit);
            } else {
                cost += std::min(std::max(example.query.size(), std::size_t{1}) + 2, limit);
            }
        });
        return cost;
    }

    /// Refuses a pair store without the data that the composition is trained on, and lengths beyond the encoder's positions.
    void require_pairs() {
        std::vector<ViewDescription> const views = model_->describe_views();
        auto const positions = static_cast<std::size_t>(model_->encoder().shape().positions);
        model_->for_each_view([&]<class ViewT>(ViewT const& view, auto const&, std::size_t v) {
            if constexpr (requires { view.source.max_length; }) {
                if (view.source.max_length >= 3 && view.source.max_length <= positions) { return; }
                throw InputError(Diagnostic{.file = {},
                                            .expected = views[v].path + ".source.max_length from 3 to " +
                                                        std::to_string(positions) + " tokens, the positions of the encoder",
                                            .found = std::to_string(view.source.max_length)});
            }
        });
        require_scores(views);
        if constexpr (Model::cross_count > 0) {   // reconstruction alone needs no negative
            if (corpus_.size() == 0 || corpus_.has_similarities() || negatives(corpus_.size()) != 0) { return; }
            throw InputError(Diagnostic{.file = corpus_.path().string(),
                                        .expected = "at least two candidate passages, a relevant one and a negative",
                                        .found = "one training query with one text",
                                        .hint = "Add training queries, or hard negatives: --passages-per-query 2."});
        }
    }

    /// Refuses a store without the scores that terms or views read, and one whose scores are of another kind.
    void require_scores(std::vector<ViewDescription> const& views) {
        bool reads_scores = false;
        auto const require_teacher = [&](std::string const& reader, char const* hint) {
            reads_scores = true;
            if (corpus_.has_teacher_scores()) { return; }
            throw InputError(Diagnostic{.file = corpus_.path().string(),
                                        .expected = "a teacher's scores of queries and texts, from which " + reader + " learns",
                                        .found = "none",
                                        .hint = hint});
        };
        model_->for_each_cross_term([&]<class Term>(Term const& term, std::size_t t) {
            std::string const name = "terms." + std::to_string(t);
            require_kind_of_labels(detail::wants_similarities<Term>, name + " (" + std::string(Term::kind) + ')');
            if constexpr (detail::wants_teacher_scores<Term>) {
                require_teacher(name + " (" + std::string(Term::kind) + ')',
                                "Prepare the pairs with --teacher-scores FILE, or use a preset without distillation.");
            }
            if constexpr (requires { term.teacher_reader(); }) {
                if (term.teacher_reader().empty()) { return; }
                require_teacher(name + '.' + std::string(term.teacher_reader()),
                                "Prepare the pairs with --teacher-scores FILE, or mask by score.");
            }
        });
        model_->for_each_view([&]<class ViewT>(ViewT const& view, auto const&, std::size_t v) {
            if constexpr (requires { view.source.group.sampling; }) {
                if (view.source.group.sampling != NegativeChoice::ambiguous) { return; }
                require_teacher(views[v].path + ".source.sampling=ambiguous",
                                "Prepare the pairs with --teacher-scores RUN, the run that the negatives are of.");
            }
        });
        if (reads_scores) { warn_of_unscored(); }
    }

    void require_kind_of_labels(bool similarities, std::string const& reader) const {
        if (similarities == corpus_.has_similarities()) { return; }
        throw InputError(Diagnostic{
            .file = corpus_.path().string(),
            .expected = (similarities ? "scored pairs of texts, from which " : "queries with relevant texts, from which ") +
                        reader + " learns",
            .found = similarities ? "queries with relevant texts" : "scored pairs of texts",
            .hint = similarities ? "Name files of pairs with labels, or make the store by `bmae pairs --labels similarity`."
                                 : "The preset scored-pairs is trained on them."});
    }

    /// Queries whose relevant texts have no score: a teacher says nothing of them.
    void warn_of_unscored() {
        std::size_t unscored = 0;
        for (std::size_t i = 0; i < corpus_.size(); ++i) {
            auto const scores = corpus_.example(i).positive_scores;
            unscored += std::ranges::all_of(scores, [](float score) { return std::isnan(score); }) ? 1 : 0;
        }
        if (unscored == 0) { return; }
        warnings_.push_back(std::to_string(unscored) + " of " + std::to_string(corpus_.size()) +
                            " queries have no teacher's score of a relevant text: no distillation, no mask by a teacher and no "
                            "ambiguity is told of them");
    }

    static constexpr std::uint64_t window_slot = 0x77696e64;   // no view has this number

    /// Refuses a composition whose texts the corpus lacks, and gives maskers and corruptors their word counts and generator.
    void equip_views(std::shared_ptr<TokenGenerator const> generator) {
        std::vector<ViewDescription> const descriptions = model_->describe_views();
        std::shared_ptr<WordWeights const> words = words_;
        bool asks_for_words = false;
        std::set<std::pair<Needs, std::string_view>> told;
        bool asks_for_generator = false;
        model_->for_each_view([&]<class ViewT>(ViewT& view, auto const& part, std::size_t v) {
            if constexpr (requires { ViewT::Source::needs; }) {
                bool const stands_in = [&] {
                    if constexpr (requires { view.source.passage_if_absent; }) { return view.source.passage_if_absent; }
                    return false;
                }();
                std::size_t const span = [&] {
                    if constexpr (requires { view.source.length; }) { return view.source.length; }
                    return std::size_t{0};
                }();
                std::string_view const field = [&] {
                    if constexpr (requires { ViewT::Source::key; }) { return std::string_view(ViewT::Source::key); }
                    return std::string_view();
                }();
                if (!stands_in && !is_weightless(part) && told.emplace(ViewT::Source::needs, field).second) {
                    std::string const reader = reader_in_words(part, descriptions[v]);
                    std::string const instead = without_text(part, descriptions[v], ViewT::Source::needs);
                    std::string warning = require_texts(corpus_, ViewT::Source::needs, reader, span, field, instead);
                    if (!warning.empty()) { warnings_.push_back(std::move(warning)); }
                }
            }
            if constexpr (LearnsWords<typename ViewT::Masker>) {
                if (view.masker.needs_words()) {
                    asks_for_words = true;
                    require_frequencies(view.masker, descriptions[v]);
                    if (words == nullptr) { words = std::make_shared<WordWeights const>(WordWeights::of(corpus_)); }
                    view.masker.learn(words);
                }
            }
            if constexpr (requires { view.corruptor.generator; }) {
                asks_for_generator = true;
                if (view.corruptor.generator == nullptr) { view.corruptor.generator = generator; }
                if (view.corruptor.generator == nullptr) {
                    throw InputError(Diagnostic{.file = {},
                                                .expected = "a generator for the masks of " + descriptions[v].path,
                                                .found = "none",
                                                .hint = "Name a masked language model with this vocabulary by --generator DIR; "
                                                        "one of your own: --preset mlm."});
                }
                generator_hash_ = view.corruptor.generator->fingerprint();
            }
        });
        if (generator != nullptr && !asks_for_generator) {
            throw InputError(Diagnostic{.file = {},
                                        .expected = "a corruptor that replaces masks by a generator's tokens",
                                        .found = "none in " + preset_,
                                        .hint = "The presets simlm and diffcse have one; leave --generator out elsewhere."});
        }
        if (words_ != nullptr && !asks_for_words) {
            throw InputError(Diagnostic{.file = {},
                                        .expected = "a masker with word weights, to use the dictionary",
                                        .found = "none",
                                        .hint = "MASTER's presets have one; leave --dictionary out elsewhere."});
        }
    }

    /// A dictionary of counts alone has no document frequencies.
    template <class MaskerT>
    void require_frequencies(MaskerT const& masker, ViewDescription const& view) const {
        if constexpr (requires { masker.weighting == KeywordWeighting::tf_idf; }) {
            if (words_ == nullptr || words_->documents() != 0 || masker.weighting != KeywordWeighting::tf_idf) { return; }
            throw InputError(Diagnostic{.file = {},
                                        .expected = "words with document frequencies for the tf_idf of " + view.path,
                                        .found = "a dictionary of counts alone",
                                        .hint = "Choose a preset whose name ends in -as-released, which weights by counts, or "
                                                "leave the dictionary out: the words of the corpus are then counted."});
        }
    }

    /// How to train without a text that the corpus lacks, in one sentence; empty where a pass reads it.
    template <class Part>
    std::string without_text(Part const& part, ViewDescription const& view, Needs need) const {
        if (std::string const preset = preset_without(corpus_, preset_, need); !preset.empty()) {
            return "Without such texts there is --preset " + preset + '.';
        }
        if constexpr (requires { part.weight(.5); }) {
            return "Without such texts: --set " + view.path.substr(0, view.path.rfind(".view")) + ".weight=0.";
        } else {
            return {};
        }
    }

    /// A term whose weight is 0 throughout the run asks for no text. A pass, whose view is the encoder's, has no weight.
    template <class Part>
    static bool is_weightless(Part const& part) {
        if constexpr (requires { part.weight(.5); }) {
            return part.weight(0) == 0 && part.weight(.5) == 0 && part.weight(1) == 0;
        } else {
            return false;
        }
    }

    /// "DOR (passes.0.terms.2.view, queries)": the paper's name of the task where it has one, then path and source.
    template <class Part>
    static std::string reader_in_words(Part const& part, ViewDescription const& view) {
        std::string const place = view.path + ", " + view.source;
        std::string task;
        if constexpr (requires { part.describe(std::string()).task; }) { task = part.describe(std::string()).task; }
        if (task.empty()) { return place; }
        return detail::task_in_capitals(std::move(task)) + " (" + place + ')';
    }

    std::shared_ptr<Model> model_;
    std::vector<TermDescription> terms_;       // made once: names and kinds are constant over a run
    std::unique_ptr<StepContrast> contrast_;   // none where no term is a contrast over the batch
    Data const& corpus_;
    ViewSettings settings_;
    std::string preset_;
    Sidecars sidecars_;
    std::shared_ptr<WordWeights const> words_;   // given from outside; none: those of the corpus
    std::uint64_t generator_hash_ = 0;           // 0: no generator, or one that does not tell
    std::vector<std::string> warnings_ = {};
};

template <class Model, class Data>
std::unique_ptr<AnyModel> detail::bind_model(std::shared_ptr<Model> model, Data const& data, ViewSettings const& settings,
                                             std::string name, std::function<void(std::filesystem::path const&)> sidecars) {
    return std::make_unique<ComposedObjective<Model, Data>>(std::move(model), data, settings, std::move(name),
                                                            std::move(sidecars));
}

}  // namespace bmae

#if BMAE_TORCH_DEFINITIONS

#include <nlohmann/json.hpp>

#include <bmae/encoders/encoder_description.hpp>

namespace bmae::detail {

BMAE_INLINE std::string task_in_capitals(std::string task) {
    for (char& c : task) { c = c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c; }
    return task;
}

BMAE_INLINE std::string description_text(ObjectiveDescription const& objective, AnyEncoder const& encoder) {
    constexpr int format = 2;   // 1 had no number: no types, state changed within a step
    nlohmann::ordered_json json;
    json["format"] = format;
    json["preset"] = objective.preset;
    json["composition"] = objective.composition;
    json["max_length"] = objective.max_length;
    json["numbers"] = options_json(objective.numbers);
    json["terms"] = terms_json(objective.terms);
    json["views"] = views_json(objective.views);
    json["passes"] = passes_json(objective.passes);
    json["config"] = describe_encoder(encoder);
    Shape const shape = encoder.shape();
    json["dropout"] = {{"hidden", shape.hidden_dropout},
                       {"attention", shape.attention_dropout},
                       {"attention_output", shape.attention_output_dropout}};
    json[objective.data] = to_hex(objective.data_hash);
    if (objective.generator_hash != 0) { json["generator"] = to_hex(objective.generator_hash); }
    nlohmann::ordered_json& slots = json["slots"];
    for (auto const& [path, type] : objective.slots) { slots[path] = type; }
    if (objective.words_hash) { json["dictionary"] = to_hex(*objective.words_hash); }
    return json.dump();
}

BMAE_INLINE StepOutput to_step_output(ModelLoss loss, std::vector<TermDescription> const& terms) {
    StepOutput output{.total = std::move(loss.total)};
    for (std::size_t t = 0; t < loss.terms.size(); ++t) {
        output.terms.push_back({.name = terms[t].name,
                                .kind = terms[t].kind,
                                .loss = loss.terms[t].loss,
                                .correct = loss.terms[t].correct,
                                .labels = loss.terms[t].labels,
                                .weight = loss.terms[t].weight,
                                .task = task_in_capitals(terms[t].task)});
    }
    return output;
}

}  // namespace bmae::detail

#endif   // BMAE_TORCH_DEFINITIONS
