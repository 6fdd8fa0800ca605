// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// The grammar: an encoder, its passes and their terms make one model.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include <ATen/core/Tensor.h>
#include <c10/core/GradMode.h>

#include <bmae/batch/packed_batch.hpp>
#include <bmae/batch/to_tensors.hpp>
#include <bmae/pretraining/parts.hpp>
#include <bmae/pretraining/pass.hpp>
#include <bmae/pretraining/term.hpp>
#include <bmae/pretraining/token_reduction.hpp>
#include <bmae/pretraining/towers.hpp>
#include <bmae/values/error.hpp>

namespace bmae {

/// The flat struct of a paper's own number names, for a preset; specialised beside the preset.
template <class Model>
struct PresetNumbers {
    /// Stands where a composition has no preset.
    struct type {};
    static typename Model::Options options(type) { return {}; }
};

/// What a report says about one pass.
struct PassDescription {
    std::string bottleneck = {};
    std::string projection = {};    ///< tanh or batch_norm; empty where there is none
    std::string encoder = "tied";   ///< tied, momentum or second
};

/// A bottlenecked masked auto-encoder.
///
///     Pretraining<Encoder, Pass<View, Bottleneck, Term...>..., Term...>
///
/// A trailing term looks across passes (contrast). Views are numbered in the order of the composition, a pass's own view before
/// those of its terms; draws are keyed by that number. Parameter names follow roles: `encoder.layer.0...`, `cls.predictions...`,
/// `passes.0.terms.1.decoder...`, `terms.0...`. Parts whose parameters have one name share them: `Shared`, `Projected`.
template <Encoder EncoderT, class... Part>
class Pretraining {
    using Passes = detail::Kept<true, Part...>;
    using CrossTerms = detail::Kept<false, Part...>;

public:
    static constexpr std::size_t pass_count = std::tuple_size_v<Passes>;
    static constexpr std::size_t cross_count = std::tuple_size_v<CrossTerms>;
    static constexpr std::size_t term_count = (detail::terms_of<Part>() + ... + 0);

private:
    template <class Tower>
    static constexpr bool runs = (detail::runs_on<Part, Tower>() || ...);
    static_assert(pass_count > 0, "Pretraining: after the encoder come its passes: Pass<View, Bottleneck, Term...>.");
    static_assert(detail::passes_come_first<Part...>(), "Pretraining: passes come first, terms that look across them last.");
    static_assert(term_count > 0, "Pretraining: without a term nothing would be learned; add MaskedLanguageModel, a Branch or a Contrast.");
    static_assert(((detail::is_pass<Part> || CrossTerm<Part, EncoderT>) && ...),
                  "Pretraining: this part is neither a Pass nor a term that looks across passes. MaskedLanguageModel, Branch and BagOfWords belong into a Pass.");
    static_assert(((detail::passes_wanted<Part>() <= pass_count) && ...),
                  "Contrast: at least two passes are needed, one for each side of a pair.");
    static_assert(runs<TiedEncoder>, "Pretraining: at least one pass must be run by the model's own encoder.");

public:
    /// Numbers of the model, in the shape of the composition.
    struct Options {
        typename detail::PartList<Passes>::Options passes = {};
        typename detail::PartList<CrossTerms>::Options terms = {};
        Reduction reduction = Reduction::mean_per_term;
        double momentum = .9995;        ///< of a momentum encoder, per step; Contriever: .9995
        bool random_window = false;     ///< too long a text is cut at a place drawn once per example, not at its end (MASTER as released)
    };
    using EncoderType = EncoderT;

    /// Throws InputError where the numbers do not fit the composition or the encoder.
    Pretraining(EncoderT encoder, Options options, std::uint64_t seed)
        : towers_(std::move(encoder), seed),
          options_(options),
          passes_(detail::PartList<Passes>::build(options.passes, towers_.own(), seed, "passes.")),
          terms_(detail::PartList<CrossTerms>::build(options.terms, towers_.own(), seed, "terms.")) {
        share_parameters();
    }

