// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// One weight per token of the vocabulary.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <tuple>

#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/log1p.h>
#include <ATen/ops/relu.h>
#include <ATen/ops/topk.h>

#include <bmae/concepts/bottleneck.hpp>
#include <bmae/nn/pooled_logits.hpp>

namespace bmae {

namespace detail {

/// True for the `count` largest numbers of every row, of equal ones those further left.                [N, V] -> [N, V] bool
inline at::Tensor largest_of_rows(at::Tensor const& rows, std::int64_t count) {
    at::Tensor const values = rows.detach();
    if (count >= values.size(1)) { return values.eq(values); }
    at::Tensor const least = std::get<0>(at::topk(values, count, 1)).narrow(1, count - 1, 1);   // [N, 1]
    at::Tensor const above = values.gt(least);
    at::Tensor const tied = values.eq(least);
    return above.logical_or(tied.logical_and(tied.cumsum(1).le(count - above.sum(1, true))));
}

}  // namespace detail

/// h_v = mu_v, the highest logit of token v over all rows but the first: what DupMAE's bag of words trains (arXiv 2211.08769,
/// equation 5); or log(1 + ReLU(mu_v)), the lexical vector of SPLADE (arXiv 2109.10086), whose released code pools all rows, and of
/// LexMAE's fine-tuning, which `flops` keeps sparse. V wide, zeros for a text without a row that counts.
class LexicalBottleneck {
public:
    struct Options {
        bool saturated = false;          ///< log(1 + ReLU(mu)); DupMAE: false
        bool separator_counts = true;    ///< also pools the row of the final [SEP], as in DupMAE's pre-training; LexMAE: false
        bool first_row_counts = false;   ///< also pools the row of [CLS]: SPLADE's released code; DupMAE, LexMAE: false
        /// The k highest weights of a text are kept, the others are 0 and get no gradient (Yang, Ma, Lin: Top-k Masking, arXiv
        /// 2112.09628, in place of a regularizer); 0: all.
        std::size_t terms = 0;

        template <class Visit>
        void for_each_option(Visit&& visit) {
            visit("saturated", saturated, "log(1 + ReLU) of the highest logits");
            visit("separator_counts", separator_counts, "also pool the row of the final [SEP]");
            visit("first_row_counts", first_row_counts, "also pool the row of [CLS]");
            visit("terms", terms, "the N highest weights of a text are kept; 0: all");
        }
        friend bool operator==(Options const&, Options const&) = default;
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
        at::Tensor const weights = options_.saturated ? at::log1p(at::relu(mu)) : mu;
        bool const all = options_.terms == 0 || options_.terms >= static_cast<std::size_t>(weights.size(1));
        if (all) { return weights; }
        return weights.masked_fill(detail::largest_of_rows(weights, static_cast<std::int64_t>(options_.terms)).logical_not(), 0);
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
