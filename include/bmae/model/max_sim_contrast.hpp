// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Contrast of token vectors: each token of a query is matched with the most similar token of a text.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <ATen/core/Tensor.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/zeros.h>

#include <bmae/model/contrast.hpp>

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
        detail::visit_contrast_options(*this, visit);
        visit("mask_false_negatives", mask_false_negatives, "a text known to be relevant to a query is never its negative");
    }

    /// As a `BatchPool` reads them.
    operator ContrastOptions() const { return {.temperature = temperature, .mask_false_negatives = mask_false_negatives}; }
};

/// sum_i max_j q_i d_j, i over the tokens of the anchor, j over those of the candidate (Khattab, Zaharia: ColBERT, arXiv 2004.12832,
/// equation 3).
class MaxSim {
public:
    using BatchOptions = MaxSimContrastOptions;
    static constexpr std::string_view kind = "max_sim_contrast";
    static constexpr bool one_vector = false;
    static constexpr bool has_parameters = false;

    template <class Options, Encoder E>
    MaxSim(Options const&, E const&, std::uint64_t, std::string const&) {}

    [[nodiscard]] static std::string_view similarity() { return "max_sim"; }
    [[nodiscard]] static RowScore row_score() noexcept { return RowScore::product; }

    /// \param sentences  [passes] of [T, D], T the tokens of each
    [[nodiscard]] static at::Tensor rows(std::span<at::Tensor const> sentences) { return at::cat(sentences).to(at::kFloat); }

    /// \param anchors  texts of the first pass
    [[nodiscard]] static at::Tensor scores(at::Tensor const& rows, std::vector<std::int64_t> const& anchors, std::int64_t,
                                           std::span<PackedView const* const> views) {
        auto const tokens = static_cast<std::int64_t>(views[0]->tokens());
        std::vector<std::int64_t> offsets{0};   // of the texts of all other passes
        for (PackedView const* const view : views.subspan(1)) {
            std::int64_t const before = offsets.back();
            for (std::size_t t = 1; t < view->offsets.size(); ++t) { offsets.push_back(before + view->offsets[t]); }
        }
        return max_sim(rows.narrow(0, 0, tokens), views[0]->offsets, rows.narrow(0, tokens, rows.size(0) - tokens), offsets)
            .index_select(0, detail::int64_tensor(anchors, rows.device()));
    }

    template <class Visit>
    void for_each_parameter(std::string const&, Visit&&) {}
};

/// -log softmax over all texts of the batch of `MaxSim` (in-batch negatives as ColBERTv2, arXiv 2112.01488).
class MaxSimContrast : public ContrastOver<MaxSim, BatchPool> {
public:
    using ContrastOver::ContrastOver;
};

}  // namespace bmae