    /// With the numbers of the paper, where the composition is a preset; else with those of its parts.
    explicit Pretraining(typename EncoderT::Options config)
        : Pretraining(std::move(config), PresetNumbers<Pretraining>::options(typename PresetNumbers<Pretraining>::type{})) {}

    Pretraining(typename EncoderT::Options config, Options options, std::uint64_t seed = 0)
        : Pretraining(EncoderT(std::move(config), seed), std::move(options), seed) {}

    /// With the number names of the paper, where the composition is a preset: `RetroMae model(config, {.encoder_mask = .15})`.
    Pretraining(typename EncoderT::Options config, typename PresetNumbers<Pretraining>::type numbers, std::uint64_t seed = 0)
        : Pretraining(std::move(config), PresetNumbers<Pretraining>::options(numbers), seed) {}

    [[nodiscard]] EncoderT& encoder() noexcept { return towers_.own(); }
    [[nodiscard]] EncoderT const& encoder() const noexcept { return towers_.own(); }
    [[nodiscard]] Reduction reduction() const noexcept { return options_.reduction; }
    [[nodiscard]] bool random_window() const noexcept { return options_.random_window; }

    /// Masks and packs examples; free of LibTorch and safe to call from several threads.
    [[nodiscard]] HostBatch collate(std::span<Example const> examples, TokenTraits const& traits, ViewSettings const& settings,
                                    DrawKey key) const {
        constexpr std::uint64_t shared_slot = 0x73686172;   // no view has this number
        HostBatch batch;
        batch.epoch = key.epoch;
        batch.seed = key.seed;
        batch.views.resize(view_count());
        for (PackedView& view : batch.views) { view.special = traits.special(); }
        for (Example const& example : examples) {
            batch.examples.push_back(example.id);
            std::size_t view = 0;
            auto draws = [&]() -> ViewDraws {
                return {Draw({.seed = key.seed, .epoch = key.epoch, .example = example.id, .slot = view}),
                        Draw({.seed = key.seed, .epoch = key.epoch, .example = example.id, .slot = shared_slot})};
            };
            for_each_pass([&](auto const& pass, std::size_t) {
                MaskedText const encoder_text = pass.assemble(example, traits, settings, draws());
                batch.views[view++].append(encoder_text);
                pass.for_each_term([&]<class Term>(Term const& term, std::size_t) {
                    if constexpr (Term::has_view) {
                        MaskedText const text = term.assemble(example, traits, settings, draws(), encoder_text);
                        batch.views[view++].append(text);
                    }
                });
            });
        }
        count_labels(batch);
        return batch;
    }

    /// Lets the networks among the corruptors replace tokens (SimLM, DiffCSE): `forward` does so itself where it is needed.
    [[nodiscard]] HostBatch replaced(HostBatch batch) const {
        if (std::exchange(batch.replaced, true)) { return batch; }
        for_each_view([&](auto const& view, auto const& part, std::size_t v) {
            if constexpr (requires { view.corruptor.replace(batch.views[v], batch, v); }) {
                view.corruptor.replace(batch.views[v], batch, v);
                if constexpr (requires { part.relabel(batch.views[v]); }) { part.relabel(batch.views[v]); }
            }
        });
        return batch;
    }

    /// One forward run over a batch.
    /// \param step_labels  [terms] labels of each term in the whole optimizer step, the divisor of its mean; with one batch per step
    ///                     `batch.term_labels`
    /// In training a momentum encoder moves first, once per step, and queues take the batch's vectors in afterwards.
    [[nodiscard]] PretrainingLoss forward(HostBatch const& batch, ForwardContext& context, std::span<std::int64_t const> step_labels) {
        if constexpr (replaces_tokens()) {
            return run(replaced(batch), context, step_labels);
        } else {
            return run(batch, context, step_labels);
        }
    }

    /// Calls `visit(name, tensor, decay)` for every parameter once; tied tensors stand under the embedding's name.
    template <class Visit>
    void for_each_parameter(Visit&& visit) {
        std::map<std::string, at::Tensor> seen;
        for_each_named([&](std::string const& name, at::Tensor& value, bool decay) {
            if (auto const shared = seen.find(name); shared != seen.end()) {
                value = shared->second;   // the visitor may have put another tensor in its place
                return;
            }
            visit(name, value, decay);
            seen.emplace(name, value);
        });
    }

