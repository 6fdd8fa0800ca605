// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// MASTER with tasks removed, and with one decoder for all: each a composition of its own.
///
/// MASTER has no run with a single task removed, and its code no switch at all; RPR has the one task NPR, so that its two names
/// mean one model. A pass of `MasterAsReleased` without branches is removed, its language-model term with it; the first
/// pass stays as long as one of MKP, DOR and GOR does. Citation and hyperparameters: presets/master.hpp.
#pragma once

#include <bmae/presets/master.hpp>

namespace bmae {

/// Without corrupted passages recovering (table 6).
using MasterWithoutCpr = Model<BertEncoder,
    Pass<View<Passage, WholeWordMasker, MaskOnly>, ClsBottleneck,
        MaskedLanguageModel,
        Branch<View<NextPassage, KeywordMasker, MaskOnly>, BasicDecoder>,   // NPR
        Branch<View<Queries, WholeWordMasker, MaskOnly>, BasicDecoder>,   // DOR
        Branch<View<Continuation, WholeWordMasker, MaskOnly>, BasicDecoder>>>;   // GOR

/// Without related passages recovering (table 6).
using MasterWithoutRpr = Model<BertEncoder,
    Pass<View<Passage, WholeWordMasker, MaskOnly>, ClsBottleneck,
        MaskedLanguageModel,
        Branch<View<Passage, KeywordMasker, MaskOnly>, BasicDecoder>,   // MKP
        Branch<View<Passage, ComplementMasker, MaskOnly>, BasicDecoder>,   // CMP
        Branch<View<Queries, WholeWordMasker, MaskOnly>, BasicDecoder>,   // DOR
        Branch<View<Continuation, WholeWordMasker, MaskOnly>, BasicDecoder>>>;   // GOR

/// Without recovering the outputs of language models (table 6).
using MasterWithoutPor = Model<BertEncoder,
    Pass<View<Passage, WholeWordMasker, MaskOnly>, ClsBottleneck,
        MaskedLanguageModel,
        Branch<View<Passage, KeywordMasker, MaskOnly>, BasicDecoder>,   // MKP
        Branch<View<Passage, ComplementMasker, MaskOnly>, BasicDecoder>,   // CMP
        Branch<View<NextPassage, KeywordMasker, MaskOnly>, BasicDecoder>>>;   // NPR

/// Without masked keywords prediction.
using MasterWithoutMkp = Model<BertEncoder,
    Pass<View<Passage, WholeWordMasker, MaskOnly>, ClsBottleneck,
        MaskedLanguageModel,
        Branch<View<Passage, ComplementMasker, MaskOnly>, BasicDecoder>,   // CMP
        Branch<View<NextPassage, KeywordMasker, MaskOnly>, BasicDecoder>,   // NPR
        Branch<View<Queries, WholeWordMasker, MaskOnly>, BasicDecoder>,   // DOR
        Branch<View<Continuation, WholeWordMasker, MaskOnly>, BasicDecoder>>>;   // GOR

/// Without complementary mask prediction.
using MasterWithoutCmp = Model<BertEncoder,
    Pass<View<Passage, WholeWordMasker, MaskOnly>, ClsBottleneck,
        MaskedLanguageModel,
        Branch<View<Passage, KeywordMasker, MaskOnly>, BasicDecoder>,   // MKP
        Branch<View<NextPassage, KeywordMasker, MaskOnly>, BasicDecoder>,   // NPR
        Branch<View<Queries, WholeWordMasker, MaskOnly>, BasicDecoder>,   // DOR
        Branch<View<Continuation, WholeWordMasker, MaskOnly>, BasicDecoder>>>;   // GOR

/// Without doc2query outputs recovering.
using MasterWithoutDor = Model<BertEncoder,
    Pass<View<Passage, WholeWordMasker, MaskOnly>, ClsBottleneck,
        MaskedLanguageModel,
        Branch<View<Passage, KeywordMasker, MaskOnly>, BasicDecoder>,   // MKP
        Branch<View<Passage, ComplementMasker, MaskOnly>, BasicDecoder>,   // CMP
        Branch<View<NextPassage, KeywordMasker, MaskOnly>, BasicDecoder>,   // NPR
        Branch<View<Continuation, WholeWordMasker, MaskOnly>, BasicDecoder>>>;   // GOR

/// Without GPT-2 outputs recovering.
using MasterWithoutGor = Model<BertEncoder,
    Pass<View<Passage, WholeWordMasker, MaskOnly>, ClsBottleneck,
        MaskedLanguageModel,
        Branch<View<Passage, KeywordMasker, MaskOnly>, BasicDecoder>,   // MKP
        Branch<View<Passage, ComplementMasker, MaskOnly>, BasicDecoder>,   // CMP
        Branch<View<NextPassage, KeywordMasker, MaskOnly>, BasicDecoder>,   // NPR
        Branch<View<Queries, WholeWordMasker, MaskOnly>, BasicDecoder>>>;   // DOR

/// All five tasks, one decoder (table 6).
using MasterSharedDecoder = Model<BertEncoder,
    Pass<View<Passage, WholeWordMasker, MaskOnly>, ClsBottleneck,
        MaskedLanguageModel,
        Branch<View<Passage, KeywordMasker, MaskOnly>, Shared<"basic", BasicDecoder>>,   // MKP
        Branch<View<Passage, ComplementMasker, MaskOnly>, Shared<"basic", BasicDecoder>>,   // CMP
        Branch<View<NextPassage, KeywordMasker, MaskOnly>, Shared<"basic", BasicDecoder>>,   // NPR
        Branch<View<Queries, WholeWordMasker, MaskOnly>, Shared<"basic", BasicDecoder>>,   // DOR
        Branch<View<Continuation, WholeWordMasker, MaskOnly>, Shared<"basic", BasicDecoder>>>>;   // GOR

/// Without corrupted passages recovering, as released.
using MasterAsReleasedWithoutCpr = Model<BertEncoder,
    Pass<View<Passage, WholeWordMasker>, ClsBottleneck, MaskedLanguageModel,
        Branch<View<Queries, WholeWordMasker>, BasicDecoder>,   // DOR
        Branch<View<Continuation, WholeWordMasker>, BasicDecoder>>,   // GOR
    Pass<View<FirstHalf, WholeWordMasker>, ClsBottleneck, MaskedLanguageModel,
        Branch<View<SecondHalf, KeywordMasker>, BasicDecoder>>>;   // NPR

/// Without related passages recovering, as released.
using MasterAsReleasedWithoutRpr = Model<BertEncoder,
    Pass<View<Passage, WholeWordMasker>, ClsBottleneck, MaskedLanguageModel,
        Branch<View<Passage, KeywordMasker>, BasicDecoder>,   // MKP
        Branch<View<Queries, WholeWordMasker>, BasicDecoder>,   // DOR
        Branch<View<Continuation, WholeWordMasker>, BasicDecoder>>,   // GOR
    Pass<View<Passage, WholeWordMasker>, ClsBottleneck, MaskedLanguageModel,
        Branch<View<Passage, ComplementMasker>, BasicDecoder>>>;   // CMP

/// Without recovering the outputs of language models, as released.
using MasterAsReleasedWithoutPor = Model<BertEncoder,
    Pass<View<Passage, WholeWordMasker>, ClsBottleneck, MaskedLanguageModel,
        Branch<View<Passage, KeywordMasker>, BasicDecoder>>,   // MKP
    Pass<View<FirstHalf, WholeWordMasker>, ClsBottleneck, MaskedLanguageModel,
        Branch<View<SecondHalf, KeywordMasker>, BasicDecoder>>,   // NPR
    Pass<View<Passage, WholeWordMasker>, ClsBottleneck, MaskedLanguageModel,
        Branch<View<Passage, ComplementMasker>, BasicDecoder>>>;   // CMP

/// Without masked keywords prediction, as released.
using MasterAsReleasedWithoutMkp = Model<BertEncoder,
    Pass<View<Passage, WholeWordMasker>, ClsBottleneck, MaskedLanguageModel,
        Branch<View<Queries, WholeWordMasker>, BasicDecoder>,   // DOR
        Branch<View<Continuation, WholeWordMasker>, BasicDecoder>>,   // GOR
    Pass<View<FirstHalf, WholeWordMasker>, ClsBottleneck, MaskedLanguageModel,
        Branch<View<SecondHalf, KeywordMasker>, BasicDecoder>>,   // NPR
    Pass<View<Passage, WholeWordMasker>, ClsBottleneck, MaskedLanguageModel,
        Branch<View<Passage, ComplementMasker>, BasicDecoder>>>;   // CMP

/// Without complementary mask prediction, as released.
using MasterAsReleasedWithoutCmp = Model<BertEncoder,
    Pass<View<Passage, WholeWordMasker>, ClsBottleneck, MaskedLanguageModel,
        Branch<View<Passage, KeywordMasker>, BasicDecoder>,   // MKP
        Branch<View<Queries, WholeWordMasker>, BasicDecoder>,   // DOR
        Branch<View<Continuation, WholeWordMasker>, BasicDecoder>>,   // GOR
    Pass<View<FirstHalf, WholeWordMasker>, ClsBottleneck, MaskedLanguageModel,
        Branch<View<SecondHalf, KeywordMasker>, BasicDecoder>>>;   // NPR

/// Without doc2query outputs recovering, as released.
using MasterAsReleasedWithoutDor = Model<BertEncoder,
    Pass<View<Passage, WholeWordMasker>, ClsBottleneck, MaskedLanguageModel,
        Branch<View<Passage, KeywordMasker>, BasicDecoder>,   // MKP
        Branch<View<Continuation, WholeWordMasker>, BasicDecoder>>,   // GOR
    Pass<View<FirstHalf, WholeWordMasker>, ClsBottleneck, MaskedLanguageModel,
        Branch<View<SecondHalf, KeywordMasker>, BasicDecoder>>,   // NPR
    Pass<View<Passage, WholeWordMasker>, ClsBottleneck, MaskedLanguageModel,
        Branch<View<Passage, ComplementMasker>, BasicDecoder>>>;   // CMP

/// Without GPT-2 outputs recovering, as released.
using MasterAsReleasedWithoutGor = Model<BertEncoder,
    Pass<View<Passage, WholeWordMasker>, ClsBottleneck, MaskedLanguageModel,
        Branch<View<Passage, KeywordMasker>, BasicDecoder>,   // MKP
        Branch<View<Queries, WholeWordMasker>, BasicDecoder>>,   // DOR
    Pass<View<FirstHalf, WholeWordMasker>, ClsBottleneck, MaskedLanguageModel,
        Branch<View<SecondHalf, KeywordMasker>, BasicDecoder>>,   // NPR
    Pass<View<Passage, WholeWordMasker>, ClsBottleneck, MaskedLanguageModel,
        Branch<View<Passage, ComplementMasker>, BasicDecoder>>>;   // CMP

/// All five tasks, one decoder, as released otherwise: the code has no such switch.
using MasterAsReleasedSharedDecoder = Model<BertEncoder,
    Pass<View<Passage, WholeWordMasker>, ClsBottleneck, MaskedLanguageModel,
        Branch<View<Passage, KeywordMasker>, Shared<"basic", BasicDecoder>>,   // MKP
        Branch<View<Queries, WholeWordMasker>, Shared<"basic", BasicDecoder>>,   // DOR
        Branch<View<Continuation, WholeWordMasker>, Shared<"basic", BasicDecoder>>>,   // GOR
    Pass<View<FirstHalf, WholeWordMasker>, ClsBottleneck, MaskedLanguageModel,
        Branch<View<SecondHalf, KeywordMasker>, Shared<"basic", BasicDecoder>>>,   // NPR
    Pass<View<Passage, WholeWordMasker>, ClsBottleneck, MaskedLanguageModel,
        Branch<View<Passage, ComplementMasker>, Shared<"basic", BasicDecoder>>>>;   // CMP

template <>
struct PresetHyperparameters<MasterWithoutCpr> : detail::MasterPreset<MasterWithoutCpr, detail::MasterForm::paper> {};
template <>
struct PresetHyperparameters<MasterWithoutRpr> : detail::MasterPreset<MasterWithoutRpr, detail::MasterForm::paper> {};
template <>
struct PresetHyperparameters<MasterWithoutPor> : detail::MasterPreset<MasterWithoutPor, detail::MasterForm::paper> {};
template <>
struct PresetHyperparameters<MasterWithoutMkp> : detail::MasterPreset<MasterWithoutMkp, detail::MasterForm::paper> {};
template <>
struct PresetHyperparameters<MasterWithoutCmp> : detail::MasterPreset<MasterWithoutCmp, detail::MasterForm::paper> {};
template <>
struct PresetHyperparameters<MasterWithoutDor> : detail::MasterPreset<MasterWithoutDor, detail::MasterForm::paper> {};
template <>
struct PresetHyperparameters<MasterWithoutGor> : detail::MasterPreset<MasterWithoutGor, detail::MasterForm::paper> {};
template <>
struct PresetHyperparameters<MasterSharedDecoder> : detail::MasterPreset<MasterSharedDecoder, detail::MasterForm::paper> {};
template <>
struct PresetHyperparameters<MasterAsReleasedWithoutCpr>
    : detail::MasterPreset<MasterAsReleasedWithoutCpr, detail::MasterForm::released> {};
template <>
struct PresetHyperparameters<MasterAsReleasedWithoutRpr>
    : detail::MasterPreset<MasterAsReleasedWithoutRpr, detail::MasterForm::released> {};
template <>
struct PresetHyperparameters<MasterAsReleasedWithoutPor>
    : detail::MasterPreset<MasterAsReleasedWithoutPor, detail::MasterForm::released> {};
template <>
struct PresetHyperparameters<MasterAsReleasedWithoutMkp>
    : detail::MasterPreset<MasterAsReleasedWithoutMkp, detail::MasterForm::released> {};
template <>
struct PresetHyperparameters<MasterAsReleasedWithoutCmp>
    : detail::MasterPreset<MasterAsReleasedWithoutCmp, detail::MasterForm::released> {};
template <>
struct PresetHyperparameters<MasterAsReleasedWithoutDor>
    : detail::MasterPreset<MasterAsReleasedWithoutDor, detail::MasterForm::released> {};
template <>
struct PresetHyperparameters<MasterAsReleasedWithoutGor>
    : detail::MasterPreset<MasterAsReleasedWithoutGor, detail::MasterForm::released> {};
template <>
struct PresetHyperparameters<MasterAsReleasedSharedDecoder>
    : detail::MasterPreset<MasterAsReleasedSharedDecoder, detail::MasterForm::released> {};

}  // namespace bmae
