// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// The grammar: an encoder, its passes and their terms make one model.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include <ATen/core/Tensor.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/full.h>
#include <ATen/ops/zeros.h>

#include <bmae/batch/packed_batch.hpp>
#include <bmae/batch/to_tensors.hpp>
#include <bmae/nn/linear_cross_entropy.hpp>
#include <bmae/pretraining/pass.hpp>
#include <bmae/pretraining/term.hpp>
#include <bmae/values/error.hpp>

namespace bmae {

/// How the losses of single tokens become one number.
enum class Reduction {
    mean_per_term,   ///< each term is the mean over its labels, times its weight (all released code)
    pooled_tokens,   ///< one mean over the labels of all terms (MASTER, equation 8, read literally)
};

/// The flat struct of a paper's own number names, for a preset; specialised beside the preset.
template <class Model>
struct PresetNumbers {
    /// Stands where a composition has no preset.
    struct type {};
    static typename Model::Options options(type) { return {}; }
};

/// One summand measured on one batch: see `Pretraining::forward`.
struct TermLoss {
    at::Tensor loss = {};       ///< [] fp32 mean over the labels of the batch, detached
    at::Tensor correct = {};    ///< [] fp32 labels predicted right
    std::int64_t labels = 0;
    double weight = 1;
};

/// What one forward run gives.
struct PretrainingLoss {
    at::Tensor total = {};                ///< [] differentiable
    std::vector<TermLoss> terms = {};     ///< in the order of the composition
};

/// A bottlenecked masked auto-encoder.
///
///     Pretraining<Encoder, Pass<View, Bottleneck, Term...>...>
///
/// Views are numbered in the order of the composition, a pass's own view before those of its terms; draws are keyed by that
/// number. Parameter names follow roles: `encoder.layer.0...`, `cls.predictions...`, `passes.0.terms.1.decoder...`.
template <Encoder EncoderT, class... PassT>
class Pretraining {
public:
    /// Numbers of the model, in the shape of the composition.
    struct Options {
        std::tuple<typename PassT::Options...> passes = {};
        Reduction reduction = Reduction::mean_per_term;
    };
    using EncoderType = EncoderT;
    static constexpr std::size_t pass_count = sizeof...(PassT);
    static constexpr std::size_t term_count = (PassT::term_count + ...);

    Pretraining(EncoderT encoder, Options options, std::uint64_t seed)
        : encoder_(std::move(encoder)), reduction_(options.reduction), passes_(build(options, encoder_, seed, std::index_sequence_for<PassT...>{})) {}

    explicit Pretraining(typename EncoderT::Options config, Options options = {}, std::uint64_t seed = 0)
        : Pretraining(EncoderT(std::move(config), seed), std::move(options), seed) {}

    /// With the number names of the paper, where the composition is a preset: `RetroMae model(config, {.encoder_mask = .15})`.
    Pretraining(typename EncoderT::Options config, typename PresetNumbers<Pretraining>::type numbers, std::uint64_t seed = 0)
        : Pretraining(std::move(config), PresetNumbers<Pretraining>::options(numbers), seed) {}

    [[nodiscard]] EncoderT& encoder() noexcept { return encoder_; }
    [[nodiscard]] EncoderT const& encoder() const noexcept { return encoder_; }

    /// Masks and packs examples; free of LibTorch and safe to call from several threads.
    [[nodiscard]] HostBatch collate(std::span<Example const> examples, TokenTraits const& traits, ViewSettings const& settings,
                                    DrawKey key) const {
        HostBatch batch;
        batch.epoch = key.epoch;
        batch.views.resize(view_count());
        for (Example const& example : examples) {
            batch.examples.push_back(example.id);
            std::size_t view = 0;
            for_each_pass([&](auto const& pass, std::size_t) {
                auto draw = [&] { return Draw({.seed = key.seed, .epoch = key.epoch, .example = example.id, .slot = view}); };
                MaskedText const encoder_text = pass.assemble(example, traits, settings, draw());
                batch.views[view++].append(encoder_text);
                pass.for_each_term([&]<class Term>(Term const& term, std::size_t) {
                    if constexpr (Term::has_view) {
                        MaskedText const text = term.assemble(example, traits, settings, draw(), encoder_text);
                        batch.views[view++].append(text);
                    }
                });
            });
        }
        std::size_t view = 0;
        for_each_pass([&](auto const& pass, std::size_t) {
            auto const own = static_cast<std::int64_t>(batch.views[view++].label_count());
            pass.for_each_term([&]<class Term>(Term const&, std::size_t) {
                batch.term_labels.push_back(Term::has_view ? static_cast<std::int64_t>(batch.views[view++].label_count()) : own);
            });
        });
        return batch;
    }

