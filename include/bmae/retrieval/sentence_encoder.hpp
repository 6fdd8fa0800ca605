// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Sentence encoders: texts to vectors.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>

#include <bmae/batch/packed_batch.hpp>
#include <bmae/batch/to_tensors.hpp>
#include <bmae/bottlenecks/normalize.hpp>
#include <bmae/bottlenecks/sentence_bottleneck.hpp>
#include <bmae/retrieval/any_text_model.hpp>
#include <bmae/retrieval/encode_run.hpp>
#include <bmae/text/any_tokenizer.hpp>
#include <bmae/values/error.hpp>
#include <bmae/values/prompts.hpp>
#include <bmae/values/vector_similarity.hpp>

namespace bmae {

/// Options for reading and pooling texts; stored beside the weights, so that search is consistent with training.
struct SentenceEncoderOptions {
    SentenceBottleneck pooling = {};                   ///< the bottleneck of training; default: [CLS]
    bool normalize = false;                            ///< unit length: dot product then is cosine
    std::size_t max_length = 512;                      ///< tokens with [CLS] and [SEP]; longer texts are truncated
    std::size_t query_length = 0;                      ///< the same of a query; 0: as a text
    std::optional<VectorSimilarity> similarity = {};   ///< by which search ranks; nothing: cosine where `normalize`, else dot
    Prompts prompts = {};                              ///< put before texts, which `max_length` counts too
    bool pools_prompt = true;                          ///< false: the tokens of the prompt are read, but not pooled

    /// The similarity by which search ranks.
    [[nodiscard]] VectorSimilarity ranks_by() const {
        return similarity.value_or(normalize || pooling.unit_length() ? VectorSimilarity::cosine : VectorSimilarity::dot);
    }
    /// The same for an index over vectors of this encoder: of unit vectors a cosine is a dot product.
    [[nodiscard]] VectorSimilarity index_similarity() const {
        bool const unit = normalize || pooling.unit_length();
        return unit && ranks_by() == VectorSimilarity::cosine ? VectorSimilarity::dot : ranks_by();
    }
};

/// Tokenizer, encoder and pooling in one object, for search services. A model of two encoders reads queries by one of their own
/// (`with_query_encoder`) and everything else by the other.
class SentenceEncoder {
public:
    /// One of the encoders with its pooling.
    struct Tower {
        AnyTextModel model;
        SentenceBottleneck pooling;
    };

    /// Throws InputError where vocabulary or length do not fit the encoder, and for a tokenizer without [CLS] and [SEP].
    template <Encoder E>
    SentenceEncoder(E encoder, AnyTokenizer tokenizer, SentenceEncoderOptions options)
        : model_(std::move(encoder), options.pooling), tokenizer_(std::move(tokenizer)), options_(std::move(options)) {
        detail::require_fit(tokenizer_, model_.shape(), options_.max_length, 2);
        if (options_.query_length != 0) { detail::require_fit(tokenizer_, model_.shape(), options_.query_length, 2); }
        set_prompt(options_.prompts.of_documents());
    }

    /// One row per document, in the order of the texts, behind the prompt of documents.                    [N, D] fp32 on the CPU
    ///
    /// Texts run sorted by length in batches of a token budget. Rows depend on their own text; batching changes them
    /// by rounding alone. Throws InputError for a vector that is not finite, naming the text.
    [[nodiscard]] at::Tensor encode(std::span<std::string const> texts, EncodeRun const& run = {}) const {
        return encode_ids(
            detail::tokenize_all<std::vector<TokenId>>(texts.size(), run, [&](std::size_t i) { return tokenize(texts[i]); }),
            run);
    }
    [[nodiscard]] at::Tensor encode(std::string const& text) const { return encode(std::span(&text, 1)); }   ///< [1, D]

    /// The same for queries, which may have a prompt and a length of their own.                        [N, D] fp32 on the CPU
    [[nodiscard]] at::Tensor encode_queries(std::span<std::string const> texts, EncodeRun const& run = {}) const {
        return for_queries().encode(texts, run);
    }

