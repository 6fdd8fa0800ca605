// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// InfoNCE between the sentence vectors of passes: positive pairs against in-batch and hard negatives.
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
#include <unordered_map>
#include <utility>
#include <vector>

#include <ATen/core/Tensor.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/zeros.h>

#include <bmae/batch/to_tensors.hpp>
#include <bmae/bottlenecks/normalize.hpp>
#include <bmae/losses/info_nce.hpp>
#include <bmae/losses/label_smoothing.hpp>
#include <bmae/losses/retrieval_contrast.hpp>
#include <bmae/model/term.hpp>
#include <bmae/nn/initialize.hpp>
#include <bmae/nn/projection.hpp>
#include <bmae/values/error.hpp>

namespace bmae {

/// How two sentence vectors are compared.
enum class Similarity { dot, cosine };

/// Names in command lines and checkpoints.
constexpr std::array<std::string_view, 2> names_of(Similarity) noexcept { return {"dot", "cosine"}; }
[[nodiscard]] constexpr std::string_view to_string(Similarity similarity) noexcept {
    return names_of(similarity)[static_cast<std::size_t>(similarity)];
}

/// What an anchor is compared with.
enum class CandidateScope {
    other_passes,   ///< anchors are the rows of pass 0, candidates all rows of the other passes: SimCSE, SentMAE, ICT
    all_rows,       ///< every row is an anchor, all 2B - 1 others are its candidates: coCondenser
    own_group,      ///< of the other pass, the anchor's own group alone: its positive and its negatives
};

/// Names in command lines and checkpoints.
constexpr std::array<std::string_view, 3> names_of(CandidateScope) noexcept { return {"other_passes", "all_rows", "own_group"}; }
[[nodiscard]] constexpr std::string_view to_string(CandidateScope candidates) noexcept {
    return names_of(candidates)[static_cast<std::size_t>(candidates)];
}

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
        visit.inside("weight", weight);
        visit("temperature", temperature, "divides the scores");
        visit("similarity", similarity, "how two vectors are compared");
        visit("candidates", candidates, "what an anchor is compared with");
        visit("hard_negative_weight", hard_negative_weight, "added to the score of a row's own negative");
        visit("label_smoothing", form.label_smoothing, "share of the target spread over the candidates");
        visit("positive_in_denominator", form.positive_in_denominator, "0: equation 8 of SentMAE as printed");
        visit("contrast", contrast, "plain InfoNCE, both directions, or SimLM's four blocks");
        visit("mask_false_negatives", mask_false_negatives, "a text known to be relevant to a query is never its negative");
    }
};

namespace detail {

/// A text of [CLS] and [SEP] alone takes part in no pair.
inline bool is_absent(PackedView const& view, std::size_t b) { return view.offsets[b + 1] - view.offsets[b] <= 2; }

/// Where the texts of each pass begin when all passes are concatenated.                                   [passes + 1]
inline std::vector<std::int64_t> first_rows(std::span<PackedView const* const> views) {
    std::vector<std::int64_t> first{0};
    for (PackedView const* const view : views) { first.push_back(first.back() + static_cast<std::int64_t>(view->texts())); }
    return first;
}

/// Example b's text in pass 0 and its own text in pass 1, ... of all examples that have both; rows are counted over all passes.
inline std::vector<std::int64_t> present_pairs(std::span<PackedView const* const> views) {
    std::size_t const texts = views[0]->texts();
    std::vector<std::int64_t> list;
    for (std::size_t b = 0; b < texts; ++b) {
        std::int64_t const own = views[1]->first_text(b);
        if (!is_absent(*views[0], b) && !is_absent(*views[1], static_cast<std::size_t>(own))) {
            list.insert(list.end(), {static_cast<std::int64_t>(b), static_cast<std::int64_t>(texts) + own});
        }
    }
    return list;
}

/// (example, text of `view`) of all texts that are known to be relevant to an example and are not its own one, flat.
inline std::vector<std::int64_t> false_negatives(PackedView const& view) {
    std::vector<std::int64_t> cells;
    if (view.relevant.empty()) { return cells; }
    std::unordered_map<std::int64_t, std::vector<std::int64_t>> places;   // of a text in the batch
    for (std::size_t t = 0; t < view.texts(); ++t) { places[view.text_ids[t]].push_back(static_cast<std::int64_t>(t)); }
    for (std::size_t e = 0; e < view.examples(); ++e) {
        for (std::int64_t const id : view.relevant[e]) {
            auto const found = places.find(id);
            if (found == places.end()) { continue; }
            for (std::int64_t const text : found->second) {
                if (text != view.first_text(e)) { cells.insert(cells.end(), {static_cast<std::int64_t>(e), text}); }
            }
        }
    }
    return cells;
}

}  // namespace detail