    /// Calls `visit(name, tensor)` for everything else that a checkpoint must hold: momentum encoder, queues.
    template <class Visit>
    void for_each_state(Visit&& visit) {
        towers_.for_each_state(visit);
        for_each_cross_term([&](auto& term, std::size_t t) {
            if constexpr (requires { term.for_each_state(cross_name(t), visit); }) { term.for_each_state(cross_name(t), visit); }
        });
    }

    [[nodiscard]] std::vector<TermDescription> describe_terms() const {
        std::vector<TermDescription> descriptions;
        for_each_pass([&](auto const& pass, std::size_t p) {
            pass.for_each_term([&](auto const& term, std::size_t t) { descriptions.push_back(term.describe(term_name(p, t))); });
        });
        for_each_cross_term([&](auto const& term, std::size_t t) { descriptions.push_back(term.describe(cross_name(t))); });
        return descriptions;
    }

    [[nodiscard]] std::vector<ViewDescription> describe_views() const {
        std::vector<ViewDescription> descriptions;
        for_each_pass([&](auto const& pass, std::size_t p) {
            descriptions.push_back(pass.view().describe("passes." + std::to_string(p) + ".view"));
            pass.for_each_term([&]<class Term>(Term const& term, std::size_t t) {
                if constexpr (Term::has_view) { descriptions.push_back(term.view().describe(term_name(p, t) + ".view")); }
            });
        });
        return descriptions;
    }

    [[nodiscard]] std::vector<PassDescription> describe_passes() const {
        std::vector<PassDescription> descriptions;
        for_each_pass([&]<class PassT>(PassT const&, std::size_t) {
            std::string projection;
            if constexpr (requires { PassT::BottleneckType::projection; }) { projection = std::string(PassT::BottleneckType::projection); }
            descriptions.push_back({.bottleneck = detail::name_of<typename PassT::BottleneckType>(),
                                    .projection = projection,
                                    .encoder = std::is_same_v<typename PassT::Tower, MomentumEncoder> ? "momentum"
                                               : std::is_same_v<typename PassT::Tower, SecondEncoder> ? "second"
                                                                                                      : "tied"});
        });
        return descriptions;
    }

    /// The pairs of each trailing term: "terms.0" -> anchor row, positive row, ...
    [[nodiscard]] std::vector<std::pair<std::string, std::vector<std::int64_t>>> pairs(HostBatch const& batch) const {
        std::vector<PackedView const*> const views = pass_views(batch);
        std::vector<std::pair<std::string, std::vector<std::int64_t>>> result;
        for_each_cross_term([&](auto const& term, std::size_t t) { result.emplace_back(cross_name(t), term.pairs(views)); });
        return result;
    }

    /// The composition in words, for people.
    [[nodiscard]] std::string composition() const {
        std::string text = detail::name_of<EncoderT>();
        std::vector<ViewDescription> const views = describe_views();
        std::vector<PassDescription> const passes = describe_passes();
        std::size_t view = 0;
        auto words = [&views](std::size_t i) { return views[i].source + ", " + views[i].masker + ", " + views[i].corruptor; };
        for_each_pass([&](auto const& pass, std::size_t p) {
            text += "; " + (passes[p].encoder == "tied" ? std::string() : passes[p].encoder + ' ') + "pass(" + words(view++) + ") -> " + passes[p].bottleneck;
            pass.for_each_term([&]<class Term>(Term const& term, std::size_t) {
                TermDescription const term_words = term.describe("");
                text += " -> " + term_words.kind;
                std::string const decoder = std::string(term_words.decoder_name.empty() ? "" : "shared ") + term_words.decoder;
                if constexpr (Term::has_view) {
                    text += "(" + words(view++) + ", " + decoder + (term_words.query.empty() ? "" : " " + term_words.query) + ")";
                } else if (!decoder.empty()) {
                    text += "(" + decoder + ")";
                }
            });
        });
        for_each_cross_term([&](auto const& term, std::size_t) { text += "; " + term.describe("").kind; });
        return text;
    }

