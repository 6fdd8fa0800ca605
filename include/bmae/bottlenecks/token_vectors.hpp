// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// A low-dimensional vector for every token: late interaction.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>

#include <bmae/bottlenecks/adaptors.hpp>
#include <bmae/bottlenecks/normalize.hpp>
#include <bmae/nn/bf16_products.hpp>
#include <bmae/nn/initialize.hpp>
#include <bmae/values/error.hpp>

namespace bmae {

/// v_i = normalize(W h_i) for every token i (Khattab, Zaharia: ColBERT, arXiv 2004.12832, equations 1-2, whose filter of
/// punctuation and whose [MASK] padding of queries are left out). All passes of a model share W,
/// under `shared.token_projection`. Rows are those of the tokens: [T, D].
class TokenVectors {
public:
    struct Options {
        std::int64_t width = 128;   ///< D; ColBERT: 128

        template <class Visit>
        void for_each_option(Visit&& visit) {
            visit("width", width, "columns of a token's vector");
        }
    };
    static constexpr std::string_view name = "token_vectors";
    static constexpr bool keeps_tokens = true;

    /// Throws InputError for a width below 1.
    template <Encoder E>
    TokenVectors(Options options, E const& encoder, std::uint64_t seed, std::string const&) {
        if (options.width < 1) {
            throw InputError(Diagnostic{.file = {},
                                        .expected = "a width of at least 1 for the vectors of tokens",
                                        .found = std::to_string(options.width),
                                        .hint = "ColBERT uses 128."});
        }
        weight_ = at::empty({options.width, encoder.shape().width});
        initialize(*this, "", seed, Initialization::bert, encoder.shape().initial_deviation);
    }

    template <Encoder E>
    [[nodiscard]] at::Tensor pool(Encoded const& encoded, PackedInput const&, E const&) const {   // [T, D] fp32
        return normalize_rows(detail::affine(encoded.hidden, weight_).to(at::kFloat));
    }
    template <class E>
    [[nodiscard]] std::int64_t width(E const&) const {
        return weight_.size(0);
    }
    template <class Visit>
    void for_each_parameter(std::string const&, Visit&& visit) {
        visit("shared.token_projection.weight", weight_, ParameterRole::weight);
    }

private:
    at::Tensor weight_;   // [D, H]
};

}  // namespace bmae
