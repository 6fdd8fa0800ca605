// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// The contrastive term: anchors and positives among a pool of candidates. InfoNCE within the batch is here.
#pragma once

#include <algorithm>
#include <array>
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
#include <ATen/ops/mm.h>
#include <ATen/ops/zeros.h>

#include <bmae/batch/contrast_pairs.hpp>
#include <bmae/batch/to_tensors.hpp>
#include <bmae/bottlenecks/normalize.hpp>
#include <bmae/losses/info_nce.hpp>
#include <bmae/losses/label_smoothing.hpp>
#include <bmae/losses/retrieval_contrast.hpp>
#include <bmae/model/term.hpp>
#include <bmae/nn/initialize.hpp>
#include <bmae/nn/projection.hpp>
#include <bmae/values/error.hpp>
#include <bmae/values/shape.hpp>

namespace bmae {

/// How two sentence vectors are compared.
enum class Similarity { dot, cosine };

/// Names in command lines and checkpoints.
constexpr std::array<std::string_view, 2> names_of(Similarity) noexcept { return {"dot", "cosine"}; }
[[nodiscard]] constexpr std::string_view to_string(Similarity similarity) noexcept {
    return names_of(similarity)[static_cast<std::size_t>(similarity)];
}

namespace detail {

/// Vectors as their dot products score them.                                                              [R, D] -> [R, D] fp32
inline at::Tensor compared(at::Tensor const& rows, Similarity similarity) {
    at::Tensor const single = rows.to(at::kFloat);
    return similarity == Similarity::cosine ? normalize_rows(single) : single;
}

/// The options that contrasts have in common.
template <class Options, class Visit>
void visit_contrast_options(Options& options, Visit& visit) {
    visit.inside("weight", options.weight);
    visit("temperature", options.temperature, "divides the scores");
    if constexpr (requires { options.similarity; }) { visit("similarity", options.similarity, "how two vectors are compared"); }
}

}  // namespace detail

/// A contrastive term: -log softmax over a pool of candidates of each anchor's score with its positive.
///
/// `Comparison` scores anchors and candidates: `VectorComparison` by one vector per text, `MaxSim` by one per token.
/// 1. `Comparison(options, encoder, seed, name)`, `kind`, `one_vector` (per text, its scores are dot products), `BatchOptions`
///    (its options in a `BatchPool`), `has_parameters`, `for_each_parameter(prefix, visit)`, `similarity()`, its name in reports.
/// 2. `rows(sentences)`: what is compared of all passes, fp32. `scores(rows, anchors, first, views)`: anchors against all texts
///    from row `first` on.                                                                                                [P, C]
///
/// `Pool` says who the candidates are: `BatchPool`, `QueuePool`, `CachePool`; one of vectors that other ranks give would be
/// another.
/// 1. `Pool::Options<Comparison>`, `Pool(options, shape, seed, name)`, `compares_batch`, `keeps_vectors` (for later steps),
///    `needs_momentum` (its positives are those of a momentum encoder), `negatives(examples, candidates)` (texts of pass 0, and of
///    all others), `candidates()` and `form()`, its names in reports.
/// 2. `pairs(views)`, called by the collator; it reads no tensor.
/// 3. `loss(comparison, rows, state)` over `state.pairs`, which are not empty; optional `open(state)`, before it, also of none.
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
        ContrastiveLoss const loss = this->loss(static_cast<Comparison const&>(*this), rows, state);
        return {.sum = loss.sum, .correct = loss.correct};
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
    TermWeight weight_;
    double temperature_;
};

/// Options of a `Contrast`.
struct ContrastOptions {
    TermWeight weight = 1;                     ///< in the total
    double temperature = 1;                    ///< divides the scores; SimCSE .05, coCondenser 1
    Similarity similarity = Similarity::dot;   ///< SimCSE: cosine; coCondenser: dot
    CandidateScope candidates = CandidateScope::other_passes;
    double hard_negative_weight = 0;   ///< added to the score of a row's own negative (pass 2); SimCSE: 0
    ContrastForm form = {};
    RetrievalContrast contrast =
        RetrievalContrast::info_nce;    ///< the others: with candidates of other passes; anchors are the queries
    bool mask_false_negatives = true;   ///< another query's text that is relevant to this one too is not a negative

