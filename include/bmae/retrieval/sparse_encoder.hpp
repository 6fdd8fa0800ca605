// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Sparse encoders: texts to lexical vectors, as SPLADE at search time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>

#include <bmae/batch/to_tensors.hpp>
#include <bmae/bottlenecks/lexical.hpp>
#include <bmae/retrieval/any_text_model.hpp>
#include <bmae/retrieval/encode_run.hpp>
#include <bmae/retrieval/impact_index.hpp>
#include <bmae/retrieval/postings.hpp>
#include <bmae/text/any_tokenizer.hpp>
#include <bmae/values/error.hpp>
#include <bmae/values/prompts.hpp>

namespace bmae {

/// Options for reading and pooling texts; stored beside the weights.
struct SparseEncoderOptions {
    /// SPLADE's: log(1 + ReLU) of the highest logits over all rows, [CLS] and [SEP] too. Use the options of training.
    LexicalBottleneck::Options lexical = {.saturated = true, .first_row_counts = true};
    std::size_t max_length = 256;   ///< tokens with [CLS] and [SEP]; longer texts are truncated
    std::size_t query_length = 0;   ///< the same of a query; 0: as a text
    Prompts prompts = {};           ///< put before texts, which the lengths count too
    /// [V] fp32 on the CPU: a query is the set of its tokens with these weights, and no encoder runs (SPLADE-doc); undefined: queries are
    /// encoded as texts are.
    at::Tensor query_weights = {};
};

/// Encoder and language-model head as an encoder of sparse vectors (Formal et al.: SPLADE v2, arXiv 2109.10086).
///
/// With `query_weights` the encoder of `for_queries` counts the tokens of a text instead of encoding it.
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
        if (options_.query_weights.defined()) { require_query_weights(); }
        prompt_ = options_.prompts.of_documents();
    }

    /// One weight per token of the vocabulary, most of them 0; scores are dot products.         [N, V] fp32 on the CPU
    ///
    /// V values per text: `encode_sparse` keeps the weights above 0 alone.
    [[nodiscard]] at::Tensor encode(std::span<std::string const> texts, EncodeRun const& run = {}) const {
        at::Tensor output = at::empty({static_cast<std::int64_t>(texts.size()), model_.width()}, at::kFloat);
        for_each_row_batch(tokenize_all(texts, run), run,
                           [&](at::Tensor const& weights, std::vector<std::int64_t> const& places) {
                               output.index_copy_(0, detail::int64_tensor(places, at::kCPU), weights);
                           });
        return output;
    }
    [[nodiscard]] at::Tensor encode(std::string const& text) const { return encode(std::span(&text, 1)); }   ///< [1, V]

    /// The same for queries, which have a prompt and a length of their own.                                  [N, V] fp32 on the CPU
    [[nodiscard]] at::Tensor encode_queries(std::span<std::string const> texts, EncodeRun const& run = {}) const {
        return for_queries().encode(texts, run);
    }

    /// The weights above 0 of each text, in the order of the texts. Whole rows are held for one batch at a time.
    [[nodiscard]] SparseVectors encode_sparse(std::span<std::string const> texts, EncodeRun const& run = {}) const {
        return encode_sparse_ids(tokenize_all(texts, run), run);
    }
    /// The same for token ids with [CLS] and [SEP], as `tokenize` gives them.
    [[nodiscard]] SparseVectors encode_sparse_ids(std::span<std::vector<TokenId> const> ids, EncodeRun const& run = {}) const {
        if (counts_terms_) { return term_weights(ids); }
        std::vector<std::vector<WeightedTerm>> lists(ids.size());
        for_each_row_batch(ids, run, [&](at::Tensor const& weights, std::vector<std::int64_t> const& places) {
            at::Tensor const rows = weights.contiguous();
            auto const width = static_cast<std::size_t>(rows.size(1));
            for (std::size_t b = 0; b < places.size(); ++b) {
                SparseVectors one;
                one.add({rows.const_data_ptr<float>() + b * width, width});
                lists[static_cast<std::size_t>(places[b])] = std::move(one.weights);
            }
        });
        SparseVectors all;
        for (std::vector<WeightedTerm> const& list : lists) {
            all.weights.insert(all.weights.end(), list.begin(), list.end());
            all.begins.push_back(all.weights.size());
        }
        return all;
    }

    /// The ids of a text as the encoder reads them: [CLS] prompt content [SEP], cut to the maximum length.
    [[nodiscard]] std::vector<TokenId> tokenize(std::string const& text) const {
        return detail::with_specials(tokenizer_.encode(prompt_.empty() ? text : prompt_ + text), tokenizer_.traits().special(),
                                     options_.max_length);
    }

    /// An encoder of queries as texts, which shares the tensors: the query's length is its maximum length, the query's prompt its prompt.
    [[nodiscard]] SparseEncoder for_queries() const {
        SparseEncoder queries = *this;
        if (options_.query_length != 0) { queries.options_.max_length = std::exchange(queries.options_.query_length, 0); }
        queries.counts_terms_ = options_.query_weights.defined();
        queries.prompt_ = options_.prompts.of_queries();
        return queries;
    }
    /// The same encoder with these prompts.
    [[nodiscard]] SparseEncoder with_prompts(Prompts prompts) const {
        SparseEncoder copy = *this;
        copy.prompt_ = prompts.of_documents();
        copy.options_.prompts = std::move(prompts);
        return copy;
    }
    /// The same encoder with this length of queries. \throws InputError  where it does not fit the encoder
    [[nodiscard]] SparseEncoder with_query_length(std::size_t length) const {
        detail::require_fit(tokenizer_, model_.shape(), length, 2);
        SparseEncoder copy = *this;
        copy.options_.query_length = length;
        return copy;
    }
    /// The same encoder with this prompt before the texts of `encode`.
    [[nodiscard]] SparseEncoder with_prompt(std::string prompt) const {
        SparseEncoder copy = *this;
        copy.prompt_ = std::move(prompt);
        return copy;
    }
    /// What `encode` puts before each text; empty: nothing.
    [[nodiscard]] std::string const& prompt() const noexcept { return prompt_; }

    [[nodiscard]] AnyTextModel const& model() const noexcept { return model_; }
    [[nodiscard]] AnyTokenizer const& tokenizer() const noexcept { return tokenizer_; }
    [[nodiscard]] SparseEncoderOptions const& options() const noexcept { return options_; }

