// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Sparse encoders: texts to lexical vectors, as SPLADE at search time.
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
#include <bmae/bottlenecks/lexical.hpp>
#include <bmae/retrieval/any_text_model.hpp>
#include <bmae/retrieval/encode_run.hpp>
#include <bmae/text/any_tokenizer.hpp>
#include <bmae/values/prompts.hpp>

namespace bmae {

/// Options for reading and pooling texts; stored beside the weights.
struct SparseEncoderOptions {
    /// SPLADE's: log(1 + ReLU) of the highest logits over all rows, [CLS] and [SEP] too. Use the options of training.
    LexicalBottleneck::Options lexical = {.saturated = true, .first_row_counts = true};
    std::size_t max_length = 256;   ///< tokens with [CLS] and [SEP]; longer texts are truncated
    std::size_t query_length = 0;   ///< the same of a query; 0: as a text
    Prompts prompts = {};           ///< put before texts, which the lengths count too
};

/// Encoder and language-model head as an encoder of sparse vectors (Formal et al.: SPLADE v2, arXiv 2109.10086).
class SparseEncoder {
public:
    /// Throws InputError where vocabulary or length do not fit the encoder, and for a tokenizer without [CLS] and [SEP].
    template <HasTokenHead E>
    SparseEncoder(E encoder, AnyTokenizer tokenizer, SparseEncoderOptions options = {})
        : model_(encoder, LexicalBottleneck(options.lexical, encoder, 0, {})),
          tokenizer_(std::move(tokenizer)),
          options_(std::move(options)) {
        detail::require_fit(tokenizer_, model_.shape(), options_.max_length, 2);
        if (options_.query_length != 0) { detail::require_fit(tokenizer_, model_.shape(), options_.query_length, 2); }
    }

    /// One weight per token of the vocabulary, most of them 0; scores are dot products.         [N, V] fp32 on the CPU
    ///
    /// V values per text: encode large corpora in parts, and keep the nonzero weights.
    [[nodiscard]] at::Tensor encode(std::span<std::string const> texts, EncodeRun const& run = {}) const {
        return encode_behind(options_.prompts.of_documents(), options_.max_length, texts, run);
    }
    [[nodiscard]] at::Tensor encode(std::string const& text) const { return encode(std::span(&text, 1)); }   ///< [1, V]

    /// The same for queries, which have a prompt and a length of their own.                                  [N, V] fp32 on the CPU
    [[nodiscard]] at::Tensor encode_queries(std::span<std::string const> texts, EncodeRun const& run = {}) const {
        return encode_behind(options_.prompts.of_queries(),
                             options_.query_length != 0 ? options_.query_length : options_.max_length, texts, run);
    }

    /// The same encoder with these prompts.
    [[nodiscard]] SparseEncoder with_prompts(Prompts prompts) const {
        SparseEncoder copy = *this;
        copy.options_.prompts = std::move(prompts);
        return copy;
    }

    [[nodiscard]] AnyTextModel const& model() const noexcept { return model_; }
    [[nodiscard]] AnyTokenizer const& tokenizer() const noexcept { return tokenizer_; }
    [[nodiscard]] SparseEncoderOptions const& options() const noexcept { return options_; }

private:
    [[nodiscard]] at::Tensor encode_behind(std::string const& prompt, std::size_t length, std::span<std::string const> texts,
                                           EncodeRun const& run) const {
        auto const ids = detail::tokenize_all<std::vector<TokenId>>(texts.size(), run, [&](std::size_t i) {
            return detail::with_specials(tokenizer_.encode(prompt + texts[i]), tokenizer_.traits().special(), length);
        });
        at::Tensor output = at::empty({static_cast<std::int64_t>(texts.size()), model_.width()}, at::kFloat);
        detail::for_each_batch(ids, run, [&](PackedView const& view, std::vector<std::int64_t> const& places) {
            at::Tensor const weights = model_(to_tensors(view, model_.device())).to(at::kFloat).cpu();
            detail::require_finite(weights, places, texts.size());
            output.index_copy_(0, detail::int64_tensor(places, at::kCPU), weights);
        });
        return output;
    }

    AnyTextModel model_;
    AnyTokenizer tokenizer_;
    SparseEncoderOptions options_;
};

}  // namespace bmae
