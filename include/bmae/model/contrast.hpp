// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// The contrastive term: anchors and positives among a pool of candidates. InfoNCE within the batch is here.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <ATen/core/Tensor.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/full.h>
#include <ATen/ops/zeros.h>

#include <bmae/batch/contrast_pairs.hpp>
#include <bmae/batch/to_tensors.hpp>
#include <bmae/bottlenecks/normalize.hpp>
#include <bmae/losses/info_nce.hpp>
#include <bmae/losses/label_smoothing.hpp>
#include <bmae/losses/retrieval_contrast.hpp>
#include <bmae/losses/row_scores.hpp>
#include <bmae/model/matryoshka.hpp>
#include <bmae/model/term.hpp>
#include <bmae/nn/initialize.hpp>
#include <bmae/nn/projection.hpp>
#include <bmae/values/error.hpp>
#include <bmae/values/parameter_role.hpp>
#include <bmae/values/shape.hpp>

namespace bmae {

/// How two sentence vectors are compared.
enum class Similarity {
    dot,
    cosine,
    euclidean,   ///< -|q - p|, the L2 of DPR (arXiv 2004.04906, section 5.2); vectors keep their length
};

/// Names in command lines and checkpoints.
constexpr std::array<std::string_view, 3> names_of(Similarity) noexcept { return {"dot", "cosine", "euclidean"}; }
[[nodiscard]] constexpr std::string_view to_string(Similarity similarity) noexcept {
    return names_of(similarity)[static_cast<std::size_t>(similarity)];
}

namespace detail {

/// Vectors as `row_score_of` the similarity scores them.                                                  [R, D] -> [R, D] fp32
inline at::Tensor compared(at::Tensor const& rows, Similarity similarity) {
    at::Tensor const single = rows.to(at::kFloat);
    return similarity == Similarity::cosine ? normalize_rows(single) : single;
}

/// What is scored of vectors that are `compared`.
constexpr RowScore row_score_of(Similarity similarity) noexcept {
    return similarity == Similarity::euclidean ? RowScore::distance : RowScore::product;
}

/// The options that contrasts have in common.
template <class Options, class Visit>
void visit_contrast_options(Options& options, Visit& visit) {
    visit.inside("weight", options.weight);
    visit("temperature", options.temperature, "divides the scores");
    if constexpr (requires { options.similarity; }) {
        visit("similarity", options.similarity, "how two vectors are compared: dot, cosine or euclidean");
    }
}

}  // namespace detail

/// A contrastive term: -log softmax over a pool of candidates of each anchor's score with its positive.
///
/// `Comparison` scores anchors and candidates: `VectorComparison` by one vector per text, `MaxSim` by one per token.
/// 1. `Comparison(options, encoder, seed, name)`, `kind`, `one_vector` (per text, its scores are `row_scores`), `BatchOptions`
///    (its options in a `BatchPool`), `has_parameters`, `for_each_parameter(prefix, visit)`, `similarity()`, its name in reports,
///    `row_score()`, what two rows are scored by.
/// 2. `rows(sentences)`: what is compared of all passes, fp32. `scores(rows, anchors, first, views)`: anchors against all texts
///    from row `first` on.                                                                                                [P, C]
///
/// `Pool` says who the candidates are: `BatchPool`, `QueuePool`, `CachePool`; one of vectors that other ranks give would be
/// another.
/// 1. `Pool::Options<Comparison>`, `Pool(options, shape, seed, name)`, `compares_batch`, `keeps_vectors` (for later steps),
///    `needs_momentum` (its positives are those of a momentum encoder), `negatives(examples, candidates)` (texts of pass 0, and of
///    all others), `candidates()` and `form()`, its names in reports.
/// 2. `pairs(views)`, called by the collator; it reads no tensor.
/// 3. `loss(comparison, rows, state)` over `state.pairs`, which are not empty; optional `open(state)`, before it, also of none. Optional
///    `matryoshka()`, beginnings of the vectors that are contrasted, too, and `for_each_pool_parameter(prefix, visit)`.
/// 4. Where it keeps vectors: `after_step()`, `forget_step()`, `for_each_state(prefix, visit)`, as a `CrossTerm`.
///
/// Both are bases: what they declare, the term declares.
template <class Comparison, class Pool>
class ContrastOver : public Comparison, public Pool {
    static_assert(!Pool::keeps_vectors || (Comparison::one_vector && !Comparison::has_parameters),
                  "ContrastOver: a queue or a cache keeps vectors for later steps, one per text and comparable with later ones: "
                  "neither MaxSim nor a projection that is trained fits it. Use BatchPool.");

public:
    using Options = typename Pool::template Options<Comparison>;
    static constexpr std::size_t passes = 2;
    static constexpr bool needs_token_vectors = !Comparison::one_vector;
    static constexpr bool wants_hidden_width = Pool::keeps_vectors || Comparison::has_parameters;