    /// One forward run over a batch.
    /// \param step_labels  [terms] labels of each term in the whole optimizer step, the divisor of its mean; with one batch per step
    ///                     `batch.term_labels`
    [[nodiscard]] PretrainingLoss forward(HostBatch const& batch, ForwardContext& context, std::span<std::int64_t const> step_labels) const {
        at::Device const device = encoder_.embeddings.word.device();
        std::vector<TokenRows> rows;
        std::vector<double> weights;
        std::size_t next_view = 0;
        for_each_pass([&](auto const& pass, std::size_t) {
            PackedInput const input = to_tensors(batch.views[next_view++], device);
            Encoded const encoded = encoder_.encode(input, context, pass.keeps_layers());
            at::Tensor const sentence = pass.bottleneck().pool(encoded, input);                        // [B, D]
            PassState<EncoderT> state{.input = input, .encoded = encoded, .sentence = sentence, .encoder = encoder_, .context = context};
            pass.for_each_term([&]<class Term>(Term const& term, std::size_t) {
                if constexpr (Term::has_view) {
                    PackedInput const view = to_tensors(batch.views[next_view++], device);
                    rows.push_back(term.rows(state, view));
                } else {
                    rows.push_back(term.rows(state, input));
                }
                weights.push_back(term.weight());
            });
        });
        return reduce(rows, weights, step_labels);
    }

    /// Calls `visit(name, tensor, decay)` for every parameter once; tied tensors stand under the embedding's name.
    template <class Visit>
    void for_each_parameter(Visit&& visit) {
        encoder_.for_each_parameter("", visit);
        for_each_pass([&](auto& pass, std::size_t p) {
            pass.for_each_term([&](auto& term, std::size_t t) { term.for_each_parameter(term_name(p, t), visit); });
        });
    }

    [[nodiscard]] std::vector<TermDescription> describe_terms() const {
        std::vector<TermDescription> terms;
        for_each_pass([&](auto const& pass, std::size_t p) {
            pass.for_each_term([&](auto const& term, std::size_t t) { terms.push_back(term.describe(term_name(p, t))); });
        });
        return terms;
    }

    /// One entry per view, in the order of `HostBatch::views`.
    [[nodiscard]] std::vector<ViewDescription> describe_views() const {
        std::vector<ViewDescription> views;
        for_each_pass([&](auto const& pass, std::size_t p) {
            views.push_back(pass.describe_view("passes." + std::to_string(p) + ".view"));
            pass.for_each_term([&]<class Term>(Term const& term, std::size_t t) {
                if constexpr (Term::has_view) { views.push_back(term.describe_view(term_name(p, t) + ".view")); }
            });
        });
        return views;
    }

    /// The composition in words, for reports and for refusing a checkpoint of another one.
    [[nodiscard]] std::string composition() const {
        std::string text = detail::name_of<EncoderT>();
        std::vector<ViewDescription> const views = describe_views();
        std::size_t view = 0;
        auto words = [&views](std::size_t i) { return views[i].source + ", " + views[i].masker + ", " + views[i].corruptor; };
        for_each_pass([&](auto const& pass, std::size_t) {
            text += "; pass(" + words(view++) + ") -> " + detail::name_of<std::remove_cvref_t<decltype(pass.bottleneck())>>();
            pass.for_each_term([&]<class Term>(Term const& term, std::size_t) {
                TermDescription const term_words = term.describe("");
                text += " -> " + term_words.kind;
                if constexpr (Term::has_view) {
                    text += "(" + words(view++) + ", " + term_words.decoder + (term_words.query.empty() ? "" : " " + term_words.query) + ")";
                }
            });
        });
        return text;
    }

