// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// The sentence vector is a mixture of word embeddings.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include <ATen/core/Tensor.h>
#include <ATen/ops/softmax.h>

#include <bmae/concepts/bottleneck.hpp>
#include <bmae/nn/bf16_products.hpp>
#include <bmae/nn/pooled_logits.hpp>

namespace bmae {

/// h = softmax(mu) E with mu the highest logit of every token over the text, without [CLS] and [SEP], and E the word embeddings
/// without gradient (Shen et al.: LexMAE, arXiv 2208.14754, equations 3-5).
class LexiconBottleneck {
public:
    struct Options {};
    static constexpr std::string_view name = "lexicon";
    static constexpr bool needs_token_head = true;

    template <HasTokenHead E>
    LexiconBottleneck(Options, E const&, std::uint64_t, std::string const&) {}

    template <HasTokenHead E>
    [[nodiscard]] at::Tensor pool(Encoded const& encoded, PackedInput const& input, E const& encoder) const {   // [B, H]
        at::Tensor const& word = encoder.embeddings.word;
        at::Tensor const pooled =
            max_pooled_logits(encoder.head.transform(encoded.hidden), word, encoder.head.bias, input.offsets, 1, 1);   // [B, V]
        return detail::matrix_product(at::softmax(pooled, 1).to(word.scalar_type()), word.detach());
    }

    template <class Visit>
    void for_each_parameter(std::string const&, Visit&&) {}
};

}  // namespace bmae
