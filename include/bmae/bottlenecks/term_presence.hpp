// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// A text as the set of its tokens, without a run of the encoder: the queries of SPLADE-doc.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include <ATen/TensorIndexing.h>
#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/relu.h>
#include <ATen/ops/zeros.h>

#include <bmae/concepts/encoder.hpp>
#include <bmae/values/packed_input.hpp>
#include <bmae/values/parameter_role.hpp>
#include <bmae/values/tokens.hpp>

namespace bmae {

/// 1 for every token of a text but [CLS] and [SEP], once however often it stands there, and 0 for all others (Formal et al.: SPLADE v2,
/// arXiv 2109.10086, section 3.3: a query is not expanded, and its encoding costs nothing at search time); with `learned` ReLU(w_v) in
/// place of 1, where w starts at 1 (Geng et al.: inference-free retrievers, arXiv 2411.04403, which fix w to the IDF). V wide.
///
/// Its pass runs no encoder and has no terms of its own: `reads_hidden`.
class TermPresence {
public:
    struct Options {
        bool learned = false;   ///< the weight of a token is a parameter

        template <class Visit>
        void for_each_option(Visit&& visit) {
            visit("learned", learned, "the weight of a token in queries is a parameter, which starts at 1");
        }
    };
    static constexpr std::string_view name = "term_presence";
    static constexpr bool reads_hidden = false;

    template <Encoder E>
    TermPresence(Options options, E const& encoder, std::uint64_t, std::string const&) : vocabulary_(encoder.shape().vocabulary) {
        if (options.learned) { weights_ = at::ones({vocabulary_}); }
    }

    template <Encoder E>
    [[nodiscard]] at::Tensor pool(Encoded const&, PackedInput const& input, E const&) const {   // [B, V] fp32
        at::Tensor const& ids = input.original_ids;                                             // [T]
        at::Tensor special = ids.eq(input.special.pad);
        for (TokenId const id : {input.special.cls, input.special.sep}) { special = special.logical_or(ids.eq(id)); }
        at::Tensor presence = at::zeros({input.texts(), vocabulary_}, ids.options().dtype(at::kFloat));
        presence.index_put_({input.text_of_row, ids}, special.logical_not().to(at::kFloat));   // all rows of a token are alike
        return weights_.defined() ? presence * at::relu(weights_) : presence;
    }
    template <class E>
    [[nodiscard]] std::int64_t width(E const& encoder) const {
        return encoder.shape().vocabulary;
    }
    template <class Visit>
    void for_each_parameter(std::string const& prefix, Visit&& visit) {
        if (weights_.defined()) { visit(prefix + ".weights", weights_, ParameterRole::norm_scale); }
    }

private:
    std::int64_t vocabulary_;
    at::Tensor weights_ = {};   // [V]
};

}  // namespace bmae
