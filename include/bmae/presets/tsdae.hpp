// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// TSDAE: the encoder reads a text with most words deleted, and writes the whole text from one vector.
///
/// Wang, Reimers, Gurevych: TSDAE: Using Transformer-based Sequential Denoising Auto-Encoder for Unsupervised Sentence Embedding
/// Learning, Findings of EMNLP 2021, arXiv 2104.06979. Released code: sentence-transformers (DenoisingAutoEncoderLoss with
/// tie_encoder_decoder). Recipe: AdamW 3e-5, constant, 8 sentences a batch, 100,000 sentences.
///
/// As released: decoder and encoder are one network but for cross-attention; the head is the pre-trained one. Words are those of
/// whole-word masking, where the released data set splits by nltk.
#pragma once

#include <bmae/bottlenecks/cls.hpp>
#include <bmae/corruptors/none.hpp>
#include <bmae/corruptors/word_deletion.hpp>
#include <bmae/decoders/tied.hpp>
#include <bmae/encoders/bert.hpp>
#include <bmae/losses/next_token.hpp>
#include <bmae/maskers/none.hpp>
#include <bmae/model/branch.hpp>
#include <bmae/model/model.hpp>
#include <bmae/sources/passage.hpp>

namespace bmae {

/// text --delete .60--> encoder --[CLS]--> the same network, causal, cross-attends to the vector --> next token of the text
using Tsdae = Model<BertEncoder,
    Pass<View<Passage, NoMasker, WordDeletion>, ClsBottleneck,
        Branch<View<Passage, NoMasker, NoCorruption>, TiedDecoder, NextToken>>>;

/// The hyperparameter, by the name of the released code.
struct TsdaeHyperparameters {
    double del_ratio = .6;   ///< probability with which a word is deleted

    template <class Visit>
    void for_each_option(Visit&& visit) {
        visit("del_ratio", del_ratio, "probability with which a word of the encoder's text is deleted");
    }
};

template <>
struct PresetHyperparameters<Tsdae> {
    using type = TsdaeHyperparameters;
    template <class M = Tsdae>
    static typename M::Options options(type const& hyperparameters) {
        typename M::Options options;
        std::get<0>(options.passes).view.corruptor.rate = hyperparameters.del_ratio;
        return options;
    }
};

}  // namespace bmae
