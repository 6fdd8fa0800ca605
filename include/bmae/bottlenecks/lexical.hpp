// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// One weight per token of the vocabulary.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include <ATen/core/Tensor.h>
#include <ATen/ops/log1p.h>
#include <ATen/ops/relu.h>

#include <bmae/concepts/bottleneck.hpp>
#include <bmae/nn/pooled_logits.hpp>

namespace bmae {

/// h_v = mu_v, the highest logit of token v over all rows but the first: what DupMAE's bag of words trains (arXiv 2211.08769,
/// equation 5); or log(1 + ReLU(mu_v)), the lexical vector of SPLADE (arXiv 2109.10086), whose released code pools all rows, and of
/// LexMAE's fine-tuning, which `flops` keeps sparse. V wide, zeros for a text without a row that counts.
class LexicalBottleneck {
public:
    struct Options {
        bool saturated = false;          ///< log(1 + ReLU(mu)); DupMAE: false
        bool separator_counts = true;    ///< also pools the row of the final [SEP], as in DupMAE's pre-training; LexMAE: false
        bool first_row_counts = false;   ///< also pools the row of [CLS]: SPLADE's released code; DupMAE, LexMAE: false

        template <class Visit>
        void for_each_option(Visit&& visit) {
            visit("saturated", saturated, "log(1 + ReLU) of the highest logits");
            visit("separator_counts", separator_counts, "also pool the row of the final [SEP]");
            visit("first_row_counts", first_row_counts, "also pool the row of [CLS]");
        }
    };
    static constexpr std::string_view name = "lexical";
    static constexpr bool needs_token_head = true;

    template <HasTokenHead E>
    LexicalBottleneck(Options options, E const&, std::uint64_t, std::string const&) : options_(options) {}

    template <HasTokenHead E>
    [[nodiscard]] at::Tensor pool(Encoded const& encoded, PackedInput const& input, E const& encoder) const {   // [B, V] fp32
        at::Tensor const rows = encoder.head.transform(encoded.hidden);
        at::Tensor const mu = max_pooled_logits(rows, encoder.embeddings.word, encoder.head.bias, input.offsets,
                                                options_.first_row_counts ? 0 : 1, options_.separator_counts ? 0 : 1);
        return options_.saturated ? at::log1p(at::relu(mu)) : mu;
    }
    template <class E>
    [[nodiscard]] std::int64_t width(E const& encoder) const {
        return encoder.shape().vocabulary;
    }
    template <class Visit>
    void for_each_parameter(std::string const&, Visit&&) {}

private:
    Options options_;
};

}  // namespace bmae