/// InfoNCE over the sentence vectors of the passes: row b of pass 0 and row b of pass 1 are a pair, a third pass brings hard
/// negatives (SimCSE, arXiv 2104.08821, equations 1 and 5; coCondenser, arXiv 2108.05540, equation 7; SentMAE, equation 8).
///
/// `Projection` stands between the vectors and the loss. Absent texts ([CLS] and [SEP] alone) are neither anchors nor candidates.
/// Rows are counted over all passes: row b of pass p is p B + b.
template <class Projection>
class ContrastOf {
public:
    using Options = ContrastOptions;
    static constexpr std::string_view kind = "contrast";
    static constexpr std::size_t passes = 2;
    static constexpr bool wants_hidden_width = !std::is_same_v<Projection, NoProjection>;   ///< it projects H numbers

    /// Throws InputError for a temperature that is not above 0, a label smoothing outside [0, 1), and options that a contrast
    /// other than InfoNCE does not have.
    template <Encoder E>
    ContrastOf(Options options, E const& encoder, std::uint64_t seed, std::string const& name)
        : options_(options), projection_(encoder.shape()) {
        initialize(projection_, name, seed, Initialization::bert, encoder.shape().initial_deviation);
        if (!(options_.temperature > 0)) {
            throw InputError(Diagnostic{.file = {},
                                        .expected = "a temperature above 0",
                                        .found = std::to_string(options_.temperature),
                                        .hint = "SimCSE uses 0.05 with cosine, coCondenser 1 with dot products."});
        }
        require_smoothing(options_.form.label_smoothing);
        bool const plain = options_.contrast == RetrievalContrast::info_nce;
        if (!plain && (options_.candidates != CandidateScope::other_passes || options_.hard_negative_weight != 0)) {
            throw InputError(Diagnostic{
                .file = {},
                .expected = "candidates of other passes and no hard_negative_weight with the contrast " +
                            std::string(to_string(options_.contrast)),
                .found = std::string(to_string(options_.candidates)) + " and " + std::to_string(options_.hard_negative_weight),
                .hint = "all_rows runs in both directions already; use info_nce."});
        }
    }

    [[nodiscard]] double weight(double progress) const { return options_.weight.at(progress); }
    /// \param candidates  texts of all passes but the first
    [[nodiscard]] std::size_t negatives(std::size_t examples, std::size_t candidates) const {
        if (candidates == 0) { return 0; }
        if (options_.candidates == CandidateScope::all_rows) { return examples + candidates - 2; }
        if (options_.candidates == CandidateScope::own_group) { return candidates / std::max<std::size_t>(1, examples) - 1; }
        return candidates - 1 + (options_.contrast == RetrievalContrast::four_block ? 3 * (examples - 1) : 0);
    }

    [[nodiscard]] std::vector<std::int64_t> pairs(std::span<PackedView const* const> views) const {
        std::vector<std::int64_t> list = detail::present_pairs(views);
        // A batch of one text, as the last of an epoch may be, has one candidate: it is left out.
        std::size_t candidates = 0;
        for (std::size_t p = 1; p < views.size(); ++p) { candidates += views[p]->texts(); }
        if (options_.candidates == CandidateScope::other_passes && candidates < 2) { return {}; }
        if (options_.candidates == CandidateScope::all_rows) {
            std::size_t const forward = list.size();
            for (std::size_t i = 0; i < forward; i += 2) { list.insert(list.end(), {list[i + 1], list[i]}); }
        }
        return list;
    }
    [[nodiscard]] std::int64_t count(std::span<PackedView const* const> views) const {
        return static_cast<std::int64_t>(pairs(views).size() / 2);
    }