    /// An encoder of queries as texts, which shares the tensors: the query's length is its maximum length, the query's prompt its prompt,
    /// the encoder of queries its encoder.
    [[nodiscard]] SentenceEncoder for_queries() const {
        SentenceEncoder queries = *this;
        if (has_query_encoder()) {
            queries.other_ = Tower{model_, options_.pooling};
            queries.reads_queries_ = true;
            queries.model_ = other_->model;
            queries.options_.pooling = other_->pooling;
        }
        if (options_.query_length != 0) { queries.options_.max_length = std::exchange(queries.options_.query_length, 0); }
        queries.set_prompt(options_.prompts.of_queries());
        return queries;
    }
    /// The same encoder with this prompt before the texts of `encode`.
    [[nodiscard]] SentenceEncoder with_prompt(std::string prompt) const {
        SentenceEncoder copy = *this;
        copy.set_prompt(std::move(prompt));
        return copy;
    }
    /// The same encoder of documents beside one of queries (Karpukhin et al.: DPR, arXiv 2004.04906), which have one tokenizer.
    /// Throws InputError where vocabulary or length do not fit the encoder, and for vectors of another width.
    template <Encoder E>
    [[nodiscard]] SentenceEncoder with_query_encoder(E encoder, SentenceBottleneck pooling) const {
        SentenceEncoder copy = *this;
        copy.other_ = Tower{AnyTextModel(std::move(encoder), pooling), pooling};
        detail::require_fit(tokenizer_, copy.other_->model.shape(),
                            options_.query_length == 0 ? options_.max_length : options_.query_length, 2);
        if (std::int64_t const width = copy.other_->model.width(); width != model_.width()) {
            throw InputError(Diagnostic{
                .file = {},
                .expected = "vectors of queries of " + std::to_string(model_.width()) + " numbers, as those of documents",
                .found = std::to_string(width)});
        }
        return copy;
    }
    /// Whether queries have an encoder of their own; that of `for_queries` has none.
    [[nodiscard]] bool has_query_encoder() const noexcept { return other_ && !reads_queries_; }
    /// All encoders, each with its pooling: that of documents first.
    [[nodiscard]] std::vector<Tower> towers() const {
        std::vector<Tower> all{{model_, options_.pooling}};
        if (other_) { all.insert(reads_queries_ ? all.begin() : all.end(), *other_); }
        return all;
    }

    /// What `encode` puts before each text; empty: nothing.
    [[nodiscard]] std::string const& prompt() const noexcept { return prompt_; }

    /// The ids of a text as the encoder reads them: [CLS] prompt content [SEP], cut to the maximum length. Prompt and text are tokenized
    /// as one.
    [[nodiscard]] std::vector<TokenId> tokenize(std::string const& text) const {
        return detail::with_specials(tokenizer_.encode(prompt_.empty() ? text : prompt_ + text), tokenizer_.traits().special(),
                                     options_.max_length);
    }

    /// The same for token ids with [CLS] and [SEP], as `tokenize` gives them.
    [[nodiscard]] at::Tensor encode_ids(std::span<std::vector<TokenId> const> ids, EncodeRun const& run = {}) const {
        at::Tensor output = at::empty({static_cast<std::int64_t>(ids.size()), model_.width()}, at::kFloat);
        detail::for_each_batch(ids, run, [&](PackedView const& view, std::vector<std::int64_t> const& places) {
            PackedInput input = to_tensors(view, model_.device());
            input.unpooled_rows = unpooled_rows_;
            at::Tensor vectors = model_(input).to(at::kFloat);
            if (options_.normalize) { vectors = normalize_rows(vectors); }
            vectors = vectors.cpu();
            detail::require_finite(vectors, places, ids.size());
            output.index_copy_(0, detail::int64_tensor(places, at::kCPU), vectors);
        });
        return output;
    }

    /// The same with weights packed for inference on this processor: the fastest way to encode on a CPU. They are copies: a model that is
    /// trained on must be packed again. A row then depends, bit for bit, on its own text alone, not on batches or threads.
    /// \throws InputError  where `model().packs(type)` is false, and for int8 and weights that are not finite
    [[nodiscard]] SentenceEncoder packed(PackedType type = PackedType::fp32) const {
        SentenceEncoder copy = *this;
        copy.model_ = model_.packed(type);
        if (other_) { copy.other_->model = other_->model.packed(type); }
        return copy;
    }

    /// Encoder and bottleneck; `model().encoder<E>()` is the encoder itself, where it is an `E`.
    [[nodiscard]] AnyTextModel const& model() const noexcept { return model_; }
    [[nodiscard]] AnyTokenizer const& tokenizer() const noexcept { return tokenizer_; }
    [[nodiscard]] SentenceEncoderOptions const& options() const noexcept { return options_; }

private:
    void set_prompt(std::string prompt) {
        prompt_ = std::move(prompt);
        unpooled_rows_ = 0;
        if (options_.pools_prompt || prompt_.empty()) { return; }
        auto const& [name, projection] = options_.pooling.description();
        if (!projection.empty() || options_.pooling.keeps_layers()) {
            throw InputError(Diagnostic{.file = {},
                                        .expected = "a pooling over the tokens of the last layer where prompts are not pooled",
                                        .found = to_string(options_.pooling),
                                        .hint = "Use cls, mean and the like, or pool the prompt."});
        }
        std::size_t const content = std::min(tokenizer_.encode(prompt_).size(), options_.max_length - 2);
        unpooled_rows_ = static_cast<std::int64_t>(content) + 1;   // [CLS] too
    }

    AnyTextModel model_;
    AnyTokenizer tokenizer_;
    SentenceEncoderOptions options_;
    std::optional<Tower> other_ = {};   ///< of two encoders: that of queries, or where this one reads queries that of documents
    bool reads_queries_ = false;
    std::string prompt_ = {};
    std::int64_t unpooled_rows_ = 0;   ///< of each text: those of a prompt that is not pooled
};

}  // namespace bmae
