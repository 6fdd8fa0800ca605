// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// A slot of a view that holds something else is told by the concept that is not met; a number by its wrong name.
#include <bmae/maskers/complement.hpp>
#include <bmae/maskers/whole_word.hpp>
#include <bmae/model/view.hpp>
#include <bmae/sources/passage.hpp>

#include "pick.hpp"

using namespace bmae;

// case: a_masker_is_no_source
// expect: satisfaction of .AnyTextSource<SourceT>. \[with SourceT = bmae::WholeWordMasker\]
using First = View<Pick<Passage, WholeWordMasker>, WholeWordMasker>;

// case: a_source_is_no_masker
// expect: satisfaction of .AnyMasker<MaskerT>. \[with MaskerT = bmae::Passage\]
using Second = View<Passage, Pick<ComplementMasker, Passage>>;

// case: a_masker_is_no_corruptor
// expect: satisfaction of .Corruptor<CorruptorT>. \[with CorruptorT = bmae::ComplementMasker\]
using Third = View<Passage, ComplementMasker, Pick<BertCorruptor, ComplementMasker>>;

// case: a_rate_by_another_name
// expect: WholeWordMasker. has no non-static data member named .mask
#ifdef PASSING
constexpr WholeWordMasker masker{.rate = .15};
#else
constexpr WholeWordMasker masker{.mask = .15};
#endif
