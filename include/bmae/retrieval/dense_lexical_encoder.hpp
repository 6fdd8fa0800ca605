// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Encoders of a dense vector and lexical weights per text, as DupMAE at search time.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>

#include <bmae/batch/to_tensors.hpp>
#include <bmae/bottlenecks/dual.hpp>
#include <bmae/retrieval/any_text_model.hpp>
#include <bmae/retrieval/encode_run.hpp>
#include <bmae/text/any_tokenizer.hpp>

namespace bmae {

/// Options for reading texts; stored beside the weights.
struct DenseLexicalOptions {
    std::size_t terms = 384;         ///< word weights of a document that are kept; of a query all are
    std::size_t query_length = 32;   ///< tokens with [CLS] and [SEP]
    std::size_t max_length = 140;    ///< the same of a document
};

/// Encoder, language-model head and reduction of DupMAE (Xiao, Liu: arXiv 2211.08769).
class DenseLexicalEncoder {
public:
    /// \param pair  built over an encoder of this type, with the trained reduction: see `take_tensors`; it keeps all word weights
    /// \throws InputError  where vocabulary or lengths do not fit the encoder, for a tokenizer without [CLS] and [SEP], for no terms
    template <HasTokenHead E>
    DenseLexicalEncoder(E encoder, DualBottleneck pair, AnyTokenizer tokenizer, DenseLexicalOptions options = {})
        : model_(std::move(encoder), std::move(pair)), tokenizer_(std::move(tokenizer)), options_(options) {
        for (std::size_t const length : {options_.query_length, options_.max_length}) {
            detail::require_fit(tokenizer_, model_.shape(), length, 2);
        }
        static_cast<void>(to_dual_vectors(at::zeros({0, model_.width()}), dense_width(), kept_terms()));   // refuses no terms
    }

    /// Columns of the dense vector: R.
    [[nodiscard]] std::int64_t dense_width() const { return model_.width() - model_.shape().vocabulary; }

    /// Dense vector and all word weights.                                                     [N, R + V] fp32 on the CPU
    [[nodiscard]] at::Tensor encode_queries(std::span<std::string const> texts, EncodeRun const& run = {}) const {
        at::Tensor output = at::empty({static_cast<std::int64_t>(texts.size()), model_.width()}, at::kFloat);
        for_each_row_batch(texts, options_.query_length, run,
                           [&](at::Tensor const& rows, at::Tensor const& places) { output.index_copy_(0, places, rows); });
        return output;
    }

    /// Dense vectors and the highest word weights. Whole rows are held for one batch at a time.                        [N]
    [[nodiscard]] DualVectors encode_documents(std::span<std::string const> texts, EncodeRun const& run = {}) const {
        auto const count = static_cast<std::int64_t>(texts.size());
        DualVectors all{.dense = at::empty({count, dense_width()}, at::kFloat),
                        .words = at::empty({count, kept_terms()}, at::kLong),
                        .weights = at::empty({count, kept_terms()}, at::kFloat)};
        for_each_row_batch(texts, options_.max_length, run, [&](at::Tensor const& rows, at::Tensor const& places) {
            DualVectors const part = to_dual_vectors(rows, dense_width(), kept_terms());
            all.dense.index_copy_(0, places, part.dense);
            all.words.index_copy_(0, places, part.words);
            all.weights.index_copy_(0, places, part.weights);
        });
        return all;
    }

    [[nodiscard]] AnyTextModel const& model() const noexcept { return model_; }
    [[nodiscard]] AnyTokenizer const& tokenizer() const noexcept { return tokenizer_; }
    [[nodiscard]] DenseLexicalOptions const& options() const noexcept { return options_; }

private:
    [[nodiscard]] std::int64_t kept_terms() const {
        return std::min(static_cast<std::int64_t>(options_.terms), model_.shape().vocabulary);
    }

    /// Calls `use(rows, places)` with the rows of each batch and the numbers of its texts.               rows [B, R + V]
    template <class Use>
    void for_each_row_batch(std::span<std::string const> texts, std::size_t length, EncodeRun const& run, Use const& use) const {
        auto const ids = detail::tokenize_all<std::vector<TokenId>>(texts.size(), run, [&](std::size_t i) {
            return detail::with_specials(tokenizer_.encode(texts[i]), tokenizer_.traits().special(), length);
        });
        detail::for_each_batch(std::span<std::vector<TokenId> const>(ids), run,
                               [&](PackedView const& view, std::vector<std::int64_t> const& places) {
                                   at::Tensor const rows = model_(to_tensors(view, model_.device())).to(at::kFloat).cpu();
                                   detail::require_finite(rows, places, texts.size());
                                   use(rows, detail::int64_tensor(places, at::kCPU));
                               });
    }

    AnyTextModel model_;
    AnyTokenizer tokenizer_;
    DenseLexicalOptions options_;
};

}  // namespace bmae