private:
    [[nodiscard]] std::vector<std::vector<TokenId>> tokenize_all(std::span<std::string const> texts, EncodeRun const& run) const {
        return detail::tokenize_all<std::vector<TokenId>>(texts.size(), run, [&](std::size_t i) { return tokenize(texts[i]); });
    }

    /// Calls `use(weights, places)` with whole rows of each batch.                                              weights [B, V]
    template <class Use>
    void for_each_row_batch(std::span<std::vector<TokenId> const> ids, EncodeRun const& run, Use const& use) const {
        if (counts_terms_) {
            for (std::size_t i = 0; i < ids.size(); ++i) {
                at::Tensor const row = at::zeros({1, model_.width()}, at::kFloat);
                for (WeightedTerm const& term : term_weights(ids.subspan(i, 1)).weights) {
                    row.mutable_data_ptr<float>()[term.term] = term.weight;
                }
                use(row, {static_cast<std::int64_t>(i)});
            }
            return;
        }
        detail::for_each_batch(ids, run, [&](PackedView const& view, std::vector<std::int64_t> const& places) {
            at::Tensor const weights = model_(to_tensors(view, model_.device())).to(at::kFloat).cpu();
            detail::require_finite(weights, places, ids.size());
            use(weights, places);
        });
    }

    /// The set of the tokens of each text between [CLS] and [SEP], with the weights of queries.
    [[nodiscard]] SparseVectors term_weights(std::span<std::vector<TokenId> const> ids) const {
        float const* const weights = options_.query_weights.const_data_ptr<float>();
        SparseVectors all;
        for (std::vector<TokenId> const& text : ids) {
            std::set<TokenId> const terms(text.begin() + 1, text.end() - 1);
            for (TokenId const term : terms) {
                if (weights[term] > 0) { all.weights.push_back({static_cast<std::uint32_t>(term), weights[term]}); }
            }
            all.begins.push_back(all.weights.size());
        }
        return all;
    }

    void require_query_weights() const {
        at::Tensor const& weights = options_.query_weights;
        bool const fits = weights.dim() == 1 && weights.size(0) == model_.width() && weights.scalar_type() == at::kFloat &&
                          weights.is_contiguous();
        if (fits && weights.ge(0).logical_and(weights.isfinite()).all().item<bool>()) { return; }
        throw InputError(Diagnostic{.file = {},
                                    .expected = "one finite weight of at least 0 for each of the " +
                                                std::to_string(model_.width()) + " tokens in queries",
                                    .found = fits ? "other numbers" : std::to_string(weights.numel()) + " weights"});
    }

    AnyTextModel model_;
    AnyTokenizer tokenizer_;
    SparseEncoderOptions options_;
    std::string prompt_ = {};
    bool counts_terms_ = false;   // texts are queries of `query_weights`
};

}  // namespace bmae
