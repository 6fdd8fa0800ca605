// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Contrasts of queries and passages other than plain InfoNCE: both directions, SimLM's four blocks, and a margin between pairs.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/cat.h>

#include <bmae/losses/info_nce.hpp>
#include <bmae/losses/row_scores.hpp>
#include <bmae/values/error.hpp>

namespace bmae {

/// The candidates that a query's own passage is contrasted with.
enum class RetrievalContrast {
    info_nce,     ///< all other passages of the batch (DPR, RetroMAE)
    symmetric,    ///< the same, and all other queries for the passage; the mean of both
    four_block,   ///< all other passages, queries against queries and own passages against own passages, in one softmax (SimLM)
    pairwise_margin,   ///< no softmax: each negative is to score lower than the own passage by a margin
};

/// Names in command lines and reports.
constexpr std::array<std::string_view, 4> names_of(RetrievalContrast) noexcept {
    return {"info_nce", "symmetric", "four_block", "pairwise_margin"};
}
constexpr std::string_view to_string(RetrievalContrast contrast) noexcept {
    return names_of(contrast)[static_cast<std::size_t>(contrast)];
}

/// \throws InputError  for a name that is none of them
inline RetrievalContrast retrieval_contrast_from(std::string_view name) {
    for (auto const contrast : {RetrievalContrast::info_nce, RetrievalContrast::symmetric, RetrievalContrast::four_block,
                                RetrievalContrast::pairwise_margin}) {
        if (name == to_string(contrast)) { return contrast; }
    }
    throw InputError(Diagnostic{
        .file = {}, .expected = "the contrast info_nce, symmetric, four_block or pairwise_margin", .found = std::string(name)});
}

namespace detail {

/// For every column the query whose own passage it is, or -1.                                                     [P]
inline std::vector<std::int64_t> owners(std::span<std::int64_t const> targets, std::int64_t columns) {
    std::vector<std::int64_t> owner(static_cast<std::size_t>(columns), -1);
    for (std::size_t i = 0; i < targets.size(); ++i) {
        owner[static_cast<std::size_t>(targets[i])] = static_cast<std::int64_t>(i);
    }
    return owner;
}

}  // namespace detail

/// The mean of -log softmax_p(s(q_i, p))[p_i+] over all passages and -log softmax_j(s(p_i+, q_j))[q_i] over all queries, summed
/// over the B queries (both directions as in Radford et al.: CLIP, arXiv 2103.00020). Hard negatives are in the first alone.
/// \param queries,passages,targets,excluded,temperature,how  as of `info_nce`; an excluded pair is left out in both directions
/// Throws InputError where there is only one passage. With one query the second direction has one candidate and is 0.
inline ContrastiveLoss symmetric_info_nce(at::Tensor const& queries, at::Tensor const& passages,
                                          std::span<std::int64_t const> targets, std::span<std::int64_t const> excluded,
                                          double temperature, ContrastForm form = {}, RowScore how = RowScore::product) {
    detail::require_candidates(passages.size(0));
    constexpr float never = -std::numeric_limits<float>::infinity();
    at::Tensor const scores = row_scores(queries, passages, how).to(at::kFloat).div(temperature);   // [B, P]
    ContrastiveLoss loss = softmax_contrast(add_to_cells(scores, excluded, never), targets, form);
    auto const count = static_cast<std::int64_t>(targets.size());
    if (count < 2) {
        loss.sum = loss.sum / 2;
        return loss;
    }
    std::vector<std::int64_t> const owner = detail::owners(targets, passages.size(0));
    std::vector<std::int64_t> itself;
    std::vector<std::int64_t> cells;
    for (std::int64_t i = 0; i < count; ++i) { itself.push_back(i); }
    for (std::size_t i = 0; i + 1 < excluded.size(); i += 2) {
        std::int64_t const j = owner[static_cast<std::size_t>(excluded[i + 1])];
        if (j >= 0) { cells.insert(cells.end(), {j, excluded[i]}); }
    }
    at::Tensor const back = scores.index_select(1, detail::index_tensor(targets, scores.device())).t();   // [B, B]
    loss.sum = (loss.sum + softmax_contrast(add_to_cells(back, cells, never), itself, form).sum) / 2;
    return loss;
}

/// SimLM's full contrast (Wang et al., arXiv 2207.02578, in its released code): one softmax per query over
///
///     [ q_i . P | p_i+ . q_j | q_i . q_j | p_i+ . p_j+ ] / tau,  j != i,                                 [B, P + 3 (B - 1)]
///
/// whose target is the own passage in the first block; summed over the B queries. By distance a product is -|x - y|. With one query it
/// is the cross-entropy over its own group.
/// \param queries   [B, D], and \param passages [P, D], as they are scored: SimLM normalizes them, tau .02
/// \param targets   [B] column of each query's own passage p_i+
/// \param excluded  flat list of (query, column) pairs that are not negatives. Where the column is the own passage of another
///                  query, that pair of queries and the pair of their own passages are left out too. SimLM as released: empty
/// \returns         `correct` is that of the first block alone
/// Throws InputError where there is only one passage.
inline ContrastiveLoss four_block_contrast(at::Tensor const& queries, at::Tensor const& passages,
                                           std::span<std::int64_t const> targets, std::span<std::int64_t const> excluded,
                                           double temperature, ContrastForm form = {}, RowScore how = RowScore::product) {
    std::int64_t const columns = passages.size(0);
    detail::require_candidates(columns);
    auto const count = static_cast<std::int64_t>(targets.size());
    std::int64_t const block_2 = columns;           // p_i+ . q_j
    std::int64_t const block_3 = block_2 + count;   // q_i . q_j
    std::int64_t const block_4 = block_3 + count;   // p_i+ . p_j+
    std::vector<std::int64_t> cells(excluded.begin(), excluded.end());
    for (std::int64_t i = 0; i < count; ++i) { cells.insert(cells.end(), {i, block_2 + i, i, block_3 + i, i, block_4 + i}); }
    std::vector<std::int64_t> const owner = detail::owners(targets, columns);
    for (std::size_t e = 0; e + 1 < excluded.size(); e += 2) {
        std::int64_t const i = excluded[e];
        std::int64_t const j = owner[static_cast<std::size_t>(excluded[e + 1])];   // p_j+ is relevant to q_i
        if (j < 0) { continue; }
        cells.insert(cells.end(), {j, block_2 + i, i, block_3 + j, j, block_3 + i, i, block_4 + j, j, block_4 + i});
    }
    at::Tensor const target = detail::index_tensor(targets, passages.device());
    at::Tensor const own = passages.index_select(0, target);             // [B, D]
    at::Tensor const to_passages = row_scores(queries, passages, how);   // [B, P]
    at::Tensor const scores = at::cat({to_passages, to_passages.index_select(1, target).t(), row_scores(queries, queries, how),
                                       row_scores(own, own, how)},
                                      1)
                                  .to(at::kFloat)
                                  .div(temperature);
    at::Tensor const left = add_to_cells(scores, cells, -std::numeric_limits<float>::infinity());   // [B, P + 3 B]
    ContrastiveLoss loss = softmax_contrast(left, targets, form);
    loss.correct = detail::count_correct(left.narrow(1, 0, columns), target);
    return loss;
}

/// Sum over queries of the mean over their negatives of max(0, margin - s+ + s-): the margin ranking loss of triplets.
/// \param scores   [B, P] fp32, already divided by the temperature; -inf where a candidate does not count
/// \param targets  [B] column of each query's own passage
/// \returns        0 for a query without a negative
/// Throws InputError where there is only one passage.
inline ContrastiveLoss pairwise_margin(at::Tensor const& scores, std::span<std::int64_t const> targets, double margin = 1) {
    detail::require_candidates(scores.size(1));
    at::Tensor const target = detail::index_tensor(targets, scores.device());
    ContrastiveLoss loss{.correct = detail::count_correct(scores, target)};
    at::Tensor const column = target.unsqueeze(1);
    at::Tensor const left_out = scores.detach().isneginf().scatter(1, column, true);   // [B, P]
    at::Tensor const excess =
        (scores.masked_fill(left_out, 0) - scores.gather(1, column) + margin).relu().masked_fill(left_out, 0);
    loss.sum = (excess.sum(1) / left_out.logical_not().sum(1).clamp_min(1)).sum();
    return loss;
}

/// The contrast of that name; `pairwise_margin` with a margin of 1. Parameters as of `info_nce`.
inline ContrastiveLoss retrieval_contrast(RetrievalContrast contrast, at::Tensor const& queries, at::Tensor const& passages,
                                          std::span<std::int64_t const> targets, std::span<std::int64_t const> excluded,
                                          double temperature, ContrastForm form = {}, RowScore how = RowScore::product) {
    switch (contrast) {
        case RetrievalContrast::symmetric:
            return symmetric_info_nce(queries, passages, targets, excluded, temperature, form, how);
        case RetrievalContrast::four_block:
            return four_block_contrast(queries, passages, targets, excluded, temperature, form, how);
        case RetrievalContrast::pairwise_margin:
            return pairwise_margin(add_to_cells(row_scores(queries, passages, how).to(at::kFloat).div(temperature), excluded,
                                                -std::numeric_limits<float>::infinity()),
                                   targets);
        case RetrievalContrast::info_nce:
            break;
    }
    return info_nce(queries, passages, targets, excluded, temperature, form, how);
}

}  // namespace bmae
