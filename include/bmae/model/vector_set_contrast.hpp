// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Contrast of texts that have several vectors each.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <ATen/core/Tensor.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/mm.h>

#include <bmae/model/contrast.hpp>
#include <bmae/values/error.hpp>

namespace bmae {

/// Options of a `VectorSetContrast`.
struct VectorSetContrastOptions {
    TermWeight weight = 1;                     ///< in the total
    double temperature = 1;                    ///< divides the scores
    Similarity similarity = Similarity::dot;   ///< of two vectors: dot or cosine
    bool mask_false_negatives = true;          ///< another query's text that is relevant to this one too is not a negative

    template <class Visit>
    void for_each_option(Visit&& visit) {
        detail::visit_contrast_options(*this, visit);
        visit("mask_false_negatives", mask_false_negatives, "a text known to be relevant to a query is never its negative");
    }

    /// As a `BatchPool` reads them.
    operator ContrastOptions() const { return {.temperature = temperature, .mask_false_negatives = mask_false_negatives}; }
};

/// sum_k max_l q_k . d_l over the K vectors of the anchor and of the candidate, each as wide as hidden states (Luan et al.: ME-BERT, arXiv
/// 2005.00181, equation 3, whose query has one vector). With K = 1 it is the dot product.
class VectorSets {
public:
    using BatchOptions = VectorSetContrastOptions;
    static constexpr std::string_view kind = "vector_set_contrast";
    static constexpr bool one_vector = false;
    static constexpr bool has_parameters = false;

    /// Throws InputError for euclidean: the highest products are summed, as search by token vectors does.
    template <class Options, Encoder E>
    VectorSets(Options const& options, E const& encoder, std::uint64_t, std::string const&)
        : similarity_(options.similarity), width_(encoder.shape().width) {
        if (similarity_ == Similarity::euclidean) {
            throw InputError(
                Diagnostic{.file = {},
                           .expected = "similarity dot or cosine of several vectors per text, whose products are summed",
                           .found = std::string(to_string(similarity_))});
        }
    }

    [[nodiscard]] static std::string_view similarity() { return "max_sim"; }
    [[nodiscard]] static RowScore row_score() noexcept { return RowScore::product; }

    /// \param sentences  [passes] of [B, K H]
    /// Throws InputError where the vectors are not K times as wide as hidden states.
    [[nodiscard]] at::Tensor rows(std::span<at::Tensor const> sentences) const {   // [R, K, H]
        at::Tensor const all = at::cat(sentences);
        if (all.size(1) % width_ != 0) {
            throw InputError(Diagnostic{.file = {},
                                        .expected = "vectors whose width is a multiple of " + std::to_string(width_),
                                        .found = std::to_string(all.size(1)),
                                        .hint = "VectorSetContrast compares those of AttentionVectors."});
        }
        return detail::compared(all.view({-1, width_}), similarity_).view({all.size(0), -1, width_});
    }

    [[nodiscard]] static at::Tensor scores(at::Tensor const& rows, std::vector<std::int64_t> const& anchors, std::int64_t first,
                                           std::span<PackedView const* const>) {
        at::Tensor const queries = rows.index_select(0, detail::int64_tensor(anchors, rows.device()));   // [P, K, H]
        at::Tensor const texts = rows.narrow(0, first, rows.size(0) - first);                            // [C, K, H]
        at::Tensor const products = at::mm(queries.flatten(0, 1), texts.flatten(0, 1).t());              // [P K, C K]
        return products.view({queries.size(0), queries.size(1), texts.size(0), texts.size(1)}).amax(3).sum(1);
    }

    template <class Visit>
    void for_each_parameter(std::string const&, Visit&&) {}

private:
    Similarity similarity_;
    std::int64_t width_;
};

/// -log softmax over all texts of the batch of `VectorSets`.
class VectorSetContrast : public ContrastOver<VectorSets, BatchPool> {
public:
    using ContrastOver::ContrastOver;
    static constexpr bool needs_token_vectors = false;   ///< one row per text
};

}  // namespace bmae