    /// Calls `visit(pass, index)` for each pass in order.
    template <class Visit>
    void for_each_pass(Visit&& visit) {
        apply([&](auto&... pass) { std::size_t index = 0; (visit(pass, index++), ...); }, passes_);
    }
    template <class Visit>
    void for_each_pass(Visit&& visit) const {
        apply([&](auto const&... pass) { std::size_t index = 0; (visit(pass, index++), ...); }, passes_);
    }

    /// Calls `visit(view, part, index)` for each view in order; `part` is the pass or the term that reads it.
    template <class Visit>
    void for_each_view(Visit&& visit) {
        each_view(*this, visit);
    }
    template <class Visit>
    void for_each_view(Visit&& visit) const {
        each_view(*this, visit);
    }

    /// Calls `visit(term, index)` for each trailing term in order.
    template <class Visit>
    void for_each_cross_term(Visit&& visit) {
        apply([&](auto&... term) { [[maybe_unused]] std::size_t index = 0; (visit(term, index++), ...); }, terms_);
    }
    template <class Visit>
    void for_each_cross_term(Visit&& visit) const {
        apply([&](auto const&... term) { [[maybe_unused]] std::size_t index = 0; (visit(term, index++), ...); }, terms_);
    }

private:
    static std::string term_name(std::size_t pass, std::size_t term) {
        return "passes." + std::to_string(pass) + ".terms." + std::to_string(term);
    }
    static std::string cross_name(std::size_t term) { return "terms." + std::to_string(term); }

    template <class Self, class Visit>
    static void each_view(Self& self, Visit& visit) {
        std::size_t v = 0;
        self.for_each_pass([&](auto& pass, std::size_t) {
            visit(pass.view(), pass, v++);
            pass.for_each_term([&]<class Term>(Term& term, std::size_t) {
                if constexpr (Term::has_view) { visit(term.view(), term, v++); }
            });
        });
    }

    [[nodiscard]] std::size_t view_count() const {
        std::size_t count = 0;
        for_each_view([&](auto const&, auto const&, std::size_t) { ++count; });
        return count;
    }

    template <class ViewT>
    static constexpr bool has_network = requires(ViewT const& view, PackedView& packed, HostBatch const& batch) { view.corruptor.replace(packed, batch, std::size_t{}); };
    template <class Term>
    static constexpr bool term_replaces() {
        if constexpr (Term::has_view) {
            return has_network<typename Term::View>;
        } else {
            return false;
        }
    }
    template <class... PassT>
    static constexpr bool any_replaces(std::tuple<PassT...> const*) {
        return (any_view_replaces(static_cast<PassT const*>(nullptr)) || ...);
    }
    template <class Tower, class ViewT, class BottleneckT, class... Term>
    static constexpr bool any_view_replaces(PassOf<Tower, ViewT, BottleneckT, Term...> const*) {
        return has_network<ViewT> || (term_replaces<Term>() || ... || false);
    }
    static constexpr bool replaces_tokens() { return any_replaces(static_cast<Passes const*>(nullptr)); }

    /// The views that the passes read, in order.
    [[nodiscard]] std::vector<PackedView const*> pass_views(HostBatch const& batch) const {
        std::vector<PackedView const*> views;
        for_each_view([&]<class Part_>(auto const&, Part_ const&, std::size_t v) {
            if constexpr (detail::is_pass<Part_>) { views.push_back(&batch.views[v]); }
        });
        return views;
    }

    void count_labels(HostBatch& batch) const {
        std::size_t next = 0;
        for_each_pass([&](auto const& pass, std::size_t) {
            PackedView const& own = batch.views[next++];
            pass.for_each_term([&]<class Term>(Term const& term, std::size_t) {
                PackedView const& view = Term::has_view ? batch.views[next++] : own;
                if constexpr (SummedTerm<Term, EncoderT>) {
                    batch.term_labels.push_back(term.count(view));
                } else {
                    batch.term_labels.push_back(static_cast<std::int64_t>(view.label_count()));
                }
            });
        });
        std::vector<PackedView const*> const views = pass_views(batch);
        for_each_cross_term([&](auto const& term, std::size_t) { batch.term_labels.push_back(term.count(views)); });
    }

