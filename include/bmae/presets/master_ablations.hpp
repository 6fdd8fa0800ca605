// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// MASTER with tasks removed, and with one decoder for all: each a composition of its own.
///
/// MASTER has no run with a single task removed, and its code no switch at all; RPR has the one task NPR, so that its two names
/// mean one model. A pass of `MasterAsReleased` without branches is removed, its language-model term with it; the first
/// pass stays as long as one of MKP, DOR and GOR does. Citation and hyperparameters: presets/master.hpp.
#pragma once

#include <type_traits>

#include <bmae/corruptors/bert.hpp>
#include <bmae/model/rebind.hpp>
#include <bmae/presets/master.hpp>

namespace bmae {

/// MASTER's tasks as terms, to name what `Without` removes. Of the released form, CMP and NPR are removed with their passes.
template <class Corruptor>
struct MasterTasks {
    template <class Source, class M>
    using Task = Branch<View<Source, M, Corruptor>, BasicDecoder>;
    template <class Source, class Only>
    using PassOfOne = Pass<View<Source, WholeWordMasker, Corruptor>, ClsBottleneck, MaskedLanguageModel, Only>;

    using Mkp = Task<Passage, KeywordMasker>;
    using Cmp = Task<Passage, ComplementMasker>;
    using Npr = Task<NextPassage, KeywordMasker>;
    using Dor = Task<Queries, WholeWordMasker>;
    using Gor = Task<Continuation, WholeWordMasker>;
    using CmpPass = PassOfOne<Passage, Cmp>;
    using NprPass = PassOfOne<FirstHalf, Task<SecondHalf, KeywordMasker>>;
};
using MasterTask = MasterTasks<MaskOnly>;
using MasterTaskAsReleased = MasterTasks<BertCorruptor>;

/// Without corrupted passages recovering (table 6).
using MasterWithoutCpr = Without<Master, MasterTask::Mkp, MasterTask::Cmp>;
/// Without related passages recovering (table 6).
using MasterWithoutRpr = Without<Master, MasterTask::Npr>;
/// Without recovering the outputs of language models (table 6).
using MasterWithoutPor = Without<Master, MasterTask::Dor, MasterTask::Gor>;
/// Without masked keywords prediction.
using MasterWithoutMkp = Without<Master, MasterTask::Mkp>;
/// Without complementary mask prediction.
using MasterWithoutCmp = Without<Master, MasterTask::Cmp>;
/// Without doc2query outputs recovering.
using MasterWithoutDor = Without<Master, MasterTask::Dor>;
/// Without GPT-2 outputs recovering.
using MasterWithoutGor = Without<Master, MasterTask::Gor>;
/// All five tasks, one decoder (table 6).
using MasterSharedDecoder = WithDecoder<Master, BasicDecoder, Shared<"basic", BasicDecoder>>;

/// Without corrupted passages recovering, as released.
using MasterAsReleasedWithoutCpr = Without<MasterAsReleased, MasterTaskAsReleased::Mkp, MasterTaskAsReleased::CmpPass>;
/// Without related passages recovering, as released.
using MasterAsReleasedWithoutRpr = Without<MasterAsReleased, MasterTaskAsReleased::NprPass>;
/// Without recovering the outputs of language models, as released.
using MasterAsReleasedWithoutPor = Without<MasterAsReleased, MasterTaskAsReleased::Dor, MasterTaskAsReleased::Gor>;
/// Without masked keywords prediction, as released.
using MasterAsReleasedWithoutMkp = Without<MasterAsReleased, MasterTaskAsReleased::Mkp>;
/// Without complementary mask prediction, as released.
using MasterAsReleasedWithoutCmp = Without<MasterAsReleased, MasterTaskAsReleased::CmpPass>;
/// Without doc2query outputs recovering, as released.
using MasterAsReleasedWithoutDor = Without<MasterAsReleased, MasterTaskAsReleased::Dor>;
/// Without GPT-2 outputs recovering, as released.
using MasterAsReleasedWithoutGor = Without<MasterAsReleased, MasterTaskAsReleased::Gor>;
/// All five tasks, one decoder, as released otherwise: the code has no such switch.
using MasterAsReleasedSharedDecoder = WithDecoder<MasterAsReleased, BasicDecoder, Shared<"basic", BasicDecoder>>;

namespace detail {

template <class M, class... Ablation>
concept OneOfAblations = (std::is_same_v<M, Ablation> || ...);

}  // namespace detail

template <detail::OneOfAblations<MasterWithoutCpr, MasterWithoutRpr, MasterWithoutPor, MasterWithoutMkp, MasterWithoutCmp,
                                 MasterWithoutDor, MasterWithoutGor, MasterSharedDecoder>
              M>
struct PresetHyperparameters<M> : detail::MasterPreset<M, detail::MasterForm::paper> {};
template <detail::OneOfAblations<MasterAsReleasedWithoutCpr, MasterAsReleasedWithoutRpr, MasterAsReleasedWithoutPor,
                                 MasterAsReleasedWithoutMkp, MasterAsReleasedWithoutCmp, MasterAsReleasedWithoutDor,
                                 MasterAsReleasedWithoutGor, MasterAsReleasedSharedDecoder>
              M>
struct PresetHyperparameters<M> : detail::MasterPreset<M, detail::MasterForm::released> {};

}  // namespace bmae
