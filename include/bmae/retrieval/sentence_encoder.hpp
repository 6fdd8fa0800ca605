// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Texts to vectors.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <numeric>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <ATen/core/Tensor.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/isfinite.h>

#include <bmae/batch/packed_batch.hpp>
#include <bmae/batch/to_tensors.hpp>
#include <bmae/bottlenecks/pooling.hpp>
#include <bmae/detail/parallel.hpp>
#include <bmae/encoders/bert.hpp>
#include <bmae/text/any_tokenizer.hpp>
#include <bmae/values/error.hpp>
#include <bmae/values/example.hpp>

namespace bmae {

/// How texts are read and pooled; stored beside the weights, so that search uses what training used.
struct SentenceEncoderOptions {
    Pooling pooling = Pooling::cls;
    bool normalize = false;         ///< unit length: dot product then is cosine
    std::size_t max_length = 512;   ///< tokens with [CLS] and [SEP]; what is longer is cut
};

/// How a corpus is run through the encoder.
struct EncodeRun {
    std::size_t batch_tokens = 4096;   ///< tokens of one batch; bounds the memory
    unsigned threads = 0;              ///< that tokenise; 0: one per processor (the encoder runs on LibTorch's own threads)
    /// Called after each batch, in texts; before that with 0 while texts are tokenised. May throw to stop.
    std::function<void(std::size_t done, std::size_t total)> on_progress = {};
};

/// Tokenizer, encoder and pooling in one: what a search service needs.
class SentenceEncoder {
public:
    /// Throws InputError where vocabulary or length do not fit the encoder, and for a tokenizer without [CLS] and [SEP].
    SentenceEncoder(BertEncoder encoder, AnyTokenizer tokenizer, SentenceEncoderOptions options)
        : encoder_(std::move(encoder)), tokenizer_(std::move(tokenizer)), options_(options) {
        require_encoder_tokens(tokenizer_, /*for_training=*/false);
        if (static_cast<std::int64_t>(tokenizer_.size()) > encoder_.shape().vocabulary) {
            throw InputError(Diagnostic{.file = {},
                                        .expected = "a tokenizer of at most " + std::to_string(encoder_.shape().vocabulary) +
                                                    " tokens, the model's vocabulary",
                                        .found = std::to_string(tokenizer_.size()),
                                        .hint = "Use the tokenizer that the model was trained with."});
        }
        auto const positions = static_cast<std::size_t>(encoder_.shape().positions);
        if (options_.max_length < 2 || options_.max_length > positions) {
            throw InputError(Diagnostic{.file = {},
                                        .expected = "a length from 2 to " + std::to_string(positions) + " tokens",
                                        .found = std::to_string(options_.max_length),
                                        .hint = "Lower the maximum length."});
        }
    }

    /// One row per text, in the order of the texts.                                                        [N, H] fp32 on the CPU
    ///
    /// Texts run sorted by length in batches of a token budget. Rows depend on their own text; how batches are cut changes them
    /// by rounding alone. Throws InputError for a vector that is not finite, naming the text.
    [[nodiscard]] at::Tensor encode(std::span<std::string const> texts, EncodeRun const& run = {}) const {
        std::vector<std::vector<TokenId>> ids(texts.size());
        constexpr std::size_t between_reports = std::size_t{1} << 14;
        for (std::size_t begin = 0; begin < texts.size(); begin += between_reports) {
            if (run.on_progress) { run.on_progress(0, texts.size()); }
            detail::parallel_for(std::min(between_reports, texts.size() - begin), 64, run.threads,
                                 [&, begin](std::size_t first, std::size_t last) {
                                     for (std::size_t i = begin + first; i < begin + last; ++i) {
                                         ids[i] = with_specials(tokenizer_.encode(texts[i]));
                                     }
                                 });
        }
        return encode_ids(ids, run);
    }
    [[nodiscard]] at::Tensor encode(std::string const& text) const { return encode(std::span(&text, 1)); }   ///< [1, H]

    /// The same for token ids with [CLS] and [SEP].
    [[nodiscard]] at::Tensor encode_ids(std::span<std::vector<TokenId> const> ids, EncodeRun const& run = {}) const {
        at::NoGradGuard const no_gradients;
        at::Tensor output = at::empty({static_cast<std::int64_t>(ids.size()), encoder_.shape().width}, at::kFloat);
        std::vector<std::size_t> order(ids.size());
        std::iota(order.begin(), order.end(), std::size_t{0});
        // Longest first: memory peaks at once.
        std::ranges::stable_sort(order, std::ranges::greater{}, [&](std::size_t i) { return ids[i].size(); });
        for (std::size_t begin = 0; begin < order.size();) {
            PackedView view;
            std::vector<std::int64_t> rows;
            for (; begin < order.size() && (rows.empty() || view.tokens() + ids[order[begin]].size() <= run.batch_tokens);
                 ++begin) {
                view.append(MaskedText{.original_ids = ids[order[begin]], .input_ids = ids[order[begin]]});
                rows.push_back(static_cast<std::int64_t>(order[begin]));
            }
            PackedInput const input = to_tensors(view, encoder_.embeddings.word.device());
            ForwardContext context;
            Encoded const encoded = encoder_.encode(input, context, needs_layers(options_.pooling));
            at::Tensor vectors = pool(options_.pooling, encoded, input).to(at::kFloat);
            if (options_.normalize) { vectors = normalize_rows(vectors); }
            vectors = vectors.cpu();
            require_finite(vectors, rows, order.size());
            output.index_copy_(0, detail::int64_tensor(rows, at::kCPU), vectors);
            if (run.on_progress) { run.on_progress(begin, order.size()); }
        }
        return output;
    }

    [[nodiscard]] BertEncoder& encoder() noexcept { return encoder_; }
    [[nodiscard]] BertEncoder const& encoder() const noexcept { return encoder_; }
    [[nodiscard]] AnyTokenizer const& tokenizer() const noexcept { return tokenizer_; }
    [[nodiscard]] SentenceEncoderOptions const& options() const noexcept { return options_; }

private:
    /// \param texts  number of the text of each row, of `count`
    static void require_finite(at::Tensor const& vectors, std::vector<std::int64_t> const& texts, std::size_t count) {
        at::Tensor const finite = at::isfinite(vectors).all(1);   // [n]
        if (finite.all().item<bool>()) { return; }
        std::int64_t first = std::numeric_limits<std::int64_t>::max();
        for (std::size_t i = 0; i < texts.size(); ++i) {
            if (!finite[static_cast<std::int64_t>(i)].item<bool>()) { first = std::min(first, texts[i]); }
        }
        throw InputError(
            Diagnostic{.file = {},
                       .expected = "vectors of finite numbers",
                       .found = "NaN or infinity in that of text " + std::to_string(first + 1) + " of " + std::to_string(count),
                       .hint = "The model has such a weight, or its numbers overflow."});
    }

    [[nodiscard]] std::vector<TokenId> with_specials(std::vector<TokenId> content) const {
        SpecialIds const& special = tokenizer_.traits().special();
        content.resize(std::min(content.size(), options_.max_length - 2));
        content.insert(content.begin(), special.cls);
        content.push_back(special.sep);
        return content;
    }

    BertEncoder encoder_;
    AnyTokenizer tokenizer_;
    SentenceEncoderOptions options_;
};

}  // namespace bmae