    /// Throws InputError for a temperature that is not above 0, and what the pool refuses.
    template <Encoder E>
    ContrastOver(Options options, E const& encoder, std::uint64_t seed, std::string const& name)
        : Comparison(options, encoder, seed, name),
          Pool(options, encoder.shape(), seed, name),
          weight_(options.weight),
          temperature_(options.temperature) {
        require_temperature(temperature_);
    }

    [[nodiscard]] double weight(double progress) const { return weight_.at(progress); }

    [[nodiscard]] TermSum sum(CrossState const& state) {
        at::Tensor const rows = this->rows(state.sentences);
        if constexpr (requires { this->open(state); }) { this->open(state); }
        if (state.pairs.empty()) { return {.sum = at::zeros({}, rows.options().requires_grad(false))}; }
        ContrastiveLoss loss = this->loss(static_cast<Comparison const&>(*this), rows, state);
        if constexpr (Comparison::one_vector && requires { this->matryoshka(); }) {
            if (!this->matryoshka().empty()) { add_prefixes(rows, state, loss); }
        }
        return {.sum = loss.sum, .correct = loss.correct};
    }

    template <class Visit>
    void for_each_parameter(std::string const& prefix, Visit&& visit) {
        Comparison::for_each_parameter(prefix, visit);
        if constexpr (requires { this->for_each_pool_parameter(prefix, visit); }) {
            this->for_each_pool_parameter(prefix, visit);
        }
    }

    [[nodiscard]] TermDescription describe(std::string name) const {
        return {.name = std::move(name),
                .kind = std::string(Comparison::kind),
                .similarity = std::string(this->similarity()),
                .contrast = std::string(this->form()),
                .candidates = std::string(this->candidates()),
                .temperature = temperature_,
                .weight = weight_.at(0)};
    }

private:
    /// The loss over the whole vectors becomes that over all prefixes; what is correct is said of the whole ones.
    void add_prefixes(at::Tensor const& rows, CrossState const& state, ContrastiveLoss& loss) {
        auto const& comparison = static_cast<Comparison const&>(*this);
        auto const widths = this->matryoshka().widths(rows.size(1));
        loss.sum = loss.sum * widths.front().second;
        for (auto const& [width, weight] : std::span(widths).subspan(1)) {
            loss.sum = loss.sum + this->loss(comparison, comparison.prefix(rows, width), state).sum * weight;
        }
    }

    TermWeight weight_;
    double temperature_;
};

/// Options of a `Contrast`.
struct ContrastOptions {
    TermWeight weight = 1;                     ///< in the total
    double temperature = 1;                    ///< divides the scores; SimCSE .05, coCondenser 1
    Similarity similarity = Similarity::dot;   ///< SimCSE: cosine; coCondenser: dot; DPR compares dot and euclidean
    CandidateScope candidates = CandidateScope::other_passes;
    double hard_negative_weight = 0;   ///< added to the score of a row's own negative (pass 2); SimCSE: 0
    ContrastForm form = {};
    RetrievalContrast contrast =
        RetrievalContrast::info_nce;    ///< the others: with candidates of other passes; anchors are the queries
    bool mask_false_negatives = true;   ///< another query's text that is relevant to this one too is not a negative
    /// Candidates that score too near to the positive, or above it, are no negatives, either.
    MarginMask margin_mask = MarginMask::none;
    /// Of that mask, in the unit of similarities; below 0 only candidates above the positive (-.1: Qwen3 Embedding, arXiv 2506.05176).
    double mask_margin = 0;
    double margin = 1;   ///< of `pairwise_margin`
    /// Share of the run over which 1 / temperature rises from 1 to its value (SimLM's code on NQ); 0: none.
    double temperature_warmup = 0;
    /// log(1 / temperature) is a parameter, which starts at that of `temperature` (Radford et al.: CLIP, arXiv 2103.00020).
    bool learn_temperature = false;
    Matryoshka matryoshka = {};   ///< beginnings of the vectors that are contrasted, too

