// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Encoding of a corpus: common code of sentence, cross, sparse and token encoders.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include <ATen/core/Tensor.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/isfinite.h>

#include <bmae/batch/packed_batch.hpp>
#include <bmae/detail/parallel.hpp>
#include <bmae/text/any_tokenizer.hpp>
#include <bmae/values/error.hpp>
#include <bmae/values/shape.hpp>
#include <bmae/values/tokens.hpp>

namespace bmae {

/// Options for encoding a corpus.
struct EncodeRun {
    std::size_t batch_tokens = 4096;   ///< tokens of one batch; bounds the memory
    std::size_t batch_texts = 0;       ///< texts of one batch, in place of `batch_tokens`; 0: by tokens
    unsigned threads = 0;              ///< that tokenize; 0: one per processor (the encoder runs on LibTorch's own threads)
    /// Called after each batch, in texts; before that with 0 while texts are tokenized. May throw to stop.
    std::function<void(std::size_t done, std::size_t total)> on_progress = {};
};

/// A text whose vector is not finite.
class NonFiniteVector : public InputError {
public:
    /// \param text   its index in the texts that were given to an encoder
    /// \param count  of these texts
    NonFiniteVector(std::size_t text, std::size_t count)
        : NonFiniteVector(text, "text " + std::to_string(text + 1) + " of " + std::to_string(count)) {}
    /// \param name  of the text, for the message
    NonFiniteVector(std::size_t text, std::string const& name)
        : InputError(Diagnostic{.file = {},
                                .expected = "vectors of finite numbers",
                                .found = "NaN or infinity for " + name,
                                .hint = "A weight is not finite, or activations overflow."}),
          text_(text) {}

    [[nodiscard]] std::size_t text() const noexcept { return text_; }

private:
    std::size_t text_;
};

namespace detail {

/// Refuses a tokenizer without [CLS] and [SEP], one of more tokens than the model has, and lengths beyond its positions.
/// \param specials  special tokens: the minimum length
inline void require_fit(AnyTokenizer const& tokenizer, Shape const& shape, std::size_t max_length, std::size_t specials) {
    require_encoder_tokens(tokenizer, /*for_training=*/false);
    if (static_cast<std::int64_t>(tokenizer.size()) > shape.vocabulary) {
        throw InputError(Diagnostic{
            .file = {},
            .expected = "a tokenizer of at most " + std::to_string(shape.vocabulary) + " tokens, the model's vocabulary",
            .found = std::to_string(tokenizer.size()),
            .hint = "Use the tokenizer that the model was trained with."});
    }
    auto const positions = static_cast<std::size_t>(shape.positions);
    if (max_length < specials || max_length > positions) {
        throw InputError(
            Diagnostic{.file = {},
                       .expected = "a length from " + std::to_string(specials) + " to " + std::to_string(positions) + " tokens",
                       .found = std::to_string(max_length),
                       .hint = "Lower the maximum length."});
    }
}

/// [CLS] content [SEP], truncated to `max_length` tokens in all.
inline std::vector<TokenId> with_specials(std::vector<TokenId> content, SpecialIds const& special, std::size_t max_length) {
    content.resize(std::min(content.size(), max_length - 2));
    content.insert(content.begin(), special.cls);
    content.push_back(special.sep);
    return content;
}

/// `tokenize(i)` of each text, on several threads, with progress reported as 0 texts.
template <class Ids, class Tokenize>
std::vector<Ids> tokenize_all(std::size_t count, EncodeRun const& run, Tokenize const& tokenize) {
    std::vector<Ids> texts(count);
    constexpr std::size_t between_reports = std::size_t{1} << 14;
    for (std::size_t begin = 0; begin < count; begin += between_reports) {
        if (run.on_progress) { run.on_progress(0, count); }
        parallel_for(std::min(between_reports, count - begin), 64, run.threads, [&, begin](std::size_t first, std::size_t last) {
            for (std::size_t i = begin + first; i < begin + last; ++i) { texts[i] = tokenize(i); }
        });
    }
    return texts;
}

/// Calls `use(view, places)` for batches of a token budget, longest texts first, without gradients: `places` has the indices in
/// `texts` of a view. `append(view, texts[i])` packs a text, `length(texts[i])` gives its tokens.
template <class Texts, class Length, class Append, class Use>
void for_each_batch(Texts const& texts, EncodeRun const& run, Length const& length, Append const& append, Use&& use) {
    at::NoGradGuard const no_gradients;
    std::vector<std::size_t> order(texts.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    // Longest first: peak memory is reached at the start.
    std::ranges::stable_sort(order, std::ranges::greater{}, [&](std::size_t i) { return length(texts[i]); });
    for (std::size_t begin = 0; begin < order.size();) {
        PackedView view;
        std::vector<std::int64_t> places;
        auto const fits = [&](std::size_t next) {
            if (places.empty()) { return true; }
            return run.batch_texts != 0 ? places.size() < run.batch_texts : view.tokens() + next <= run.batch_tokens;
        };
        for (; begin < order.size() && fits(length(texts[order[begin]])); ++begin) {
            append(view, texts[order[begin]]);
            places.push_back(static_cast<std::int64_t>(order[begin]));
        }
        use(view, places);
        if (run.on_progress) { run.on_progress(begin, order.size()); }
    }
}

/// Throws NonFiniteVector for vectors that are not finite, naming the first text among `places` that has one.
/// \param rows    [n, D] on the CPU, one per text
/// \param places  [n] index of the text of each row, of `count`
inline void require_finite(at::Tensor const& rows, std::vector<std::int64_t> const& places, std::size_t count) {
    at::Tensor const finite = at::isfinite(rows).all(1);   // [n]
    if (finite.all().item<bool>()) { return; }
    std::int64_t first = std::numeric_limits<std::int64_t>::max();
    for (std::size_t i = 0; i < places.size(); ++i) {
        if (!finite[static_cast<std::int64_t>(i)].item<bool>()) { first = std::min(first, places[i]); }
    }
    throw NonFiniteVector(static_cast<std::size_t>(first), count);
}

/// `for_each_batch` for token ids with [CLS] and [SEP].
template <class Texts, class Use>
void for_each_batch(Texts const& ids, EncodeRun const& run, Use&& use) {
    for_each_batch(
        ids, run, [](std::vector<TokenId> const& text) { return text.size(); },
        [](PackedView& view, std::vector<TokenId> const& text) { view.append_input(text); }, std::forward<Use>(use));
}

}  // namespace detail

}  // namespace bmae
