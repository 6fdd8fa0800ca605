// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Contrast of token vectors: each token of a query is matched with the most similar token of a text.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/full.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/zeros.h>

#include <bmae/losses/info_nce.hpp>
#include <bmae/model/contrast.hpp>
#include <bmae/model/term.hpp>

namespace bmae {

/// Sum over the rows of a query of the highest product with a row of a text, for all queries and texts.
/// \param queries,texts              [Tq, D] and [Td, D]
/// \param query_offsets,text_offsets  [B+1] and [N+1]: rows of each
/// \returns [B, N]; 0 for a text without rows
inline at::Tensor max_sim(at::Tensor const& queries, std::span<std::int64_t const> query_offsets, at::Tensor const& texts,
                          std::span<std::int64_t const> text_offsets) {
    at::Tensor const products = at::mm(queries, texts.t());   // [Tq, Td]
    auto const text_count = static_cast<std::int64_t>(text_offsets.size()) - 1;
    auto const query_count = static_cast<std::int64_t>(query_offsets.size()) - 1;
    std::vector<std::int64_t> text_of_row;
    for (std::int64_t n = 0; n < text_count; ++n) {
        text_of_row.resize(static_cast<std::size_t>(text_offsets[static_cast<std::size_t>(n) + 1]), n);
    }
    std::vector<std::int64_t> query_of_row;
    for (std::int64_t b = 0; b < query_count; ++b) {
        query_of_row.resize(static_cast<std::size_t>(query_offsets[static_cast<std::size_t>(b) + 1]), b);
    }
    at::Tensor const columns = detail::int64_tensor(text_of_row, queries.device()).unsqueeze(0).expand_as(products);
    at::Tensor const best = at::zeros({products.size(0), text_count}, products.options())
                                .scatter_reduce(1, columns, products, "amax", /*include_self=*/false);   // [Tq, N]
    return at::zeros({query_count, text_count}, products.options())
        .index_add(0, detail::int64_tensor(query_of_row, queries.device()), best);
}

/// Options of a `MaxSimContrast`.
struct MaxSimContrastOptions {
    TermWeight weight = 1;              ///< in the total
    double temperature = 1;             ///< divides the scores; ColBERT: 1
    bool mask_false_negatives = true;   ///< another query's text that is relevant to this one too is not a negative

    template <class Visit>
    void for_each_option(Visit&& visit) {
        visit.inside("weight", weight);
        visit("temperature", temperature, "divides the scores");
        visit("mask_false_negatives", mask_false_negatives, "a text known to be relevant to a query is never its negative");
    }
};

/// -log softmax over all texts of the batch of s(q, d) = sum_i max_j q_i d_j, i over the tokens of the query, j over those of the
/// text (Khattab, Zaharia: ColBERT, arXiv 2004.12832, equation 3; in-batch negatives as ColBERTv2, arXiv 2112.01488).
class MaxSimContrast {
public:
    using Options = MaxSimContrastOptions;
    static constexpr std::string_view kind = "max_sim_contrast";
    static constexpr std::size_t passes = 2;
    static constexpr bool needs_token_vectors = true;

    /// Throws InputError for a temperature that is not above 0.
    template <Encoder E>
    MaxSimContrast(Options options, E const&, std::uint64_t, std::string const&) : options_(options) {
        if (!(options_.temperature > 0)) {
            throw InputError(Diagnostic{.file = {},
                                        .expected = "a temperature above 0",
                                        .found = std::to_string(options_.temperature),
                                        .hint = "ColBERT: 1."});
        }
    }

    [[nodiscard]] double weight(double progress) const { return options_.weight.at(progress); }
    [[nodiscard]] std::size_t negatives(std::size_t, std::size_t candidates) const { return candidates < 2 ? 0 : candidates - 1; }

    [[nodiscard]] std::vector<std::int64_t> pairs(std::span<PackedView const* const> views) const {
        return views[1]->texts() < 2 ? std::vector<std::int64_t>() : detail::present_pairs(views);
    }
    [[nodiscard]] std::int64_t count(std::span<PackedView const* const> views) const {
        return static_cast<std::int64_t>(pairs(views).size() / 2);
    }

    [[nodiscard]] TermSum sum(CrossState const& state) const {
        std::vector<std::int64_t> const list = pairs(state.views);
        PackedView const& texts = *state.views[1];
        at::Tensor const queries = state.sentences[0].to(at::kFloat);
        if (list.empty()) { return {.sum = at::zeros({}, queries.options().requires_grad(false))}; }
        at::Tensor scores = max_sim(queries, state.views[0]->offsets, state.sentences[1].to(at::kFloat), texts.offsets)
                                .div(options_.temperature);   // [B, N]
        std::vector<std::int64_t> cells;
        if (options_.mask_false_negatives) { cells = detail::false_negatives(texts); }
        for (std::size_t n = 0; n < texts.texts(); ++n) {
            if (!detail::is_absent(texts, n)) { continue; }
            for (std::int64_t b = 0; b < scores.size(0); ++b) { cells.insert(cells.end(), {b, static_cast<std::int64_t>(n)}); }
        }
        scores = add_to_cells(scores, cells, -std::numeric_limits<float>::infinity());
        std::vector<std::int64_t> anchors;
        std::vector<std::int64_t> targets;
        auto const first = static_cast<std::int64_t>(state.views[0]->texts());
        for (std::size_t i = 0; i < list.size(); i += 2) {
            anchors.push_back(list[i]);
            targets.push_back(list[i + 1] - first);
        }
        ContrastiveLoss const loss =
            softmax_contrast(scores.index_select(0, detail::int64_tensor(anchors, scores.device())), targets);
        return {.sum = loss.sum, .correct = loss.correct};
    }

    [[nodiscard]] TermDescription describe(std::string name) const {
        return {.name = std::move(name),
                .kind = std::string(kind),
                .similarity = "max_sim",
                .candidates = "other_passes",
                .temperature = options_.temperature,
                .weight = options_.weight.at(0)};
    }

    template <class Visit>
    void for_each_parameter(std::string const&, Visit&&) {}

private:
    Options options_;
};

}  // namespace bmae