    template <class Visit>
    void for_each_option(Visit&& visit) {
        detail::visit_contrast_options(*this, visit);
        visit("candidates", candidates, "what an anchor is compared with");
        visit("hard_negative_weight", hard_negative_weight, "added to the score of a row's own negative");
        visit("label_smoothing", form.label_smoothing, "share of the target spread over the candidates");
        visit("positive_in_denominator", form.positive_in_denominator, "0: equation 8 of SentMAE as printed");
        visit("contrast", contrast, "plain InfoNCE, both directions, SimLM's four blocks, or a margin between pairs");
        visit("mask_false_negatives", mask_false_negatives, "a text known to be relevant to a query is never its negative");
        visit("margin_mask", margin_mask, "whose scores tell candidates too near to the positive, which are no negatives");
        visit("mask_margin", mask_margin, "margin of that mask; below 0 only candidates above the positive");
        visit("margin", margin, "margin of pairwise_margin");
        visit("temperature_warmup", temperature_warmup, "share of the run over which 1 / temperature rises from 1");
        visit("learn_temperature", learn_temperature, "the temperature is a parameter, which starts at its value");
        visit.inside("matryoshka", matryoshka);
    }
};

/// Dot products, cosines or distances of one vector per text; `Projection` stands between the vectors and the loss.
template <class Projection = NoProjection>
class VectorComparison {
public:
    using BatchOptions = ContrastOptions;
    static constexpr std::string_view kind = "contrast";
    static constexpr bool one_vector = true;
    static constexpr bool has_parameters = !std::is_same_v<Projection, NoProjection>;

    template <class Options, Encoder E>
    VectorComparison(Options const& options, E const& encoder, std::uint64_t seed, std::string const& name)
        : similarity_(options.similarity), projection_(encoder.shape()) {
        initialize(projection_, name, seed, Initialization::bert, encoder.shape().initial_deviation);
    }

    [[nodiscard]] std::string_view similarity() const { return to_string(similarity_); }
    [[nodiscard]] RowScore row_score() const noexcept { return detail::row_score_of(similarity_); }

    /// \param sentences  [passes] of [B, D]
    [[nodiscard]] at::Tensor rows(std::span<at::Tensor const> sentences) const {   // [R, D]
        return detail::compared(projection_(at::cat(sentences)), similarity_);
    }

    /// The first `width` numbers of rows that are compared, as they are compared alone.                   [R, D] -> [R, width]
    [[nodiscard]] at::Tensor prefix(at::Tensor const& rows, std::int64_t width) const {
        return detail::compared(rows.narrow(1, 0, width), similarity_);
    }

    [[nodiscard]] at::Tensor scores(at::Tensor const& rows, std::vector<std::int64_t> const& anchors, std::int64_t first,
                                    std::span<PackedView const* const>) const {
        at::Tensor const asking = rows.index_select(0, detail::int64_tensor(anchors, rows.device()));
        return row_scores(asking, rows.narrow(0, first, rows.size(0) - first), row_score());
    }

    template <class Visit>
    void for_each_parameter(std::string const& prefix, Visit&& visit) {
        projection_.for_each_parameter(prefix, visit);
    }

private:
    Similarity similarity_;
    Projection projection_;
};

/// The texts of the batch: of all passes but the first, of all, or of the anchor's own group. Absent texts are neither anchors nor
/// candidates.
class BatchPool {
public:
    template <class Comparison>
    using Options = typename Comparison::BatchOptions;
    static constexpr bool compares_batch = true;
    static constexpr bool keeps_vectors = false;
    static constexpr bool needs_momentum = false;

