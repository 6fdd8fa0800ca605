// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// A slot of a view that holds something else is told by the concept that is not met; a number by its wrong name.
// expect: satisfaction of .AnyTextSource<SourceT>. \[with SourceT = bmae::WholeWordMasker\]
// expect: satisfaction of .AnyMasker<MaskerT>. \[with MaskerT = bmae::Passage\]
// expect: satisfaction of .Corruptor<CorruptorT>. \[with CorruptorT = bmae::ComplementMasker\]
// expect: WholeWordMasker. has no non-static data member named .mask
#include <bmae/maskers/complement.hpp>
#include <bmae/maskers/whole_word.hpp>
#include <bmae/pretraining/view.hpp>
#include <bmae/sources/passage.hpp>

using namespace bmae;

#ifdef PASSING
using First = View<Passage, WholeWordMasker>;
using Second = View<Passage, ComplementMasker>;
using Third = View<Passage, ComplementMasker, BertCorruptor>;
constexpr WholeWordMasker masker{.rate = .15};
#else
using First = View<WholeWordMasker, WholeWordMasker>;
using Second = View<Passage, Passage>;
using Third = View<Passage, ComplementMasker, ComplementMasker>;
constexpr WholeWordMasker masker{.mask = .15};
#endif
