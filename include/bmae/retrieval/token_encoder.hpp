// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Texts to a vector per token, and late interaction between them: ColBERT's encoder at search time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>

#include <bmae/batch/to_tensors.hpp>
#include <bmae/bottlenecks/token_vectors.hpp>
#include <bmae/model/max_sim_contrast.hpp>
#include <bmae/retrieval/any_text_model.hpp>
#include <bmae/retrieval/encode_run.hpp>
#include <bmae/text/any_tokenizer.hpp>

namespace bmae {

/// Options for reading texts; stored beside the weights.
struct TokenEncoderOptions {
    std::size_t query_length = 32;       ///< tokens of a query with [CLS] and [SEP]; longer ones are truncated
    std::size_t document_length = 180;   ///< the same of a document
};

/// The vectors of the tokens of N texts.
struct MultiVectors {
    at::Tensor rows = {};                      ///< [T, D] fp32 on the CPU, each of length 1
    std::vector<std::int64_t> offsets = {0};   ///< [N+1] text n is rows offsets[n] .. offsets[n+1]
};

/// score(q, d) = sum over the tokens of q of the highest product with a token of d.                              [Q, N]
/// Needs Tq x Td values of memory: pass documents in blocks.
inline at::Tensor max_sim(MultiVectors const& queries, MultiVectors const& documents) {
    return max_sim(queries.rows, queries.offsets, documents.rows, documents.offsets);
}

/// Encoder and token projection as an encoder for late interaction (Khattab, Zaharia: ColBERT, arXiv 2004.12832).
class TokenEncoder {
public:
    /// \param projection  built over an encoder of this type, with the trained weights: see `take_tensors`
    /// Throws InputError where vocabulary or lengths do not fit the encoder, and for a tokenizer without [CLS] and [SEP].
    template <Encoder E>
    TokenEncoder(E encoder, TokenVectors projection, AnyTokenizer tokenizer, TokenEncoderOptions options = {})
        : model_(std::move(encoder), std::move(projection)), tokenizer_(std::move(tokenizer)), options_(options) {
        require_lengths();
    }

    [[nodiscard]] MultiVectors encode_queries(std::span<std::string const> texts, EncodeRun const& run = {}) const {
        return for_queries().encode_documents(texts, run);
    }
    [[nodiscard]] MultiVectors encode_documents(std::span<std::string const> texts, EncodeRun const& run = {}) const {
        return encode_ids(
            detail::tokenize_all<std::vector<TokenId>>(texts.size(), run, [&](std::size_t i) { return tokenize(texts[i]); }),
            run);
    }

    /// The ids of a document as the encoder reads them: [CLS] content [SEP], cut to its length.
    [[nodiscard]] std::vector<TokenId> tokenize(std::string const& text) const {
        return detail::with_specials(tokenizer_.encode(text), tokenizer_.traits().special(), options_.document_length);
    }
    /// The vectors of token ids with [CLS] and [SEP], as `tokenize` gives them.
    [[nodiscard]] MultiVectors encode_ids(std::span<std::vector<TokenId> const> ids, EncodeRun const& run = {}) const {
        MultiVectors output;
        for (auto const& text : ids) { output.offsets.push_back(output.offsets.back() + static_cast<std::int64_t>(text.size())); }
        output.rows = at::empty({output.offsets.back(), model_.width()}, at::kFloat);
        detail::for_each_batch(ids, run, [&](PackedView const& view, std::vector<std::int64_t> const& places) {
            at::Tensor const rows = model_(to_tensors(view, model_.device())).to(at::kFloat).cpu();
            for (std::size_t b = 0; b < places.size(); ++b) {
                std::int64_t const count = view.offsets[b + 1] - view.offsets[b];
                detail::require_finite(rows.narrow(0, view.offsets[b], count),
                                       std::vector(static_cast<std::size_t>(count), places[b]), ids.size());
                output.rows.narrow(0, output.offsets[static_cast<std::size_t>(places[b])], count)
                    .copy_(rows.narrow(0, view.offsets[b], count));
            }
        });
        return output;
    }

    /// An encoder of queries as documents, which shares the tensors: the query's length is that of its texts.
    [[nodiscard]] TokenEncoder for_queries() const {
        return with_options({.query_length = options_.query_length, .document_length = options_.query_length});
    }
    /// The same encoder with these lengths. \throws InputError  for a length that does not fit the encoder
    [[nodiscard]] TokenEncoder with_options(TokenEncoderOptions options) const {
        TokenEncoder copy = *this;
        copy.options_ = options;
        copy.require_lengths();
        return copy;
    }

    [[nodiscard]] AnyTextModel const& model() const noexcept { return model_; }
    [[nodiscard]] AnyTokenizer const& tokenizer() const noexcept { return tokenizer_; }
    [[nodiscard]] TokenEncoderOptions const& options() const noexcept { return options_; }

private:
    void require_lengths() const {
        for (std::size_t const length : {options_.query_length, options_.document_length}) {
            detail::require_fit(tokenizer_, model_.shape(), length, 2);
        }
    }

    AnyTextModel model_;
    AnyTokenizer tokenizer_;
    TokenEncoderOptions options_;
};

}  // namespace bmae