    /// Throws InputError for a label smoothing outside [0, 1), options that a contrast does not have, and a margin or warm-up out of range.
    BatchPool(ContrastOptions options, Shape const&, std::uint64_t, std::string const&) : options_(std::move(options)) {
        require_smoothing(options_.form.label_smoothing);
        require_margins();
        if (options_.learn_temperature) {
            require_temperature(options_.temperature);
            log_scale_ = at::full({1}, -std::log(options_.temperature), at::kFloat);
        }
        if (is_matrix()) { return; }
        bool const by_score = options_.margin_mask != MarginMask::none && !is_by_teacher(options_.margin_mask);
        if (options_.candidates != CandidateScope::other_passes || options_.hard_negative_weight != 0 || by_score) {
            throw InputError(Diagnostic{
                .file = {},
                .expected = "candidates of other passes, no hard_negative_weight and no margin_mask by score with the contrast " +
                            std::string(to_string(options_.contrast)),
                .found = std::string(to_string(options_.candidates)) + ", " + std::to_string(options_.hard_negative_weight) +
                         " and " + std::string(to_string(options_.margin_mask)),
                .hint = "all_rows runs in both directions already; use info_nce."});
        }
    }

    [[nodiscard]] std::string_view candidates() const { return to_string(options_.candidates); }
    [[nodiscard]] std::string_view form() const {
        return options_.contrast == RetrievalContrast::info_nce ? "" : to_string(options_.contrast);
    }
    [[nodiscard]] std::size_t negatives(std::size_t examples, std::size_t candidates) const {
        if (candidates == 0) { return 0; }
        if (options_.candidates == CandidateScope::all_rows) { return examples + candidates - 2; }
        if (options_.candidates == CandidateScope::own_group) { return candidates / std::max<std::size_t>(1, examples) - 1; }
        return candidates - 1 + (options_.contrast == RetrievalContrast::four_block ? 3 * (examples - 1) : 0);
    }
    [[nodiscard]] Matryoshka const& matryoshka() const noexcept { return options_.matryoshka; }
    /// The option that reads a teacher's scores of the texts, in one word; empty: none does.
    [[nodiscard]] std::string_view teacher_reader() const noexcept {
        return is_by_teacher(options_.margin_mask) ? "margin_mask" : std::string_view();
    }

    [[nodiscard]] PairList pairs(std::span<PackedView const* const> views) const {
        return batch_pairs(views, {.candidates = options_.candidates,
                                   .mask_false_negatives = options_.mask_false_negatives,
                                   .own_negatives = options_.hard_negative_weight != 0,
                                   .mask = options_.margin_mask,
                                   .margin = options_.mask_margin});
    }

    template <class Comparison>
    [[nodiscard]] ContrastiveLoss loss(Comparison const& comparison, at::Tensor const& given, CrossState const& state) const {
        std::int64_t texts = 0;
        for (PackedView const* const view : state.views) { texts += static_cast<std::int64_t>(view->texts()); }
        bool const all = options_.candidates == CandidateScope::all_rows;
        std::int64_t const first = all ? 0 : static_cast<std::int64_t>(state.views[0]->texts());
        std::vector<std::int64_t> const anchors = state.pairs.side(0);
        std::vector<std::int64_t> const targets = state.pairs.side(1, first);
        std::vector<std::int64_t> const excluded = state.pairs.excluded_cells(first, texts - first);
        double const temperature = temperature_at(state.context.progress);
        // A product grows with both vectors, each of which takes the root of a learned factor; a distance grows as they do.
        double const share = comparison.row_score() == RowScore::distance ? 1 : 2;
        at::Tensor const rows = log_scale_.defined() ? given * (log_scale_.to(at::kFloat) / share).exp() : given;
        if constexpr (Comparison::one_vector) {
            if (!is_matrix()) {
                return retrieval_contrast(options_.contrast, rows.index_select(0, detail::int64_tensor(anchors, rows.device())),
                                          rows.narrow(0, first, texts - first), targets, excluded, temperature, options_.form,
                                          comparison.row_score());
            }
        }
        at::Tensor scores = comparison.scores(rows, anchors, first, state.views).div(temperature);   // [P, C]
        scores = add_to_cells(scores, PairList::cells(state.pairs.own_negatives, first),
                              static_cast<float>(options_.hard_negative_weight));
        scores = add_to_cells(scores, excluded, -std::numeric_limits<float>::infinity());
        scores = without_near(scores, targets, temperature);
        if (options_.contrast == RetrievalContrast::pairwise_margin) { return pairwise_margin(scores, targets, options_.margin); }
        return softmax_contrast(scores, targets, options_.form);
    }

