// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// A composition with one slot exchanged throughout: another encoder, another bottleneck, a term less.
#pragma once

#include <tuple>
#include <type_traits>

#include <bmae/model/model.hpp>

namespace bmae {

namespace detail {

template <class ModelT, class E>
struct EncoderExchanged;
template <class Old, class... Part, class E>
struct EncoderExchanged<Model<Old, Part...>, E> {
    using type = Model<E, Part...>;
};

template <class Part, class Old, class New>
struct BottleneckExchanged {
    using type = Part;
};
template <class Tower, class ViewT, class Old, class... Term, class New>
struct BottleneckExchanged<PassOf<Tower, ViewT, Old, Term...>, Old, New> {
    using type = PassOf<Tower, ViewT, New, Term...>;
};
template <class ModelT, class Old, class New>
struct AllBottlenecksExchanged;
template <class E, class... Part, class Old, class New>
struct AllBottlenecksExchanged<Model<E, Part...>, Old, New> {
    using type = Model<E, typename BottleneckExchanged<Part, Old, New>::type...>;
};

/// The pass without the terms that are `Removed`; `Terms` collects the others in a tuple.
template <class Tower, class ViewT, class B, class Tuple>
struct PassOfTuple;
template <class Tower, class ViewT, class B, class... Term>
struct PassOfTuple<Tower, ViewT, B, std::tuple<Term...>> {
    using type = PassOf<Tower, ViewT, B, Term...>;
};
template <class Part, class Removed>
struct TermRemoved {
    using type = Part;
};
template <class Tower, class ViewT, class B, class... Term, class Removed>
struct TermRemoved<PassOf<Tower, ViewT, B, Term...>, Removed> {
    using type = typename PassOfTuple<Tower, ViewT, B,
                                      decltype(std::tuple_cat(std::declval<std::conditional_t<std::is_same_v<Term, Removed>,
                                                                                              std::tuple<>, std::tuple<Term>>>()...))>::type;
};
template <class ModelT, class Removed>
struct AllTermsRemoved;
template <class E, class... Part, class Removed>
struct AllTermsRemoved<Model<E, Part...>, Removed> {
    using type = Model<E, typename TermRemoved<Part, Removed>::type...>;
};

}  // namespace detail

/// `ModelT` over the encoder `E`: `WithEncoder<RetroMae, MyEncoder>`.
template <class ModelT, Encoder E>
using WithEncoder = typename detail::EncoderExchanged<ModelT, E>::type;

/// `ModelT` with the bottleneck `New` wherever it has `Old`: `WithBottleneck<Retriever, ClsBottleneck, MeanBottleneck>`.
template <class ModelT, class Old, class New>
using WithBottleneck = typename detail::AllBottlenecksExchanged<ModelT, Old, New>::type;

/// `ModelT` without the term `Term` of its passes: an ablation, `Without<Master, ComplementTask>`.
template <class ModelT, class Term>
using Without = typename detail::AllTermsRemoved<ModelT, Term>::type;

}  // namespace bmae
