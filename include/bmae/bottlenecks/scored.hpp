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
#include <bmae/nn/initialize.hpp>
#include <bmae/nn/linear.hpp>

namespace bmae {

/// s = w tanh(W Inner(x) + b) + c: the pooler and the classifier of BERT's sequence classification with one label (Devlin et al.,
/// arXiv 1810.04805; as a reranker Nogueira, Cho, arXiv 1901.04085). All passes of a model share the head, under `shared.score`.
/// Deviation: Hugging Face's classes also apply dropout to the pooled vector.
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
    static constexpr bool gives_scores = true;

    template <Encoder E>
    Scored(Options options, E const& encoder, std::uint64_t seed, std::string const&)
        : inner_(std::move(options.inner)),
          pooler_(encoder.shape().width, encoder.shape().width),
          classifier_(encoder.shape().width, 1) {
        double const deviation = encoder.shape().initial_deviation;
        initialize(pooler_, pooler_name, seed, Initialization::bert, deviation);
        initialize(classifier_, classifier_name, seed, Initialization::bert, deviation);
    }

    template <Encoder E>
    [[nodiscard]] at::Tensor pool(Encoded const& encoded, PackedInput const& input, E const&) const {   // [B, 1]
        return classifier_(at::tanh(pooler_(inner_.pool(encoded, input))));
    }
    template <class E>
    [[nodiscard]] std::int64_t width(E const&) const {
        return 1;
    }
    template <class Visit>
    void for_each_parameter(std::string const&, Visit&& visit) {
        pooler_.for_each_parameter(pooler_name, visit);
        classifier_.for_each_parameter(classifier_name, visit);
    }

private:
    static constexpr char const* pooler_name = "shared.score.pooler.dense";
    static constexpr char const* classifier_name = "shared.score.classifier";

    Inner inner_;
    Linear pooler_;
    Linear classifier_;
};

}  // namespace bmae