    [[nodiscard]] TermSum sum(CrossState const& state) const {
        at::Tensor rows = projection_(at::cat(state.sentences)).to(at::kFloat);   // [passes B, D]
        if (options_.similarity == Similarity::cosine) { rows = normalize_rows(rows); }
        std::vector<std::int64_t> const pass_rows = detail::first_rows(state.views);
        std::int64_t const texts = pass_rows[1];
        std::int64_t const first = options_.candidates == CandidateScope::all_rows ? 0 : texts;   // candidates start here
        std::vector<std::int64_t> const list = pairs(state.views);
        if (list.empty()) { return {.sum = at::zeros({}, rows.options().requires_grad(false))}; }
        std::vector<std::int64_t> anchors;
        std::vector<std::int64_t> targets;
        std::vector<std::int64_t> excluded;
        std::vector<std::int64_t> own_negatives;
        std::vector<std::int64_t> absent;   // columns
        for (std::size_t p = 0; p < state.views.size(); ++p) {
            for (std::int64_t b = 0; b < pass_rows[p + 1] - pass_rows[p]; ++b) {
                std::int64_t const column = pass_rows[p] + b - first;
                if (column >= 0 && detail::is_absent(*state.views[p], static_cast<std::size_t>(b))) { absent.push_back(column); }
            }
        }
        for (std::size_t i = 0; i < list.size(); i += 2) {
            auto const a = static_cast<std::int64_t>(i / 2);
            anchors.push_back(list[i]);
            targets.push_back(list[i + 1] - first);
            if (list[i] >= first) { excluded.insert(excluded.end(), {a, list[i] - first}); }   // itself
            for (std::int64_t const column : absent) { excluded.insert(excluded.end(), {a, column}); }
            if (state.views.size() > 2) {
                own_negatives.insert(own_negatives.end(), {a, pass_rows[2] + list[i] % texts - first});
            }
        }
        add_group_cells(state, list, excluded, own_negatives);
        at::Tensor const asking = rows.index_select(0, detail::int64_tensor(anchors, rows.device()));
        at::Tensor const asked = rows.narrow(0, first, rows.size(0) - first);
        if (options_.contrast != RetrievalContrast::info_nce) {
            ContrastiveLoss const loss =
                retrieval_contrast(options_.contrast, asking, asked, targets, excluded, options_.temperature, options_.form);
            return {.sum = loss.sum, .correct = loss.correct};
        }
        at::Tensor scores = at::mm(asking, asked.t()).div(options_.temperature);
        if (options_.hard_negative_weight != 0) {
            scores = add_to_cells(scores, own_negatives, static_cast<float>(options_.hard_negative_weight));
        }
        scores = add_to_cells(scores, excluded, -std::numeric_limits<float>::infinity());
        ContrastiveLoss const loss = softmax_contrast(scores, targets, options_.form);
        return {.sum = loss.sum, .correct = loss.correct};
    }

    [[nodiscard]] TermDescription describe(std::string name) const {
        bool const plain = options_.contrast == RetrievalContrast::info_nce;
        return {.name = std::move(name),
                .kind = std::string(kind),
                .similarity = std::string(to_string(options_.similarity)),
                .contrast = plain ? "" : std::string(to_string(options_.contrast)),
                .candidates = std::string(to_string(options_.candidates)),
                .temperature = options_.temperature,
                .weight = options_.weight.at(0)};
    }

    template <class Visit>
    void for_each_parameter(std::string const& prefix, Visit&& visit) {
        projection_.for_each_parameter(prefix, visit);
    }

private:
    /// Cells of (anchor, column) set by the groups of the candidates: own hard negatives, texts of other groups, and texts
    /// known to be relevant.
    void add_group_cells(CrossState const& state, std::vector<std::int64_t> const& list, std::vector<std::int64_t>& excluded,
                         std::vector<std::int64_t>& own_negatives) const {
        PackedView const& candidates = *state.views[1];
        if (options_.candidates == CandidateScope::all_rows) { return; }
        std::vector<std::int64_t> anchor_of(candidates.examples(), -1);   // an example without a pair is no anchor
        for (std::size_t i = 0; i < list.size(); i += 2) {
            anchor_of[static_cast<std::size_t>(list[i])] = static_cast<std::int64_t>(i / 2);
        }
        if (options_.mask_false_negatives) {
            std::vector<std::int64_t> const cells = detail::false_negatives(candidates);
            for (std::size_t i = 0; i < cells.size(); i += 2) {
                std::int64_t const anchor = anchor_of[static_cast<std::size_t>(cells[i])];
                if (anchor >= 0) { excluded.insert(excluded.end(), {anchor, cells[i + 1]}); }
            }
        }
        for (std::size_t e = 0; e < candidates.examples(); ++e) {
            if (anchor_of[e] < 0) { continue; }
            std::int64_t const own = candidates.first_text(e);
            std::int64_t const end = own + candidates.texts_of(e);
            for (std::int64_t t = own + 1; t < end; ++t) { own_negatives.insert(own_negatives.end(), {anchor_of[e], t}); }
            if (options_.candidates != CandidateScope::own_group) { continue; }
            for (std::int64_t t = 0; t < static_cast<std::int64_t>(candidates.texts()); ++t) {
                if (t < own || t >= end) { excluded.insert(excluded.end(), {anchor_of[e], t}); }
            }
        }
    }

    Options options_;
    Projection projection_;
};

/// On the sentence vectors themselves.
using Contrast = ContrastOf<NoProjection>;
/// On tanh(W h + b), which only the loss reads: SimCSE's head.
using ProjectedContrast = ContrastOf<TanhProjection>;
}  // namespace bmae
