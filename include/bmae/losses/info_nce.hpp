// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Softmax over candidates: the contrastive loss of dense retrieval.
#pragma once

#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>
#include <ATen/ops/cross_entropy_loss.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>

#include <bmae/values/error.hpp>

namespace bmae {

/// What a contrastive loss gives.
struct ContrastiveLoss {
    at::Tensor sum = {};       ///< [] sum over queries, differentiable
    at::Tensor correct = {};   ///< [] fp32 queries whose own passage scores highest, detached
};

/// Sum over queries of -log( exp(s(q, p+) / tau) / sum_p exp(s(q, p) / tau) ) over all passages of the batch
/// (van den Oord et al., arXiv 1807.03748; for retrieval Karpukhin et al., arXiv 2004.04906, equation 2).
/// \param queries   [B, D], and \param passages [P, D], both as they are compared: normalise before for cosine
/// \param targets   [B] column of each query's own passage
/// \param excluded  flat list of (query, column) pairs that must not count as negatives
/// Throws InputError where there is only one candidate: the loss would be 0 for any model.
inline ContrastiveLoss info_nce(at::Tensor const& queries, at::Tensor const& passages, std::span<std::int64_t const> targets,
                                std::span<std::int64_t const> excluded, double temperature) {
    if (passages.size(0) < 2) {
        throw InputError(Complaint{.file = {}, .expected = "at least two candidate passages in a contrastive batch", .found = std::to_string(passages.size(0)),
                                   .remedy = "Raise the batch size or the number of passages per query; with one candidate the loss is always 0."});
    }
    at::Tensor scores = at::mm(queries, passages.t()).to(at::kFloat).div(temperature);                    // [B, P]
    if (!excluded.empty()) {
        at::Tensor mask = at::zeros(scores.sizes(), at::kFloat);
        auto* cells = mask.mutable_data_ptr<float>();
        for (std::size_t i = 0; i + 1 < excluded.size(); i += 2) {
            cells[excluded[i] * scores.size(1) + excluded[i + 1]] = -std::numeric_limits<float>::infinity();
        }
        scores = scores.add(mask.to(scores.device()));
    }
    at::Tensor const target = at::tensor(std::vector<std::int64_t>(targets.begin(), targets.end())).to(scores.device());
    return {.sum = at::cross_entropy_loss(scores, target, {}, /*reduction=sum*/ 2),
            .correct = scores.detach().argmax(1).eq(target).sum().to(at::kFloat)};
}

}  // namespace bmae
