// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// A cross-encoder: scores of queries with passages.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/sigmoid.h>

#include <bmae/batch/to_tensors.hpp>
#include <bmae/bottlenecks/scored.hpp>
#include <bmae/retrieval/any_text_model.hpp>
#include <bmae/retrieval/encode_run.hpp>
#include <bmae/sources/candidates.hpp>
#include <bmae/text/any_tokenizer.hpp>
#include <bmae/values/error.hpp>
#include <bmae/values/packed_type.hpp>
#include <bmae/values/shape.hpp>
#include <bmae/values/tokens.hpp>

namespace bmae {

/// Options for reading pairs; stored beside the weights.
struct CrossEncoderOptions {
    std::size_t query_length = 0;   ///< tokens of the query alone; 0: no separate limit
    std::size_t max_length = 512;   ///< tokens of the pair with its special ones; the passage is truncated first
    bool sigmoid = false;           ///< scores from 0 to 1, in the same order
};

/// How a cross-encoder over an encoder of this shape reads a pair: with the tokenizer's separators, and token types where both have them.
/// \throws InputError  a tokenizer whose files join two texts in another form, or do not say how
inline PairForm pair_form(AnyTokenizer const& tokenizer, Shape const& shape) {
    std::optional<PairForm> form = tokenizer.pair_form();
    if (!form) {
        throw InputError(
            Diagnostic{.file = {},
                       .expected = "a tokenizer that joins two texts as [CLS] a [SEP] b [SEP] or <s> a </s></s> b </s>",
                       .found = "another post_processor in its tokenizer.json",
                       .hint = "Use the tokenizer of a BERT, RoBERTa or ModernBERT model."});
    }
    form->token_types = form->token_types && shape.token_types >= 2;
    return *form;
}

/// Encodes a query and a passage together and scores the passage's relevance (Nogueira, Cho, arXiv 1901.04085).
class CrossEncoder {
public:
    /// \param head  built over an encoder of this type, with the trained weights: see `take_tensors`
    /// Throws InputError where vocabulary or length do not fit the encoder, for a tokenizer without [CLS] and [SEP], and for one
    /// without a form of pairs.
    template <Encoder E, class Inner>
    CrossEncoder(E encoder, Scored<Inner> head, AnyTokenizer tokenizer, CrossEncoderOptions options)
        : model_(std::move(encoder), std::move(head)),
          tokenizer_(std::move(tokenizer)),
          options_(options),
          form_(pair_form(tokenizer_, model_.shape())) {
        detail::require_fit(tokenizer_, model_.shape(), options_.max_length, 2 + form_.separators);
    }

    /// One score per passage, in their order: higher is more relevant. Throws NonFiniteVector for a score that is not finite.
    ///                                                                                            [N] fp32 on the CPU
    [[nodiscard]] at::Tensor score(std::string const& query, std::span<std::string const> passages,
                                   EncodeRun const& run = {}) const {
        std::vector<TokenId> const read = tokenizer_.encode(query);
        return score_all(passages.size(), run, [&](std::size_t i) { return pair_of(read, tokenizer_.encode(passages[i])); });
    }
    /// The same for pairs of a query and a passage.                                               [N] fp32 on the CPU
    [[nodiscard]] at::Tensor score(std::span<std::pair<std::string, std::string> const> pairs, EncodeRun const& run = {}) const {
        return score_all(pairs.size(), run, [&](std::size_t i) {
            return pair_of(tokenizer_.encode(pairs[i].first), tokenizer_.encode(pairs[i].second));
        });
    }

    /// The same with weights packed for inference on this processor: see `SentenceEncoder::packed`.
    /// \throws InputError  as `AnyTextModel::packed`
    [[nodiscard]] CrossEncoder packed(PackedType type = PackedType::fp32) const {
        CrossEncoder copy = *this;
        copy.model_ = model_.packed(type);
        return copy;
    }

    [[nodiscard]] AnyTextModel const& model() const noexcept { return model_; }
    [[nodiscard]] AnyTokenizer const& tokenizer() const noexcept { return tokenizer_; }
    [[nodiscard]] CrossEncoderOptions const& options() const noexcept { return options_; }

private:
    [[nodiscard]] MaskedText pair_of(std::span<TokenId const> query, std::span<TokenId const> passage) const {
        std::size_t const longest = options_.query_length == 0 ? query.size() : options_.query_length;
        return QueryWithCandidate::pair_text(query, passage, tokenizer_.traits().special(), longest, options_.max_length, form_);
    }

    template <class Pair>
    [[nodiscard]] at::Tensor score_all(std::size_t count, EncodeRun const& run, Pair const& pair) const {
        auto const pairs = detail::tokenize_all<MaskedText>(count, run, pair);
        at::Tensor output = at::empty({static_cast<std::int64_t>(count)}, at::kFloat);
        detail::for_each_batch(
            pairs, run, [](MaskedText const& text) { return text.input_ids.size(); },
            [](PackedView& view, MaskedText const& text) { view.append_input(text.input_ids, text.types); },
            [&](PackedView const& view, std::vector<std::int64_t> const& places) {
                at::Tensor scores = model_(to_tensors(view, model_.device())).to(at::kFloat).squeeze(1);
                if (options_.sigmoid) { scores = at::sigmoid(scores); }
                scores = scores.cpu();
                detail::require_finite(scores.unsqueeze(1), places, count);
                output.index_copy_(0, detail::int64_tensor(places, at::kCPU), scores);
            });
        return output;
    }

    AnyTextModel model_;
    AnyTokenizer tokenizer_;
    CrossEncoderOptions options_;
    PairForm form_;
};

}  // namespace bmae
