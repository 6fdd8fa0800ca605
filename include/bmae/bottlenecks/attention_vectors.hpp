// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Several sentence vectors per text.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/zeros.h>

#include <bmae/concepts/bottleneck.hpp>
#include <bmae/nn/initialize.hpp>
#include <bmae/values/error.hpp>

namespace bmae {

/// K vectors per text: v_k = sum_i softmax_i(c_k . h_i) h_i over the tokens of the text, with a learned code c_k for each k (Humeau et
/// al.: Poly-encoders, arXiv 1905.01969, section 4.4, whose candidate aggregates them; compared as sets by ME-BERT, arXiv
/// 2005.00181). All passes of a model share the codes, under `shared.codes`. Rows are the K vectors side by side:
/// [B, K H], which `VectorSetContrast` takes apart again.
class AttentionVectors {
public:
    struct Options {
        std::int64_t vectors = 4;   ///< K; Poly-encoders: 16, 64, 360; ME-BERT: 3 to 8

        template <class Visit>
        void for_each_option(Visit&& visit) {
            visit("vectors", vectors, "vectors of a text");
        }
    };
    static constexpr std::string_view name = "attention_vectors";

    /// Throws InputError for a number of vectors below 1.
    template <Encoder E>
    AttentionVectors(Options options, E const& encoder, std::uint64_t seed, std::string const&) {
        if (options.vectors < 1) {
            throw InputError(Diagnostic{
                .file = {}, .expected = "at least 1 vector of a text", .found = std::to_string(options.vectors), .hint = {}});
        }
        codes_ = at::empty({options.vectors, encoder.shape().width});
        initialize(*this, "", seed, Initialization::bert, encoder.shape().initial_deviation);
    }

    template <Encoder E>
    [[nodiscard]] at::Tensor pool(Encoded const& encoded, PackedInput const& input, E const&) const {   // [B, K H] fp32
        at::Tensor const hidden = encoded.hidden.to(at::kFloat);                                        // [T, H]
        at::Tensor const scores = at::linear(hidden, codes_.to(at::kFloat));                            // [T, K]
        at::Tensor const texts = at::zeros({input.texts(), scores.size(1)}, scores.options());
        at::Tensor const rows = input.text_of_row.unsqueeze(1).expand_as(scores);
        at::Tensor const highest = texts.scatter_reduce(0, rows, scores.detach(), "amax", /*include_self=*/false);
        at::Tensor const masses = (scores - highest.index_select(0, input.text_of_row)).exp();
        at::Tensor const sums = texts.index_add(0, input.text_of_row, masses);
        at::Tensor const shares = masses / sums.index_select(0, input.text_of_row);   // [T, K]
        at::Tensor const parts = (shares.unsqueeze(2) * hidden.unsqueeze(1)).flatten(1);
        return at::zeros({input.texts(), parts.size(1)}, parts.options()).index_add(0, input.text_of_row, parts);
    }
    template <class E>
    [[nodiscard]] std::int64_t width(E const&) const {
        return codes_.numel();
    }
    template <class Visit>
    void for_each_parameter(std::string const&, Visit&& visit) {
        visit("shared.codes.weight", codes_, ParameterRole::weight);
    }

private:
    at::Tensor codes_;   // [K, H]
};

}  // namespace bmae
