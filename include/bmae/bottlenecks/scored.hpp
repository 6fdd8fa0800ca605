// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// One score per text: the relevance of a passage to the query that it was encoded with.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include <ATen/core/Tensor.h>
#include <ATen/ops/tanh.h>

#include <bmae/bottlenecks/adaptors.hpp>
#include <bmae/bottlenecks/cls.hpp>
#include <bmae/nn/activation.hpp>
#include <bmae/nn/initialize.hpp>
#include <bmae/nn/linear.hpp>
#include <bmae/nn/unshifted_norm.hpp>
#include <bmae/values/shape.hpp>

namespace bmae {

/// s = w f(W Inner(x) + b) + c: the head of a sequence classification with one label, in the form of the encoder's family, which
/// `Shape::score_head` names: f = tanh for BERT (Devlin et al., arXiv 1810.04805; as a reranker Nogueira, Cho, arXiv 1901.04085) and
/// RoBERTa, gelu for ELECTRA, relu for DistilBERT, LayerNorm(gelu(W x)) without b for ModernBERT. All passes of a model share the
/// head, under `shared.score`. Deviation: Hugging Face's classes also apply dropout before each map.
template <class Inner = ClsBottleneck>
class Scored {
    static_assert(Bottleneck<Inner>, "Scored: the slot holds a bottleneck without parameters.");

public:
    struct Options {
        Inner inner = {};

        template <class Visit>
        void for_each_option(Visit&& visit) {
            visit.inside("inner", inner);
        }
    };
    static constexpr std::string_view name = "scored";
    static constexpr std::string_view projection = Inner::name;
    static constexpr bool reads_layers = detail::reads_layers<Inner>;
    static constexpr bool reads_first_rows = detail::reads_first_rows<Inner>;
    static constexpr bool gives_scores = true;

    template <Encoder E>
    Scored(Options options, E const& encoder, std::uint64_t seed, std::string const&)
        : Scored(std::move(options), encoder.shape(), seed) {}

    template <Encoder E>
    [[nodiscard]] at::Tensor pool(Encoded const& encoded, PackedInput const& input, E const&) const {   // [B, 1]
        return classifier_(between(pooler_(inner_.pool(encoded, input))));
    }
    template <class E>
    [[nodiscard]] std::int64_t width(E const&) const {
        return 1;
    }
    template <class Visit>
    void for_each_parameter(std::string const&, Visit&& visit) {
        pooler_.for_each_parameter(pooler_name, visit);
        norm_.for_each_parameter(norm_name, visit);
        classifier_.for_each_parameter(classifier_name, visit);
    }

private:
    static constexpr char const* pooler_name = "shared.score.pooler.dense";
    static constexpr char const* norm_name = "shared.score.pooler.norm";
    static constexpr char const* classifier_name = "shared.score.classifier";

    Scored(Options options, Shape const& shape, std::uint64_t seed)
        : inner_(std::move(options.inner)),
          head_(shape.score_head),
          activation_(shape.head_activation),
          pooler_(head_ == ScoreHead::norm ? Linear::without_bias(shape.width, shape.width) : Linear(shape.width, shape.width)),
          classifier_(shape.width, 1) {
        if (head_ == ScoreHead::norm) { norm_ = UnshiftedNorm(shape.width, shape.norm_epsilon); }
        double const deviation = shape.initial_deviation;
        initialize(pooler_, pooler_name, seed, Initialization::bert, deviation);
        initialize(norm_, norm_name, seed, Initialization::bert, deviation);
        initialize(classifier_, classifier_name, seed, Initialization::bert, deviation);
    }

    [[nodiscard]] at::Tensor between(at::Tensor const& rows) const {   // [B, H] -> [B, H]
        switch (head_) {
            case ScoreHead::tanh:
                break;
            case ScoreHead::gelu:
                return activate(rows, Activation::gelu);
            case ScoreHead::relu:
                return activate(rows, Activation::relu);
            case ScoreHead::norm:
                return norm_(activate(rows, activation_));
        }
        return at::tanh(rows);
    }

    Inner inner_;
    ScoreHead head_;
    Activation activation_;
    Linear pooler_;
    UnshiftedNorm norm_ = {};   ///< ModernBERT's; without a weight elsewhere
    Linear classifier_;
};

}  // namespace bmae
