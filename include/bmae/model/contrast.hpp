// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Sentence vectors of one text stand together, those of different texts apart.
#pragma once

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
#include <ATen/ops/zeros.h>

#include <bmae/batch/to_tensors.hpp>
#include <bmae/bottlenecks/pooling.hpp>
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

/// As command lines and checkpoints write it.
constexpr std::array<std::string_view, 2> names_of(Similarity) noexcept { return {"dot", "cosine"}; }
[[nodiscard]] constexpr std::string_view to_string(Similarity similarity) noexcept {
    return names_of(similarity)[static_cast<std::size_t>(similarity)];
}

/// Whom an anchor is compared with.
enum class Candidates {
    other_passes,   ///< anchors are the rows of pass 0, candidates all rows of the other passes: SimCSE, SentMAE, ICT
    all_rows,       ///< every row is an anchor, all 2B - 1 others are its candidates: coCondenser
};

/// As command lines and checkpoints write it.
constexpr std::array<std::string_view, 2> names_of(Candidates) noexcept { return {"other_passes", "all_rows"}; }
[[nodiscard]] constexpr std::string_view to_string(Candidates candidates) noexcept {
    return names_of(candidates)[static_cast<std::size_t>(candidates)];
}

/// Numbers of a `Contrast`.
struct ContrastOptions {
    TermWeight weight = 1;                     ///< in the total
    double temperature = 1;                    ///< divides the scores; SimCSE .05, coCondenser 1
    Similarity similarity = Similarity::dot;   ///< SimCSE: cosine; coCondenser: dot
    Candidates candidates = Candidates::other_passes;
    double hard_negative_weight = 0;   ///< added to the score of a row's own negative (pass 2); SimCSE: 0
    ContrastForm form = {};
    RetrievalContrast contrast =
        RetrievalContrast::info_nce;   ///< the others: with candidates of other passes, the anchors as queries

    template <class Visit>
    void for_each_option(Visit&& visit) {
        visit.inside("weight", weight);
        visit("temperature", temperature, "divides the scores");
        visit("similarity", similarity, "how two vectors are compared");
        visit("candidates", candidates, "whom an anchor is compared with");
        visit("hard_negative_weight", hard_negative_weight, "added to the score of a row's own negative");
        visit("label_smoothing", form.label_smoothing, "share of the target spread over the candidates");
        visit("positive_in_denominator", form.positive_in_denominator, "0: equation 8 of SentMAE as printed");
        visit("contrast", contrast, "plain InfoNCE, both directions, or SimLM's four blocks");
    }
};

namespace detail {

/// A text of which nothing is there but [CLS] and [SEP] takes part in no pair.
inline bool is_absent(PackedView const& view, std::size_t b) { return view.offsets[b + 1] - view.offsets[b] <= 2; }

/// Row b of pass 0, row b of pass 1, ... of all texts that are there on both sides; rows are counted over all passes.
inline std::vector<std::int64_t> present_pairs(std::span<PackedView const* const> views) {
    std::size_t const texts = views[0]->texts();
    std::vector<std::int64_t> list;
    for (std::size_t b = 0; b < texts; ++b) {
        if (!is_absent(*views[0], b) && !is_absent(*views[1], b)) {
            list.insert(list.end(), {static_cast<std::int64_t>(b), static_cast<std::int64_t>(texts + b)});
        }
    }
    return list;
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

    /// Throws InputError for a temperature that is not above 0, a label smoothing outside [0, 1), and numbers that a contrast
    /// other than InfoNCE does not know.
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
        if (!plain && (options_.candidates != Candidates::other_passes || options_.hard_negative_weight != 0)) {
            throw InputError(Diagnostic{
                .file = {},
                .expected = "candidates of other passes and no hard_negative_weight with the contrast " +
                            std::string(to_string(options_.contrast)),
                .found = std::string(to_string(options_.candidates)) + " and " + std::to_string(options_.hard_negative_weight),
                .hint = "all_rows runs in both directions already; use info_nce."});
        }
    }

    [[nodiscard]] double weight(double progress) const { return options_.weight.at(progress); }
    [[nodiscard]] std::size_t negatives(std::size_t texts, std::size_t pass_count) const {
        if (options_.candidates == Candidates::all_rows) { return texts * pass_count - 2; }
        return texts * (pass_count - 1) - 1 + (options_.contrast == RetrievalContrast::four_block ? 3 * (texts - 1) : 0);
    }

    [[nodiscard]] std::vector<std::int64_t> pairs(std::span<PackedView const* const> views) const {
        std::vector<std::int64_t> list = detail::present_pairs(views);
        // A batch of one text, as the last of an epoch may be, has one candidate: it is left out, not learnt from.
        std::size_t const candidates = views[0]->texts() * (views.size() - 1);
        if (options_.candidates == Candidates::other_passes && candidates < 2) { return {}; }
        if (options_.candidates == Candidates::all_rows) {
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
        auto const texts = static_cast<std::int64_t>(state.views[0]->texts());
        std::int64_t const first = options_.candidates == Candidates::all_rows ? 0 : texts;   // candidates start here
        std::vector<std::int64_t> const list = pairs(state.views);
        if (list.empty()) { return {.sum = at::zeros({}, rows.options().requires_grad(false))}; }
        std::vector<std::int64_t> anchors;
        std::vector<std::int64_t> targets;
        std::vector<std::int64_t> excluded;
        std::vector<std::int64_t> own_negatives;
        std::vector<std::int64_t> absent;   // columns
        for (std::size_t p = 0; p < state.views.size(); ++p) {
            for (std::int64_t b = 0; b < texts; ++b) {
                std::int64_t const column = static_cast<std::int64_t>(p) * texts + b - first;
                if (column >= 0 && detail::is_absent(*state.views[p], static_cast<std::size_t>(b))) { absent.push_back(column); }
            }
        }
        for (std::size_t i = 0; i < list.size(); i += 2) {
            auto const a = static_cast<std::int64_t>(i / 2);
            anchors.push_back(list[i]);
            targets.push_back(list[i + 1] - first);
            if (list[i] >= first) { excluded.insert(excluded.end(), {a, list[i] - first}); }   // itself
            for (std::int64_t const column : absent) { excluded.insert(excluded.end(), {a, column}); }
            if (state.views.size() > 2) { own_negatives.insert(own_negatives.end(), {a, 2 * texts + list[i] % texts - first}); }
        }
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
    Options options_;
    Projection projection_;
};

/// On the sentence vectors as they are.
using Contrast = ContrastOf<NoProjection>;
/// On tanh(W h + b), which the loss alone sees: SimCSE's head.
using ProjectedContrast = ContrastOf<TanhProjection>;
}  // namespace bmae