    PretrainingLoss run(HostBatch const& batch, ForwardContext& context, std::span<std::int64_t const> step_labels) {
        if (context.training && context.opens_step) { towers_.follow(options_.momentum); }
        at::Device const device = encoder().embeddings.word.device();
        std::vector<detail::TermResult> results;
        std::vector<at::Tensor> sentences;
        std::size_t next_view = 0;
        std::size_t next_term = 0;
        for_each_pass([&]<class PassT>(PassT const& pass, std::size_t) {
            EncoderT const& tower = towers_.template of<typename PassT::Tower>();
            c10::AutoGradMode const gradient(c10::GradMode::is_enabled() && !std::is_same_v<typename PassT::Tower, MomentumEncoder>);
            PackedInput const input = to_tensors(batch.views[next_view++], device);
            Encoded const encoded = tower.encode(input, context, PassT::keeps_layers);
            at::Tensor const sentence = pass.pool(encoded, input, tower);                                            // [B, D]
            PassState<EncoderT> state{.input = input, .encoded = encoded, .sentence = sentence, .encoder = tower, .context = context};
            pass.for_each_term([&]<class Term>(Term const& term, std::size_t) {
                if constexpr (Term::has_view) {
                    PackedInput const view = to_tensors(batch.views[next_view++], device);
                    results.push_back(ask(term, state, view, batch.term_labels[next_term++]));
                } else {
                    results.push_back(ask(term, state, input, batch.term_labels[next_term++]));
                }
            });
            sentences.push_back(sentence);
        });
        if constexpr (cross_count > 0) {
            std::vector<PackedView const*> const views = pass_views(batch);
            CrossState const state{.sentences = sentences, .views = views, .context = context};
            for_each_cross_term([&](auto& term, std::size_t) {
                results.push_back({.summed = term.sum(state), .labels = batch.term_labels[next_term++], .weight = term.weight(context.progress)});
            });
        }
        return detail::reduce_terms(results, options_.reduction, step_labels, encoder());
    }

    template <class Term>
    static detail::TermResult ask(Term const& term, PassState<EncoderT>& pass, PackedInput const& view, std::int64_t count) {
        static_assert(TokenTerm<Term, EncoderT> || SummedTerm<Term, EncoderT>,
                      "Pass: a term needs `rows(pass, view)` (tokens for the shared head) or `sum(pass, view)` and `count(view)`; see pretraining/term.hpp.");
        detail::TermResult result{.weight = term.weight(pass.context.progress)};
        if constexpr (SummedTerm<Term, EncoderT>) {
            result.labels = count;
            result.summed = term.sum(pass, view);
        } else {
            result.tokens = term.rows(pass, view);
            result.labels = result.tokens->labels.size(0);
        }
        return result;
    }

    /// Parameters of all parts; those that several parts share come once for each.
    template <class Visit>
    void for_each_named(Visit&& visit) {
        towers_.for_each_parameter(visit);
        for_each_pass([&](auto& pass, std::size_t p) { pass.for_each_parameter("passes." + std::to_string(p), visit); });
        for_each_cross_term([&](auto& term, std::size_t t) { term.for_each_parameter(cross_name(t), visit); });
    }

    /// Parameters of one name become one tensor.
    void share_parameters() {
        std::map<std::string, at::Tensor> first;
        for_each_named([&](std::string const& name, at::Tensor& value, bool) {
            auto const [place, is_new] = first.emplace(name, value);
            if (is_new) { return; }
            if (place->second.sizes() != value.sizes()) {
                throw InputError(Complaint{.file = {}, .expected = "parts that share " + name + " to be of one shape", .found = "two shapes",
                                           .remedy = "Give all of them the same options."});
            }
            value = place->second;
        });
    }

    detail::Towers<EncoderT, runs<MomentumEncoder>, runs<SecondEncoder>> towers_;
    Options options_;
    Passes passes_;
    CrossTerms terms_;
};

}  // namespace bmae
