// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// A composition with an encoder for its first text and another one for all others.
#pragma once

#include <type_traits>

#include <bmae/model/model.hpp>

namespace bmae {

namespace detail {

/// A pass of the model's own encoder becomes one of the second; any other part stays what it is.
template <class Part>
struct BySecondEncoder {
    using type = Part;
};
template <class ViewT, class BottleneckT, class... Term>
struct BySecondEncoder<PassOf<TiedEncoder, ViewT, BottleneckT, Term...>> {
    using type = PassOf<SecondEncoder, ViewT, BottleneckT, Term...>;
};

template <class ModelT>
struct EncodersUntied;
template <class E, class First, class... Part>
struct EncodersUntied<Model<E, First, Part...>> {
    using type = Model<E, First, typename BySecondEncoder<Part>::type...>;
    static_assert(!std::is_same_v<type, Model<E, First, Part...>>,
                  "TwoEncoders: the composition has no second pass by the model's own encoder, which a second one could run.");
};

}  // namespace detail

/// `ModelT` whose passes but the first are run by a second encoder, which starts as a copy of the first and is trained with it:
/// `TwoEncoders<Retriever>` has an encoder of queries and one of passages (Karpukhin et al.: DPR, arXiv 2004.04906, section 3.1; SimLM's
/// and Tevatron's code offer both forms). Parameters of the second one are named `second.encoder...`.
template <class ModelT>
using TwoEncoders = typename detail::EncodersUntied<ModelT>::type;

/// The hyperparameters of `TwoEncoders<ModelT>`, for a preset: those of `ModelT`.
template <class ModelT>
struct TwoEncoderHyperparameters {
    using type = typename PresetHyperparameters<ModelT>::type;
    template <class M = TwoEncoders<ModelT>>
    static typename M::Options options(type const& hyperparameters) {
        return PresetHyperparameters<ModelT>::template options<M>(hyperparameters);
    }
};

}  // namespace bmae