    template <class Visit>
    void for_each_pool_parameter(std::string const& prefix, Visit&& visit) {
        if (log_scale_.defined()) { visit(prefix + ".log_scale", log_scale_, ParameterRole::norm_scale); }
    }

private:
    /// One matrix of scores decides; the other contrasts have several blocks.
    [[nodiscard]] bool is_matrix() const {
        return options_.contrast == RetrievalContrast::info_nce || options_.contrast == RetrievalContrast::pairwise_margin;
    }

    /// What divides the scores: 1 where it is learned, since the vectors then hold the factor. In the warm-up as SimLM's code: the factor
    /// 1 / temperature grows linearly from 1, which it never is below.
    [[nodiscard]] double temperature_at(double progress) const {
        if (log_scale_.defined()) { return 1; }
        if (options_.temperature_warmup == 0 || progress >= options_.temperature_warmup) { return options_.temperature; }
        return 1 / std::max(1., progress / options_.temperature_warmup / options_.temperature);
    }

    /// The margin is one of similarities: without temperature, in the unit in which vectors are compared.
    [[nodiscard]] at::Tensor without_near(at::Tensor const& scores, std::vector<std::int64_t> const& targets,
                                          double temperature) const {
        if (options_.margin_mask == MarginMask::none || is_by_teacher(options_.margin_mask)) { return scores; }
        bool const relative = is_relative(options_.margin_mask);
        double const learned =
            log_scale_.defined() && !relative ? std::exp(log_scale_.detach().to(at::kFloat).item<double>()) : 1;
        double const margin = relative ? options_.mask_margin : options_.mask_margin / temperature * learned;
        return without_near_candidates(scores, targets, margin, relative);
    }

    void require_margins() const {
        auto const demand = [](bool good, char const* expected, double found) {
            if (!good) { throw InputError(Diagnostic{.file = {}, .expected = expected, .found = std::to_string(found)}); }
        };
        demand(std::isfinite(options_.mask_margin), "a finite mask_margin", options_.mask_margin);
        demand(options_.margin > 0 && std::isfinite(options_.margin), "a finite margin above 0", options_.margin);
        demand(options_.temperature_warmup >= 0 && options_.temperature_warmup <= 1, "a temperature_warmup from 0 to 1",
               options_.temperature_warmup);
        if (options_.mask_margin != 0 && options_.margin_mask == MarginMask::none) {
            throw InputError(
                Diagnostic{.file = {},
                           .expected = "a margin_mask with a mask_margin: score, score_relative, teacher, teacher_relative",
                           .found = "none"});
        }
        if (options_.learn_temperature && options_.temperature_warmup != 0) {
            throw InputError(
                Diagnostic{.file = {}, .expected = "a temperature that is learned or one that is warmed up", .found = "both"});
        }
        if (options_.temperature_warmup != 0 && options_.temperature >= 1) {
            throw InputError(Diagnostic{.file = {},
                                        .expected = "a temperature below 1 with temperature_warmup, which begins at 1",
                                        .found = std::to_string(options_.temperature)});
        }
    }

    ContrastOptions options_;
    at::Tensor log_scale_ = {};   ///< [1] log(1 / temperature); undefined: fixed
};

/// InfoNCE over the sentence vectors of the passes: row b of pass 0 and row b of pass 1 are a pair, a third pass brings hard
/// negatives (SimCSE, arXiv 2104.08821, equations 1 and 5; coCondenser, arXiv 2108.05540, equation 7; SentMAE, equation 8).
template <class Projection>
class ContrastOf : public ContrastOver<VectorComparison<Projection>, BatchPool> {
public:
    using Base = ContrastOver<VectorComparison<Projection>, BatchPool>;
    using Base::Base;
};

/// On the sentence vectors themselves.
using Contrast = ContrastOf<NoProjection>;
/// On tanh(W h + b), which only the loss reads: SimCSE's head.
using ProjectedContrast = ContrastOf<TanhProjection>;

}  // namespace bmae
