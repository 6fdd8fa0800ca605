// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// A composition with one slot exchanged throughout: another encoder, bottleneck or decoder, a term or a pass less. The result is the
/// type that the composition has when it is spelled out.
#pragma once

#include <tuple>
#include <type_traits>
#include <utility>

#include <bmae/model/branch.hpp>
#include <bmae/model/model.hpp>
#include <bmae/model/via.hpp>

namespace bmae {

namespace detail {

template <class ModelT, class E>
struct EncoderExchanged;
template <class Old, class... Part, class E>
struct EncoderExchanged<Model<Old, Part...>, E> {
    using type = Model<E, Part...>;
};

template <class B, class Old, class New>
using ExchangedWhereOld = std::conditional_t<std::is_same_v<B, Old>, New, B>;
template <class Part, class Old, class New>
struct BottleneckExchanged {
    using type = Part;
};
template <class B, class Term, class Old, class New>
struct BottleneckExchanged<Via<B, Term>, Old, New> {
    using type = Via<ExchangedWhereOld<B, Old, New>, Term>;
};
template <class Tower, class ViewT, class B, class... Term, class Old, class New>
struct BottleneckExchanged<PassOf<Tower, ViewT, B, Term...>, Old, New> {
    using type = PassOf<Tower, ViewT, ExchangedWhereOld<B, Old, New>, typename BottleneckExchanged<Term, Old, New>::type...>;
};
template <class ModelT, class Old, class New>
struct AllBottlenecksExchanged;
template <class E, class... Part, class Old, class New>
struct AllBottlenecksExchanged<Model<E, Part...>, Old, New> {
    using type = Model<E, typename BottleneckExchanged<Part, Old, New>::type...>;
};

/// The decoder of a branch, and of all branches of a pass or a model.
template <class Part, class Old, class New>
struct DecoderExchanged {
    using type = Part;
};
template <class ViewT, class Old, class Loss, class Head, class New>
struct DecoderExchanged<Branch<ViewT, Old, Loss, Head>, Old, New> {
    using type = Branch<ViewT, New, Loss, Head>;
};
template <class Tower, class ViewT, class B, class... Term, class Old, class New>
struct DecoderExchanged<PassOf<Tower, ViewT, B, Term...>, Old, New> {
    using type = PassOf<Tower, ViewT, B, typename DecoderExchanged<Term, Old, New>::type...>;
};
template <class E, class... Part, class Old, class New>
struct DecoderExchanged<Model<E, Part...>, Old, New> {
    using type = Model<E, typename DecoderExchanged<Part, Old, New>::type...>;
    static_assert(!std::is_same_v<type, Model<E, Part...>>,
                  "WithDecoder: no branch of the composition has the decoder to exchange.");
};

/// Those of `Item` that are not `Removed`, in a tuple.
template <class Removed, class... Item>
using Others = decltype(std::tuple_cat(
    std::declval<std::conditional_t<std::is_same_v<Item, Removed>, std::tuple<>, std::tuple<Item>>>()...));

/// A pass or a model without the part `Removed`, which is a pass, a trailing term or a term of a pass.
template <class Part, class Removed>
struct PartRemoved {
    using type = Part;
};
template <class Tower, class ViewT, class B, class... Term, class Removed>
struct PartRemoved<PassOf<Tower, ViewT, B, Term...>, Removed> {
    template <class... Other>
    static PassOf<Tower, ViewT, B, Other...> rebuilt(std::tuple<Other...> const*);
    using type = decltype(rebuilt(static_cast<Others<Removed, Term...> const*>(nullptr)));
};
template <class E, class... Part, class Removed>
struct PartRemoved<Model<E, Part...>, Removed> {
    template <class... Other>
    static Model<E, typename PartRemoved<Other, Removed>::type...> rebuilt(std::tuple<Other...> const*);
    using type = decltype(rebuilt(static_cast<Others<Removed, Part...> const*>(nullptr)));
    static_assert(!std::is_same_v<type, Model<E, Part...>>,
                  "Without: the composition has no such pass or term. Spell it as the composition does, its corruptor included.");
};

template <class ModelT, class... Removed>
struct PartsRemoved {
    using type = ModelT;
};
template <class ModelT, class First, class... Removed>
struct PartsRemoved<ModelT, First, Removed...> : PartsRemoved<typename PartRemoved<ModelT, First>::type, Removed...> {};

}  // namespace detail

/// `ModelT` over the encoder `E`: `WithEncoder<RetroMae, MyEncoder>`.
template <class ModelT, class E>
using WithEncoder = typename detail::EncoderExchanged<ModelT, E>::type;

/// `ModelT` with the bottleneck `New` wherever it has `Old`, in passes and in terms with one of their own (`Via`):
/// `WithBottleneck<Retriever, ClsBottleneck, MeanBottleneck>`.
template <class ModelT, class Old, class New>
using WithBottleneck = typename detail::AllBottlenecksExchanged<ModelT, Old, New>::type;

/// `ModelT` with the decoder `New` in every branch that has `Old`: `WithDecoder<Master, BasicDecoder, Shared<"basic", BasicDecoder>>`.
template <class ModelT, class Old, class New>
using WithDecoder = typename detail::DecoderExchanged<ModelT, Old, New>::type;

/// `ModelT` without these terms and passes, an ablation: `Without<RetroMae, MaskedLanguageModel>`. Each must be in it; a term is removed
/// from every pass that has it. What follows a removed part moves up, and with it the paths of its options and parameters.
template <class ModelT, class... Removed>
using Without = typename detail::PartsRemoved<ModelT, Removed...>::type;

}  // namespace bmae
