// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// The grammar: an encoder, its passes and their terms make one model.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include <ATen/core/Tensor.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/zeros.h>
#include <c10/core/GradMode.h>

#include <bmae/batch/kept_texts.hpp>
#include <bmae/batch/packed_batch.hpp>
#include <bmae/batch/pair_list.hpp>
#include <bmae/batch/to_tensors.hpp>
#include <bmae/model/composition.hpp>
#include <bmae/model/pass.hpp>
#include <bmae/model/term.hpp>
#include <bmae/model/token_reduction.hpp>

namespace bmae {

class BertEncoder;

/// The flat struct of hyperparameters by a paper's names, for a preset; specialized beside the preset.
template <class Model>
struct PresetHyperparameters {
    /// Placeholder of a composition without a preset.
    struct type {};
    template <class M = Model>
    static typename M::Options options(type) {
        return {};
    }
};

/// A bottlenecked masked auto-encoder.
///
///     Model<Encoder, Pass<View, Bottleneck, Term...>..., Term...>
///
/// A trailing term looks across passes (contrast). Views are numbered in the order of the composition, a pass's own view before
/// those of its terms; draws are keyed by that number. Parameter names follow roles: `encoder.layer.0...`, `cls.predictions...`,
/// `passes.0.terms.1.decoder...`, `terms.0...`. Parts whose parameters have one name share them: `Shared`, `Projected`.
/// All terms of a pass read one sentence vector, but for those that have a bottleneck of their own: `Via`.
template <class EncoderT, class... Part>
class Model : public detail::Composition<EncoderT, Part...> {
    using Base = detail::Composition<EncoderT, Part...>;
    using Base::options_;
    using Base::towers_;
    using typename Base::Passes;

public:
    using Base::cross_count;
    using Base::for_each_cross_term;
    using Base::for_each_pass;
    using Base::for_each_view;
    using Base::pass_count;
    using Base::spans_step;
    using Base::term_count;
    using typename Base::Options;

    /// Throws InputError where the options do not fit the composition or the encoder.
    Model(EncoderT encoder, Options options, std::uint64_t seed) : Base(std::move(encoder), std::move(options), seed) {}

    /// With the hyperparameters of the paper, where the composition is a preset; else with the defaults of its parts.
    explicit Model(typename EncoderT::Options config)
        : Model(std::move(config), PresetHyperparameters<Model>::options(typename PresetHyperparameters<Model>::type{})) {}

    Model(typename EncoderT::Options config, Options options, std::uint64_t seed = 0)
        : Model(EncoderT(std::move(config), seed), std::move(options), seed) {}

    /// With the paper's hyperparameters, where the composition is a preset: `RetroMae model(config, {.encoder_mask = .15})`.
    Model(typename EncoderT::Options config, typename PresetHyperparameters<Model>::type hyperparameters, std::uint64_t seed = 0)
        : Model(std::move(config), PresetHyperparameters<Model>::options(hyperparameters), seed) {}

