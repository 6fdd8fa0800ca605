// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Reduces the losses of tokens, and of terms with losses of their own, to one value.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/full.h>
#include <ATen/ops/zeros.h>

#include <bmae/concepts/encoder_roles.hpp>
#include <bmae/losses/label_smoothing.hpp>
#include <bmae/model/term.hpp>
#include <bmae/nn/linear_cross_entropy.hpp>
#include <bmae/values/error.hpp>

namespace bmae {

/// How the losses of tokens are reduced to one value.
enum class Reduction {
    mean_per_term,   ///< each term is the mean over its labels, times its weight (all released code)
    pooled_tokens,   ///< one mean over the labels of all terms (MASTER, equation 8, read literally)
};

/// Names in command lines and checkpoints.
constexpr std::array<std::string_view, 2> names_of(Reduction) noexcept { return {"mean_per_term", "pooled_tokens"}; }

/// One summand measured on one batch: see `Model::forward`.
struct TermLoss {
    at::Tensor loss = {};      ///< [] fp32 mean over the labels of the batch, detached
    at::Tensor correct = {};   ///< [] fp32 labels predicted correctly; undefined where not applicable
    std::int64_t labels = 0;
    double weight = 1;
};

/// The result of one forward run.
struct ModelLoss {
    at::Tensor total = {};              ///< [] differentiable
    std::vector<TermLoss> terms = {};   ///< in the order of the composition
};

/// One batch of a contrast that spans several: see `Model::forward_part`.
struct ModelPart {
    ModelLoss loss = {};       ///< the trailing terms have no labels here
    at::Tensor vectors = {};   ///< [passes B, D] sentence vectors, passes concatenated
};

namespace detail {

/// The result of one term: rows for the shared head, or a sum of its own.
struct TermResult {
    std::optional<TokenRows> tokens = {};
    TermSum summed = {};
    std::int64_t labels = 0;   ///< in this batch
    double weight = 1;
};

/// Adds label smoothing to the losses of the rows of terms that use it.
/// \param row_weights  of the terms that predict tokens, in order; \param hidden  [M, H] the rows of all of them
template <class E>
void smooth_labels(std::vector<TermResult> const& terms, std::vector<at::Tensor> const& row_weights, at::Tensor const& hidden,
                   E const& encoder, RowLosses& losses) {
    std::int64_t begin = 0;
    std::size_t next = 0;
    for (TermResult const& term : terms) {
        if (!term.tokens) { continue; }
        at::Tensor const& factors = row_weights[next++];
        if (double const share = term.tokens->label_smoothing; share != 0) {
            at::Tensor const rows = hidden.narrow(0, begin, term.labels);
            at::Tensor const excess =
                smoothing_excess(rows, encoder.embeddings.word, encoder.head.bias, term.tokens->labels) * share;   // [m]
            losses.total = losses.total + (excess * factors).sum();
            losses.losses.narrow(0, begin, term.labels).add_(excess.detach());
        }
        begin += term.labels;
    }
}

/// The losses of terms that predict tokens: their rows share one product with the head, so that the [V, H] gradient is written
/// once per step.
/// \param rows,labels,row_weights  of these terms, in order
template <HasTokenHead E>
void add_token_losses(std::vector<TermResult> const& terms, std::vector<at::Tensor> const& rows,
                      std::vector<at::Tensor> const& labels, std::vector<at::Tensor> const& row_weights, E const& encoder,
                      ModelLoss& result) {
    at::Tensor const hidden = encoder.head.transform(at::cat(rows));
    RowLosses losses =
        linear_cross_entropy(hidden, encoder.embeddings.word, encoder.head.bias, at::cat(labels), at::cat(row_weights));
    smooth_labels(terms, row_weights, hidden, encoder, losses);
    result.total = result.total.defined() ? result.total + losses.total : losses.total;
    std::int64_t begin = 0;
    for (std::size_t t = 0; t < terms.size(); ++t) {
        if (!terms[t].tokens) { continue; }
        TermLoss& term = result.terms[t];
        term.loss =
            term.labels == 0 ? at::zeros({}, losses.losses.options()) : losses.losses.narrow(0, begin, term.labels).mean();
        term.correct = losses.correct.narrow(0, begin, term.labels).sum();
        begin += term.labels;
    }
}

/// Combines the results of all terms into the total and a report per term.
template <class E>
ModelLoss reduce_terms(std::vector<TermResult> const& terms, Reduction reduction, std::span<std::int64_t const> step_labels,
                       E const& encoder) {
    if (step_labels.size() != terms.size()) {
        throw Error("step_labels: expected one count for each of " + std::to_string(terms.size()) + " terms, got " +
                    std::to_string(step_labels.size()) + '.');
    }
    bool const pooled = reduction == Reduction::pooled_tokens;
    std::int64_t token_labels = 0;
    for (std::size_t t = 0; t < terms.size(); ++t) { token_labels += terms[t].tokens ? step_labels[t] : 0; }
    at::TensorOptions const single = encoder.embeddings.word.options().dtype(at::kFloat).requires_grad(false);
    std::vector<at::Tensor> rows;
    std::vector<at::Tensor> labels;
    std::vector<at::Tensor> row_weights;
    ModelLoss result;
    for (std::size_t t = 0; t < terms.size(); ++t) {
        TermResult const& term = terms[t];
        bool const shares = pooled && term.tokens;
        std::int64_t const divisor = shares ? token_labels : step_labels[t];
        double const factor = divisor == 0 ? 0.0 : term.weight / static_cast<double>(divisor);
        TermLoss loss{.labels = term.labels, .weight = shares ? factor * static_cast<double>(step_labels[t]) : term.weight};
        if (term.tokens) {
            rows.push_back(term.tokens->rows);
            labels.push_back(term.tokens->labels);
            row_weights.push_back(at::full({term.labels}, factor, single));
        } else {
            loss.loss = term.labels == 0 ? at::zeros({}, single) : term.summed.sum.detach() / static_cast<double>(term.labels);
            loss.correct = term.summed.correct;
            if (factor != 0) {
                at::Tensor const share = term.summed.sum * factor;
                result.total = result.total.defined() ? result.total + share : share;
            }
        }
        result.terms.push_back(std::move(loss));
    }
    if constexpr (HasTokenHead<E>) {
        if (!rows.empty()) { add_token_losses(terms, rows, labels, row_weights, encoder, result); }
    }
    if (!result.total.defined()) { result.total = at::zeros({}, single); }
    return result;
}

}  // namespace detail

}  // namespace bmae