    template <class Visit>
    void for_each_option(Visit&& visit) {
        detail::visit_contrast_options(*this, visit);
        visit("candidates", candidates, "what an anchor is compared with");
        visit("hard_negative_weight", hard_negative_weight, "added to the score of a row's own negative");
        visit("label_smoothing", form.label_smoothing, "share of the target spread over the candidates");
        visit("positive_in_denominator", form.positive_in_denominator, "0: equation 8 of SentMAE as printed");
        visit("contrast", contrast, "plain InfoNCE, both directions, or SimLM's four blocks");
        visit("mask_false_negatives", mask_false_negatives, "a text known to be relevant to a query is never its negative");
    }
};

/// Dot products or cosines of one vector per text; `Projection` stands between the vectors and the loss.
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

    /// \param sentences  [passes] of [B, D]
    [[nodiscard]] at::Tensor rows(std::span<at::Tensor const> sentences) const {   // [R, D]
        return detail::compared(projection_(at::cat(sentences)), similarity_);
    }

    [[nodiscard]] at::Tensor scores(at::Tensor const& rows, std::vector<std::int64_t> const& anchors, std::int64_t first,
                                    std::span<PackedView const* const>) const {
        at::Tensor const asking = rows.index_select(0, detail::int64_tensor(anchors, rows.device()));
        return at::mm(asking, rows.narrow(0, first, rows.size(0) - first).t());
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

    /// Throws InputError for a label smoothing outside [0, 1), and options that a contrast other than InfoNCE does not have.
    BatchPool(ContrastOptions options, Shape const&, std::uint64_t, std::string const&) : options_(options) {
        require_smoothing(options_.form.label_smoothing);
        if (!is_plain() && (options_.candidates != CandidateScope::other_passes || options_.hard_negative_weight != 0)) {
            throw InputError(Diagnostic{
                .file = {},
                .expected = "candidates of other passes and no hard_negative_weight with the contrast " +
                            std::string(to_string(options_.contrast)),
                .found = std::string(to_string(options_.candidates)) + " and " + std::to_string(options_.hard_negative_weight),
                .hint = "all_rows runs in both directions already; use info_nce."});
        }
    }

    [[nodiscard]] std::string_view candidates() const { return to_string(options_.candidates); }
    [[nodiscard]] std::string_view form() const { return is_plain() ? "" : to_string(options_.contrast); }
    [[nodiscard]] std::size_t negatives(std::size_t examples, std::size_t candidates) const {
        if (candidates == 0) { return 0; }
        if (options_.candidates == CandidateScope::all_rows) { return examples + candidates - 2; }
        if (options_.candidates == CandidateScope::own_group) { return candidates / std::max<std::size_t>(1, examples) - 1; }
        return candidates - 1 + (options_.contrast == RetrievalContrast::four_block ? 3 * (examples - 1) : 0);
    }

    [[nodiscard]] PairList pairs(std::span<PackedView const* const> views) const {
        return batch_pairs(views, {.candidates = options_.candidates,
                                   .mask_false_negatives = options_.mask_false_negatives,
                                   .own_negatives = options_.hard_negative_weight != 0});
    }

    template <class Comparison>
    [[nodiscard]] ContrastiveLoss loss(Comparison const& comparison, at::Tensor const& rows, CrossState const& state) const {
        std::int64_t texts = 0;
        for (PackedView const* const view : state.views) { texts += static_cast<std::int64_t>(view->texts()); }
        bool const all = options_.candidates == CandidateScope::all_rows;
        std::int64_t const first = all ? 0 : static_cast<std::int64_t>(state.views[0]->texts());
        std::vector<std::int64_t> const anchors = state.pairs.side(0);
        std::vector<std::int64_t> const targets = state.pairs.side(1, first);
        std::vector<std::int64_t> const excluded = state.pairs.excluded_cells(first, texts - first);
        if constexpr (Comparison::one_vector) {
            if (!is_plain()) {
                return retrieval_contrast(options_.contrast, rows.index_select(0, detail::int64_tensor(anchors, rows.device())),
                                          rows.narrow(0, first, texts - first), targets, excluded, options_.temperature,
                                          options_.form);
            }
        }
        at::Tensor scores = comparison.scores(rows, anchors, first, state.views).div(options_.temperature);   // [P, C]
        scores = add_to_cells(scores, PairList::cells(state.pairs.own_negatives, first),
                              static_cast<float>(options_.hard_negative_weight));
        return softmax_contrast(add_to_cells(scores, excluded, -std::numeric_limits<float>::infinity()), targets, options_.form);
    }

private:
    [[nodiscard]] bool is_plain() const { return options_.contrast == RetrievalContrast::info_nce; }

    ContrastOptions options_;
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