    /// Masks and packs examples; free of LibTorch and safe to call from several threads.
    /// Throws InputError for a token that `traits` does not have.
    [[nodiscard]] HostBatch collate(std::span<typename Base::ExampleType const> examples, TokenTraits const& traits,
                                    ViewSettings const& settings, DrawKey key) const {
        constexpr std::uint64_t shared_slot = 0x73686172;   // no view has this number
        HostBatch batch;
        batch.epoch = key.epoch;
        batch.seed = key.seed;
        batch.views.resize(view_count());
        for (PackedView& view : batch.views) { view.special = traits.special(); }
        for (auto const& given : examples) {
            auto const& example = detail::at_epoch(given, key);
            batch.examples.push_back(example.id);
            std::size_t view = 0;
            auto draws = [&]() -> ViewDraws {
                return {Draw({.seed = key.seed, .epoch = key.epoch, .example = example.id, .slot = view}),
                        Draw({.seed = key.seed, .epoch = key.epoch, .example = example.id, .slot = shared_slot})};
            };
            for_each_pass([&]<class PassT>(PassT const& pass, std::size_t) {
                MaskedText encoder_text;
                if constexpr (detail::gives_groups<typename PassT::View>) {
                    batch.views[view].append_group(pass.assemble(example, traits, settings, draws()),
                                                   detail::relevant_texts(example));
                    ++view;
                } else {
                    encoder_text = std::move(pass.assemble(example, traits, settings, draws()).front().text);
                    batch.views[view++].append(encoder_text);
                }
                pass.for_each_term([&]<class Term>(Term const& term, std::size_t) {
                    if constexpr (Term::has_view) {
                        MaskedText const text = term.assemble(example, traits, settings, draws(), encoder_text);
                        batch.views[view++].append(text);
                    }
                });
            });
        }
        for (PackedView const& view : batch.views) { view.require_known_ids(traits.size()); }
        for_each_view([&](auto const&, auto const& part, std::size_t v) {
            if constexpr (detail::is_pass<std::remove_cvref_t<decltype(part)>>) {
                bool const counts = v == 0 || texts_kept() == 0;   // else the first pass alone scores: each candidate counts once
                batch.encoder_tokens += counts ? batch.views[v].tokens() : 0;
            }
        });
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
    /// It updates neither a momentum encoder nor a queue: `after_step` does. Where towers alternate, the frozen one is run
    /// without a gradient and without dropout.
    ///
    /// Where a source reads more texts of a group than are trained on (`QueryWithCandidate::forward`), the first pass scores all of them without
    /// a gradient and without dropout, in training and in evaluation. All passes then read the positive and the highest-scored negatives
    /// (`highest_texts`), packed anew: dropout is keyed by the rows of this smaller batch, so that a group of which all are kept
    /// has the dropout of one that was not chosen from.
    [[nodiscard]] ModelLoss forward(HostBatch const& batch, ForwardContext& context, std::span<std::int64_t const> step_labels) {
        if constexpr (replaces_tokens()) {
            return choose_and_run(replaced(batch), context, step_labels);
        } else {
            return choose_and_run(batch, context, step_labels);
        }
    }

    /// What training changes without a gradient: the momentum encoder is updated by the current parameters, queues and
    /// caches receive the vectors of the step. To be called once after each update, and not after a skipped step.
    /// \param master  gives the fp32 master of a parameter by its name, where the network reads rounded ones
    void after_step(std::function<at::Tensor(std::string const&)> const& master = {}) {
        towers_.update_averages(options_.momentum, master);
        for_each_cross_term([](auto& term, std::size_t) {
            if constexpr (requires { term.after_step(); }) { term.after_step(); }
        });
    }

    /// The sentence vectors of all passes, concatenated, without the work of their terms.                         [passes B, D]
    [[nodiscard]] at::Tensor represent(HostBatch const& batch, ForwardContext& context)
        requires spans_step
    {
        std::optional<HostBatch> filled;
        if constexpr (passes_replace(static_cast<Passes const*>(nullptr))) { filled = replaced(batch); }
        return at::cat(run_passes(filled ? *filled : batch, context, nullptr));
    }

    /// `forward` without the trailing terms, and what `represent` gives: bit for bit equal in an equal context.
    [[nodiscard]] ModelPart forward_part(HostBatch const& given, ForwardContext& context,
                                         std::span<std::int64_t const> step_labels)
        requires spans_step
    {
        std::optional<HostBatch> filled;
        if constexpr (replaces_tokens()) { filled = replaced(given); }
        std::vector<detail::TermResult> results;
        at::Tensor const vectors = at::cat(run_passes(filled ? *filled : given, context, &results));
        for_each_cross_term([&](auto const& term, std::size_t) {
            results.push_back({.summed = {.sum = no_loss()}, .weight = term.weight(context.progress)});
        });
        return {.loss = detail::reduce_terms(results, options_.reduction, step_labels, this->encoder()), .vectors = vectors};
    }

    /// What the passes read in several batches, as one batch: its pairs are those of all texts of all of them. Terms of passes have
    /// the labels of all batches together.
    [[nodiscard]] HostBatch join(std::span<HostBatch const> batches) const
        requires spans_step
    {
        HostBatch whole;
        whole.views.resize(pass_count);
        whole.term_labels.resize(term_count - cross_count);
        whole.term_absent.resize(term_count - cross_count);
        for (HostBatch const& batch : batches) {
            std::vector<PackedView const*> const views = pass_views(batch);
            for (std::size_t p = 0; p < pass_count; ++p) { whole.views[p].append_all(*views[p]); }
            for (std::size_t t = 0; t < term_count - cross_count; ++t) {
                whole.term_labels[t] += batch.term_labels[t];
                whole.term_absent[t] += batch.term_absent[t];
            }
        }
        std::vector<PackedView const*> views;
        for (PackedView const& view : whole.views) { views.push_back(&view); }
        make_pairs(views, whole);
        return whole;
    }

    /// The trailing terms over all texts of several batches; the terms of passes have no labels here.
    /// \param whole    the batches as `join` gives them
    /// \param vectors  [batches] of [passes B, D], as `represent` gives them
    [[nodiscard]] ModelLoss contrast(HostBatch const& whole, std::span<HostBatch const> batches,
                                     std::span<at::Tensor const> vectors, ForwardContext& context)
        requires spans_step
    {
        std::vector<PackedView const*> views;
        std::vector<at::Tensor> sentences;
        for (std::size_t p = 0; p < pass_count; ++p) {
            std::vector<at::Tensor> parts;
            for (std::size_t b = 0; b < batches.size(); ++b) {
                std::vector<std::int64_t> const rows = rows_of_passes(pass_views(batches[b]));
                parts.push_back(vectors[b].narrow(0, rows[p], rows[p + 1] - rows[p]));
            }
            sentences.push_back(at::cat(parts));
            views.push_back(&whole.views[p]);
        }
        std::vector<detail::TermResult> results(term_count - cross_count, {.summed = {.sum = no_loss()}, .weight = 0});
        compare(views, whole.pairs, sentences, context, results);
        return detail::reduce_terms(results, options_.reduction, whole.term_labels, this->encoder());
    }

    /// Number of negatives of each text in a contrast over so many texts; 0 where there is no contrast.
    [[nodiscard]] std::size_t negatives(std::size_t texts) const {
        std::size_t most = 0;
        std::size_t candidates = 0;   // texts of all passes but the first
        for_each_pass([&](auto const& pass, std::size_t p) {
            std::size_t group = 1;
            if constexpr (requires { pass.view().source.group_size(); }) { group = Base::trained_size(pass.view().source); }
            candidates += p == 0 && Base::pass_count > 1 ? 0 : group * texts;
        });
        for_each_cross_term([&](auto const& term, std::size_t) {
            if constexpr (requires { term.negatives(std::size_t{}, std::size_t{}); }) {
                most = std::max(most, term.negatives(texts, candidates));
            }
        });
        return most;
    }

private:
    [[nodiscard]] std::size_t view_count() const {
        std::size_t count = 0;
        for_each_view([&](auto const&, auto const&, std::size_t) { ++count; });
        return count;
    }

    template <class ViewT>
    static constexpr bool has_network = requires(ViewT const& view, PackedView& packed, HostBatch const& batch) {
        view.corruptor.replace(packed, batch, std::size_t{});
    };
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
    template <class... PassT>
    static constexpr bool passes_replace(std::tuple<PassT...> const*) {
        return (has_network<typename PassT::View> || ...);
    }
    static constexpr bool replaces_tokens() { return any_replaces(static_cast<Passes const*>(nullptr)); }

    /// Where the vectors of each pass begin, passes concatenated: one per text, or one per token.           [passes + 1]
    [[nodiscard]] std::vector<std::int64_t> rows_of_passes(std::vector<PackedView const*> const& views) const {
        std::vector<std::int64_t> first{0};
        for_each_pass([&]<class PassT>(PassT const&, std::size_t p) {
            constexpr bool tokens = detail::pass_keeps_tokens<PassT>;
            first.push_back(first.back() + static_cast<std::int64_t>(tokens ? views[p]->tokens() : views[p]->texts()));
        });
        return first;
    }

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
                constexpr bool labeled = requires { typename Term::Labels; };
                batch.term_absent.push_back(labeled ? view.texts_without_label() : view.empty_texts());
            });
        });
        make_pairs(pass_views(batch), batch);
    }

    /// The pairs of the trailing terms in what the passes read, with their counts.
    void make_pairs(std::vector<PackedView const*> const& views, HostBatch& batch) const {
        for_each_cross_term([&](auto const& term, std::size_t) {
            PairList const& pairs = batch.pairs.emplace_back(term.pairs(views));
            batch.term_labels.push_back(static_cast<std::int64_t>(pairs.size()));
            batch.term_absent.push_back(pairs.unpaired(views.front()->examples()));
        });
    }

    /// Texts of each group that are kept of those that are read; 0: all.
    [[nodiscard]] std::size_t texts_kept() const {
        std::size_t kept = 0;
        if constexpr (Base::chooses_texts) {
            for_each_pass([&](auto const& pass, std::size_t p) {
                auto const& source = pass.view().source;
                if (p == 0 && source.group_size() > source.kept_size()) { kept = source.kept_size(); }
            });
        }
        return kept;
    }

    ModelLoss choose_and_run(HostBatch const& batch, ForwardContext& context, std::span<std::int64_t const> step_labels) {
        if constexpr (Base::chooses_texts) {
            if (std::size_t const keep = texts_kept(); keep != 0) {
                return run(with_highest_texts(batch, keep, context), context, step_labels);
            }
        }
        return run(batch, context, step_labels);
    }

    /// The batch with `keep` texts of each group: see `forward`.
    [[nodiscard]] HostBatch with_highest_texts(HostBatch const& batch, std::size_t keep, ForwardContext const& context) const {
        std::vector<std::int64_t> const kept = highest_texts(batch.views[0], scores_of(batch.views[0], keep, context), keep);
        HostBatch chosen{.examples = batch.examples,
                         .term_labels = batch.term_labels,
                         .term_absent = batch.term_absent,
                         .epoch = batch.epoch,
                         .replaced = batch.replaced,
                         .seed = batch.seed};
        for (PackedView const& view : batch.views) {
            chosen.encoder_tokens += chosen.views.emplace_back(only_texts(view, kept)).tokens();
        }
        for_each_cross_term(   // as many as before: a pair per query
            [&](auto const& term, std::size_t) { chosen.pairs.push_back(term.pairs(pass_views(chosen))); });
        return chosen;
    }

    /// The scores of all texts of the first pass, without a gradient and without dropout, a few groups at a time: never more texts
    /// than `keep` per group of the batch, as in the run that is trained on, but for a group of its own.                  [B]
    [[nodiscard]] std::vector<float> scores_of(PackedView const& view, std::size_t keep, ForwardContext const& context) const {
        c10::AutoGradMode const no_gradient(false);
        ForwardContext without_dropout{.progress = context.progress, .step = context.step};
        std::vector<at::Tensor> scores;
        for_each_pass([&]<class PassT>(PassT const& pass, std::size_t p) {
            if (p != 0) { return; }
            EncoderT const& tower = this->encoder();
            std::size_t const groups = std::max(std::size_t{1}, view.examples() * keep / pass.view().source.group_size());
            for (std::size_t e = 0; e < view.examples(); e += groups) {
                std::size_t const last = std::min(e + groups, view.examples()) - 1;
                std::vector<std::int64_t> texts;
                for (std::int64_t t = view.first_text(e); t < view.first_text(last) + view.texts_of(last); ++t) {
                    texts.push_back(t);
                }
                PackedView const part = only_texts(view, texts);
                PackedInput const input = to_tensors(part, tower.embeddings.word.device());
                Encoded const encoded = tower.encode(input, without_dropout, PassT::keeps_layers);
                scores.push_back(pass.pool(encoded, input, tower).to(at::kFloat));   // [n, 1]
            }
        });
        at::Tensor const all = at::cat(scores).to(at::kCPU).contiguous();
        return {all.template const_data_ptr<float>(), all.template const_data_ptr<float>() + all.numel()};
    }

    ModelLoss run(HostBatch const& batch, ForwardContext& context, std::span<std::int64_t const> step_labels) {
        std::vector<detail::TermResult> results;
        std::vector<at::Tensor> const sentences = run_passes(batch, context, &results);
        compare(pass_views(batch), batch.pairs, sentences, context, results);
        return detail::reduce_terms(results, options_.reduction, step_labels, this->encoder());
    }

    /// The first micro-batch of a step: vectors that a skipped step held for queues are dropped.
    void open_step(bool training) {
        towers_.publish_averages();
        if (!training) { return; }
        for_each_cross_term([](auto& term, std::size_t) {
            if constexpr (requires { term.forget_step(); }) { term.forget_step(); }
        });
    }

    /// Runs the encoders over a batch: a sentence vector of each pass, and, with `results`, the results of its terms.
    /// Dropout sites of a pass are counted from an offset of their own, so that they do not depend on terms before it.
    std::vector<at::Tensor> run_passes(HostBatch const& batch, ForwardContext& context,
                                       std::vector<detail::TermResult>* results) {
        if (context.opens_step) { open_step(context.training); }
        at::Device const device = this->encoder().embeddings.word.device();
        std::optional<std::size_t> const frozen = frozen_pass(context);
        std::uint64_t const first_site = context.next_site;
        std::vector<at::Tensor> sentences;
        std::size_t next_view = 0;
        std::size_t next_term = 0;
        for_each_pass([&]<class PassT>(PassT const& pass, std::size_t p) {
            EncoderT const& tower = towers_.template of<typename PassT::Tower>();
            bool const is_frozen = frozen == p;
            c10::AutoGradMode const gradient(c10::GradMode::is_enabled() && !is_frozen &&
                                             !std::is_same_v<typename PassT::Tower, MomentumEncoder>);
            context.next_site = first_site + (std::uint64_t{p} << 32);
            ForwardContext without_dropout{.progress = context.progress, .step = context.step};
            PackedInput const input = to_tensors(batch.views[next_view++], device);
            Encoded encoded;
            if constexpr (detail::reads_hidden<typename PassT::BottleneckType>) {
                encoded = tower.encode(input, is_frozen ? without_dropout : context, PassT::keeps_layers);
            }
            at::Tensor const sentence = pass.pool(encoded, input, tower);   // [B, D]
            sentences.push_back(sentence);
            PassState<EncoderT> state{
                .input = input, .encoded = encoded, .sentence = sentence, .encoder = tower, .context = context};
            pass.for_each_term([&]<class Term>(Term const& term, std::size_t) {
                if (results == nullptr) {
                    next_view += Term::has_view ? 1 : 0;
                } else if constexpr (Term::has_view) {
                    PackedInput const view = to_tensors(batch.views[next_view++], device);
                    results->push_back(evaluate(term, state, view, batch.term_labels[next_term++]));
                } else {
                    results->push_back(evaluate(term, state, input, batch.term_labels[next_term++]));
                }
            });
        });
        return sentences;
    }

    /// Adds the results of the trailing terms on the sentence vectors of all passes.                        [passes] of [B, D]
    /// \param pairs  [trailing terms]
    void compare(std::vector<PackedView const*> const& views, std::vector<PairList> const& pairs,
                 std::span<at::Tensor const> sentences, ForwardContext& context, std::vector<detail::TermResult>& results) {
        if constexpr (cross_count > 0) {
            std::optional<std::size_t> const frozen = frozen_pass(context);
            for_each_cross_term([&](auto& term, std::size_t t) {
                CrossState const state{
                    .sentences = sentences, .views = views, .pairs = pairs.at(t), .context = context, .frozen = frozen};
                results.push_back({.summed = term.sum(state),
                                   .labels = static_cast<std::int64_t>(state.pairs.size()),
                                   .weight = term.weight(context.progress)});
            });
        }
    }

    /// The pass whose tower is frozen in this step.
    [[nodiscard]] std::optional<std::size_t> frozen_pass(ForwardContext const& context) const {
        std::optional<std::size_t> found;
        std::size_t const alternation = context.training ? this->frozen(context.step) : 0;
        for_each_pass([&]<class PassT>(PassT const&, std::size_t p) {
            if (alternation != 0 && detail::alternation_of<typename PassT::Tower> == alternation) { found = p; }
        });
        return found;
    }

    [[nodiscard]] at::Tensor no_loss() const {
        return at::zeros({}, this->encoder().embeddings.word.options().dtype(at::kFloat).requires_grad(false));
    }

    template <class Term>
    static detail::TermResult evaluate(Term const& term, PassState<EncoderT>& pass, PackedInput const& view, std::int64_t count) {
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
};

/// A preset over another encoder, `WithEncoder<RetroMae, E>`, has the hyperparameters of the paper.
template <class E, class... Part>
    requires(!std::is_same_v<E, BertEncoder>)
struct PresetHyperparameters<Model<E, Part...>> {
    using Named = PresetHyperparameters<Model<BertEncoder, Part...>>;
    using type = typename Named::type;
    template <class M = Model<E, Part...>>
    static typename M::Options options(type const& hyperparameters) {
        return Named::template options<M>(hyperparameters);
    }
};

}  // namespace bmae
