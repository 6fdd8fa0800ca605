// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Softmax over candidates: the contrastive loss of dense retrieval.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <vector>

#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/full_like.h>
#include <ATen/ops/logsumexp.h>
#include <ATen/ops/zeros.h>

#include <bmae/batch/to_tensors.hpp>
#include <bmae/losses/row_scores.hpp>
#include <bmae/values/error.hpp>

namespace bmae {

/// The result of a contrastive loss.
struct ContrastiveLoss {
    at::Tensor sum = {};       ///< [] sum over queries, differentiable
    at::Tensor correct = {};   ///< [] fp32 queries whose own passage scores highest, detached
};

/// Variants of the contrastive loss.
struct ContrastForm {
    double label_smoothing = 0;            ///< share of the target spread over the candidates (Contriever: 0)
    bool positive_in_denominator = true;   ///< false: equation 8 of the SentMAE paper as printed, which has no lower bound; a
                                           ///< row without a negative then counts 0
};

/// Refuses a temperature that is not above 0.
/// \param whose  "a temperature", for the message
inline void require_temperature(double temperature, std::string const& whose = "a temperature") {
    if (temperature > 0) { return; }
    throw InputError(Diagnostic{.file = {},
                                .expected = whose + " above 0",
                                .found = std::to_string(temperature),
                                .hint = "SimCSE uses 0.05 with cosine, SimLM 0.02; coCondenser, ColBERT and raw scores of a "
                                        "teacher 1."});
}

/// Adds `value` to the cells [row, column, row, column, ...] of a matrix like `scores`.
inline at::Tensor add_to_cells(at::Tensor const& scores, std::span<std::int64_t const> cells, float value) {
    if (cells.empty()) { return scores; }
    at::Tensor const places = detail::sent<std::int64_t>(cells, scores.device()).view({-1, 2});
    at::Tensor const row_by_row = places.select(1, 0) * scores.size(1) + places.select(1, 1);
    at::TensorOptions const single = at::TensorOptions().dtype(at::kFloat).device(scores.device());
    at::Tensor const added = at::zeros({scores.numel()}, single).index_fill_(0, row_by_row, value);
    return scores.add(added.view(scores.sizes()));
}

/// Leaves out candidates that score too near to the own one, or above it, as probably relevant: all with s >= s+ - margin, or with
/// `relative` s >= s+ - margin |s+|, which is right for scores of either sign. Of each row the lowest negative stays, so that no row
/// loses all. The scores decide without a gradient.
/// \param scores   [B, P] fp32; -inf where a candidate does not count
/// \param targets  [B] column of each row's own candidate
/// \param margin   below 0: only candidates that score higher than the own one by more than this are left out
/// \returns        [B, P] -inf where left out
inline at::Tensor without_near_candidates(at::Tensor const& scores, std::span<std::int64_t const> targets, double margin,
                                          bool relative = false) {
    constexpr double never = -std::numeric_limits<double>::infinity();
    at::Tensor const known = scores.detach();
    at::Tensor const column = detail::sent<std::int64_t>(targets, scores.device()).unsqueeze(1);   // [B, 1]
    at::Tensor const own = known.gather(1, column);
    at::Tensor const limit = own - (relative ? own.abs() * margin : at::full_like(own, margin));
    at::Tensor const outside = known.isneginf().scatter(1, column, true);                                   // no negative
    at::Tensor const lowest = known.masked_fill(outside, -never).argmin(1, true);                           // [B, 1]
    at::Tensor const near = known.ge(limit).logical_and(outside.logical_not()).scatter(1, lowest, false);   // [B, P]
    return scores.masked_fill(near, never);
}

namespace detail {

/// Rows whose own candidate scores highest.                                                        [B, P], [B] -> [] fp32
inline at::Tensor count_correct(at::Tensor const& scores, at::Tensor const& target) {
    return scores.detach().argmax(1).eq(target).sum().to(at::kFloat);
}

inline at::Tensor index_tensor(std::span<std::int64_t const> numbers, at::Device device) {
    return sent<std::int64_t>(numbers, device);
}

inline void require_candidates(std::int64_t candidates) {
    if (candidates >= 2) { return; }
    throw InputError(Diagnostic{.file = {},
                                .expected = "at least two candidate passages in a contrastive batch",
                                .found = std::to_string(candidates),
                                .hint = "Raise the batch size or the number of passages per query; with one candidate the loss "
                                        "is always 0."});
}

}  // namespace detail

/// Sum over rows of -log softmax(scores)[target].
/// \param scores   [B, P] fp32, already divided by the temperature; -inf where a candidate does not count
/// \param targets  [B] column of each row's own candidate
/// Throws InputError where there is only one candidate: the loss would be 0 for any model.
inline ContrastiveLoss softmax_contrast(at::Tensor const& scores, std::span<std::int64_t const> targets, ContrastForm form = {}) {
    detail::require_candidates(scores.size(1));
    at::Tensor const target = detail::index_tensor(targets, scores.device());
    ContrastiveLoss loss{.correct = detail::count_correct(scores, target)};
    at::Tensor const column = target.unsqueeze(1);
    at::Tensor const own = scores.gather(1, column).squeeze(1);   // [B]
    at::Tensor const left_out = scores.detach().isneginf();       // [B, P]
    if (form.positive_in_denominator) {
        at::Tensor aim = own;
        if (form.label_smoothing != 0) {   // log softmax of an excluded candidate is -inf: it gets no smoothing
            at::Tensor const mean = scores.masked_fill(left_out, 0).sum(1) / left_out.logical_not().sum(1);
            aim = own * (1 - form.label_smoothing) + mean * form.label_smoothing;
        }
        loss.sum = (at::logsumexp(scores, {1}) - aim).sum();
    } else {
        at::Tensor const outside = left_out.scatter(1, column, true);
        at::Tensor const alone = outside.all(1);   // no negative: the logarithm of an empty sum is undefined
        at::Tensor const negatives =
            scores.masked_fill(outside, -std::numeric_limits<double>::infinity()).masked_fill(alone.unsqueeze(1), 0);
        loss.sum = (at::logsumexp(negatives, {1}) - own).masked_fill(alone, 0).sum();
    }
    return loss;
}

/// Sum over queries of -log( exp(s(q, p+) / tau) / sum_p exp(s(q, p) / tau) ) over all passages of the batch
/// (van den Oord et al., arXiv 1807.03748; for retrieval Karpukhin et al., arXiv 2004.04906, equation 2).
/// \param queries   [B, D], and \param passages [P, D], both as they are scored: normalize them first for cosine
/// \param targets   [B] column of each query's own passage
/// \param excluded  flat list of (query, column) pairs that are not negatives
/// \param how       s(q, p); DPR's section 5.2 compares products and distances
/// Throws InputError where there is only one candidate.
inline ContrastiveLoss info_nce(at::Tensor const& queries, at::Tensor const& passages, std::span<std::int64_t const> targets,
                                std::span<std::int64_t const> excluded, double temperature, ContrastForm form = {},
                                RowScore how = RowScore::product) {
    at::Tensor const scores = row_scores(queries, passages, how).to(at::kFloat).div(temperature);   // [B, P]
    return softmax_contrast(add_to_cells(scores, excluded, -std::numeric_limits<float>::infinity()), targets, form);
}

}  // namespace bmae
