// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Sentence vectors of any composition, by its own bottleneck: search with a model without saving it first.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>

#include <bmae/batch/to_tensors.hpp>
#include <bmae/bottlenecks/adaptors.hpp>
#include <bmae/concepts/tokenizer.hpp>
#include <bmae/model/model.hpp>
#include <bmae/retrieval/encode_run.hpp>
#include <bmae/values/error.hpp>

namespace bmae {

namespace detail {

/// Refuses a tokenizer that cannot frame a text for an encoder of this shape, and lengths beyond its positions.
inline void require_framing(TokenTraits const& traits, Shape const& shape, std::size_t max_length) {
    auto const refuse = [](std::string expected, std::string found, std::string hint) {
        return InputError(
            Diagnostic{.file = {}, .expected = std::move(expected), .found = std::move(found), .hint = std::move(hint)});
    };
    auto const positions = static_cast<std::size_t>(shape.positions);
    if (max_length != 0 && (max_length < 2 || max_length > positions)) {
        throw refuse("a length from 2 to " + std::to_string(positions) + " tokens, the positions of the encoder",
                     std::to_string(max_length), "Lower the maximum length.");
    }
    if (traits.size() > static_cast<std::size_t>(shape.vocabulary)) {
        throw refuse("a tokenizer of at most " + std::to_string(shape.vocabulary) + " tokens, the model's vocabulary",
                     std::to_string(traits.size()), "Use the tokenizer that the model was trained with.");
    }
    if (traits.special().cls < 0 || traits.special().sep < 0) {
        throw refuse("a tokenizer with the tokens [CLS] and [SEP]", "none of one", "Use the tokenizer of an encoder.");
    }
}

/// The encoder that runs the passes of `Tower`.
template <class Tower, class M>
auto const& encoder_of(M const& model) {
    if constexpr (std::is_same_v<Tower, SecondEncoder>) {
        return model.second_encoder();
    } else {
        return model.encoder();
    }
}

}  // namespace detail

/// The vectors of `texts` as pass `pass_number` of a `Model` makes them: its encoder and its bottleneck, without a gradient and
/// without dropout. `encode(model, tokenizer, texts)`.
///
/// Each text is read whole, [CLS] tokens [SEP], cut to `max_length` tokens, whatever source and masker the pass has in training; nothing
/// is masked. An empty text is [CLS] [SEP]. Model and inputs may be of any types: the same composition that was trained, or one that
/// `load_parameters` filled.
/// \tparam pass_number  the pass whose bottleneck makes the vectors; of a bi-encoder with two bottlenecks 0 is the query side
/// \param tokenizer     that of the training corpus, with [CLS] and [SEP]
/// \param max_length    tokens of a text, [CLS] and [SEP] included; 0: as many as the encoder has positions
/// \returns fp32 on the CPU, rows in the order of `texts`                                                        [N, D]
/// Throws InputError for a tokenizer of more tokens than the vocabulary or without [CLS] and [SEP], for lengths beyond the positions, and
/// for vectors that are not finite.
template <std::size_t pass_number = 0, class M, Tokenizer T>
[[nodiscard]] at::Tensor encode(M const& model, T const& tokenizer, std::vector<std::string> const& texts,
                                std::size_t max_length = 0, EncodeRun const& run = {}) {
    static_assert(pass_number < M::pass_count, "encode: the model has no pass of this number.");
    Shape const shape = model.encoder().shape();
    detail::require_framing(tokenizer.traits(), shape, max_length);
    if (max_length == 0) { max_length = static_cast<std::size_t>(shape.positions); }
    auto const ids = detail::tokenize_all<std::vector<TokenId>>(texts.size(), run, [&](std::size_t i) {
        return detail::with_specials(tokenizer.encode(texts[i]), tokenizer.traits().special(), max_length);
    });
    at::Tensor output;
    model.for_each_pass([&]<class PassT>(PassT const& pass, std::size_t p) {
        if (p != pass_number) { return; }
        if constexpr (std::is_same_v<typename PassT::Tower, MomentumEncoder> || detail::pass_keeps_tokens<PassT>) {
            throw InputError(Diagnostic{.file = {},
                                        .expected = "a pass with one vector per text by a trained encoder",
                                        .found = "a momentum encoder, or the vectors of tokens",
                                        .hint = "Take the other pass of a momentum contrast, TokenEncoder for tokens."});
        } else {
            auto const& encoder = detail::encoder_of<typename PassT::Tower>(model);
            output = at::empty({static_cast<std::int64_t>(ids.size()), bottleneck_width(pass.bottleneck(), encoder)}, at::kFloat);
            detail::for_each_batch(ids, run, [&](PackedView const& view, std::vector<std::int64_t> const& places) {
                PackedInput const input = to_tensors(view, encoder.embeddings.word.device());
                ForwardContext context;
                Encoded const encoded = encoder.encode(input, context, PassT::keeps_layers);
                at::Tensor const vectors = pass.pool(encoded, input, encoder).to(at::kFloat).cpu();
                detail::require_finite(vectors, places, ids.size());
                output.index_copy_(0, detail::int64_tensor(places, at::kCPU), vectors);
            });
        }
    });
    return output;
}

}  // namespace bmae