    [[nodiscard]] Reduction reduction() const noexcept { return reduction_; }

    /// Calls `visit(pass, index)` for each pass in order.
    template <class Visit>
    void for_each_pass(Visit&& visit) {
        apply([&](auto&... pass) { std::size_t index = 0; (visit(pass, index++), ...); }, passes_);
    }
    template <class Visit>
    void for_each_pass(Visit&& visit) const {
        apply([&](auto const&... pass) { std::size_t index = 0; (visit(pass, index++), ...); }, passes_);
    }

private:
    template <std::size_t... I>
    static std::tuple<PassT...> build(Options const& options, EncoderT const& encoder, std::uint64_t seed, std::index_sequence<I...>) {
        return {PassT(std::get<I>(options.passes), encoder, seed, "passes." + std::to_string(I))...};
    }

    static std::string term_name(std::size_t pass, std::size_t term) {
        return "passes." + std::to_string(pass) + ".terms." + std::to_string(term);
    }

    [[nodiscard]] std::size_t view_count() const {
        std::size_t count = 0;
        for_each_pass([&](auto const& pass, std::size_t) {
            ++count;
            pass.for_each_term([&]<class Term>(Term const&, std::size_t) { count += Term::has_view ? 1U : 0U; });
        });
        return count;
    }

    /// All labelled rows of all terms meet the head in one product: the [V, H] gradient is then written once per step.
    [[nodiscard]] PretrainingLoss reduce(std::vector<TokenRows> const& terms, std::vector<double> const& weights,
                                         std::span<std::int64_t const> step_labels) const {
        if (step_labels.size() != terms.size()) {
            throw Error("step_labels: expected one count for each of " + std::to_string(terms.size()) + " terms, got " +
                        std::to_string(step_labels.size()) + '.');
        }
        std::int64_t all_labels = 0;
        for (std::int64_t const count : step_labels) { all_labels += count; }
        std::vector<at::Tensor> rows;
        std::vector<at::Tensor> labels;
        std::vector<at::Tensor> row_weights;
        PretrainingLoss result;
        for (std::size_t t = 0; t < terms.size(); ++t) {
            std::int64_t const divisor = reduction_ == Reduction::pooled_tokens ? all_labels : step_labels[t];
            double const factor = divisor == 0 ? 0.0 : weights[t] / static_cast<double>(divisor);
            rows.push_back(terms[t].rows);
            labels.push_back(terms[t].labels);
            row_weights.push_back(at::full({terms[t].labels.size(0)}, factor, terms[t].rows.options().dtype(at::kFloat)));
            TermLoss term;
            term.labels = terms[t].labels.size(0);
            term.weight = weights[t];
            if (reduction_ == Reduction::pooled_tokens) {
                term.weight = all_labels == 0 ? 0.0 : weights[t] * static_cast<double>(step_labels[t]) / static_cast<double>(all_labels);
            }
            result.terms.push_back(std::move(term));
        }
        RowLosses const losses = linear_cross_entropy(encoder_.head.transform(at::cat(rows)), encoder_.embeddings.word, encoder_.head.bias,
                                                      at::cat(labels), at::cat(row_weights));
        result.total = losses.total;
        std::int64_t begin = 0;
        for (TermLoss& term : result.terms) {
            term.loss = term.labels == 0 ? at::zeros({}, losses.losses.options()) : losses.losses.narrow(0, begin, term.labels).mean();
            term.correct = losses.correct.narrow(0, begin, term.labels).sum();
            begin += term.labels;
        }
        return result;
    }

    EncoderT encoder_;
    Reduction reduction_;
    std::tuple<PassT...> passes_;
};

}  // namespace bmae
