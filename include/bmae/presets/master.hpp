// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// MASTER: five tasks, five decoders, one bottleneck.
///
/// Zhou et al.: MASTER: Multi-task Pre-trained Bottlenecked Masked Autoencoders are Better Dense Retrievers, arXiv 2212.07841. Released
/// code: microsoft/SimXNS, MASTER/. Two presets, not mixed: `Master` is the paper read literally, with SimLM's settings where
/// it refers to SimLM; `MasterAsReleased` is the code.
///
/// | | Master | MasterAsReleased |
/// |---|---|---|
/// | encoder passes | one | three: text at .30, its first half at .30, text at .50 |
/// | NPR | next passage of the document | second half of the same window |
/// | CMP | complement of the .30 view, about .70 | complement of the .50 view |
/// | keywords | TF-IDF, no replacement | 1 / count, rounds of ten draws |
/// | masked tokens | [MASK] | 80/10/10, drawn for each view |
/// | rate is a share of | tokens that are not special | all but the outer [CLS] and [SEP] |
/// | reduction | one mean over all labels | mean per term, summed |
/// | decoders start as | N(0, .02) | U(+-1/sqrt(fan in)), biases too |
/// | queries | [SEP] between them | [SEP] after each |
/// | no continuation | no label | the passage itself |
/// | long texts | cut at the end | cut at a random place |
///
/// Recipes: Master AdamW 3e-4, warm-up 4,000, no weight decay, batch 2,048, 144 tokens, 120,000 steps; released 3e-4, warm-up 10 %,
/// weight decay .01, batch 2,048, 128 tokens, 40 epochs.
#pragma once

#include <bmae/presets/master_tasks.hpp>

namespace bmae {

/// MASTER, figure 2.   text --mask .30--> encoder --[CLS]--> five two-layer decoders
using Master = Model<BertEncoder,
    Pass<View<Passage, WholeWordMasker, MaskOnly>, ClsBottleneck,
        MaskedLanguageModel,
        Branch<View<Passage,      KeywordMasker,    MaskOnly>, BasicDecoder>,       // MKP
        Branch<View<Passage,      ComplementMasker, MaskOnly>, BasicDecoder>,       // CMP
        Branch<View<NextPassage,  KeywordMasker,    MaskOnly>, BasicDecoder>,       // NPR
        Branch<View<Queries,      WholeWordMasker,  MaskOnly>, BasicDecoder>,       // DOR
        Branch<View<Continuation, WholeWordMasker,  MaskOnly>, BasicDecoder>>>;     // GOR

/// MASTER as its authors released it.
using MasterAsReleased = Model<BertEncoder,
    Pass<View<Passage, WholeWordMasker>, ClsBottleneck, MaskedLanguageModel,
        Branch<View<Passage,      KeywordMasker>,    BasicDecoder>,                 // MKP
        Branch<View<Queries,      WholeWordMasker>,  BasicDecoder>,                 // DOR
        Branch<View<Continuation, WholeWordMasker>,  BasicDecoder>>,                // GOR
    Pass<View<FirstHalf, WholeWordMasker>, ClsBottleneck, MaskedLanguageModel,
        Branch<View<SecondHalf,   KeywordMasker>,    BasicDecoder>>,                // NPR
    Pass<View<Passage, WholeWordMasker>, ClsBottleneck, MaskedLanguageModel,
        Branch<View<Passage,      ComplementMasker>, BasicDecoder>>>;               // CMP

template <>
struct PresetHyperparameters<Master> : detail::MasterPreset<Master, detail::MasterForm::paper> {};
template <>
struct PresetHyperparameters<MasterAsReleased> : detail::MasterPreset<MasterAsReleased, detail::MasterForm::released> {};

}  // namespace bmae
