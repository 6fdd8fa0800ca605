// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Condenser and coCondenser: the head reads the middle of the encoder, with the sentence vector of its end.
///
/// Gao, Callan: Condenser: a Pre-training Architecture for Dense Retrieval, EMNLP 2021, arXiv 2104.08253. Gao, Callan: Unsupervised
/// Corpus Aware Language Model Pre-training for Dense Passage Retrieval, ACL 2022, arXiv 2108.05540. Released code: luyug/Condenser.
///
/// Recipe: AdamW 1e-4, warm-up 10 %, weight decay .01, 1,024 texts of 128 tokens, 8 epochs; coCondenser starts from Condenser and
/// takes about 2,048 spans a batch. Deviation: released collators draw the window of too long a text twice, so that masks and
/// ids part; here it is drawn once. A tap is half way up whatever the depth (6 of 12 in BERT-base).
#pragma once

#include <cstdint>

#include <bmae/bottlenecks/cls.hpp>
#include <bmae/decoders/shared.hpp>
#include <bmae/decoders/tap.hpp>
#include <bmae/encoders/bert.hpp>
#include <bmae/maskers/whole_word.hpp>
#include <bmae/pretraining/branch.hpp>
#include <bmae/pretraining/contrast.hpp>
#include <bmae/pretraining/masked_language_model.hpp>
#include <bmae/pretraining/pretraining.hpp>
#include <bmae/sources/passage.hpp>
#include <bmae/sources/two_spans.hpp>

namespace bmae {

/// Condenser, figure 1.   text --mask .15--> early layers --> late layers --[CLS]--> head <--early rows--
using Condenser = Pretraining<BertEncoder,
    Pass<View<Passage, WholeWordMasker>, ClsBottleneck,
        MaskedLanguageModel,
        Branch<OwnView, TapDecoder>>>;

/// Two spans of a document, each through Condenser with one head; their sentence vectors find each other among 2B - 1.
using CoCondenser = Pretraining<BertEncoder,
    Pass<View<FirstSpan, WholeWordMasker>, ClsBottleneck,
        MaskedLanguageModel,
        Branch<OwnView, Shared<TapDecoder>>>,
    Pass<View<SecondSpan, WholeWordMasker>, ClsBottleneck,
        MaskedLanguageModel,
        Branch<OwnView, Shared<TapDecoder>>>,
    Contrast>;

/// The numbers of both, by the names of the released code.
struct CondenserNumbers {
    double encoder_mask = .15;         ///< mlm_probability
    std::int64_t decoder_layers = 2;   ///< n_head_layers
    std::int64_t skip_from =
        TapDecoderOptions::middle;    ///< layer that the head reads, 0 = embeddings; -1: half way up (6 of 12)
    double contrast_weight = 1;       ///< coCondenser only
    std::int64_t span_tokens = 126;   ///< tokens of a span without [CLS] and [SEP]; coCondenser only

    template <class Visit>
    void for_each_number(Visit&& visit) {
        visit("encoder_mask", encoder_mask, "share of tokens hidden");
        visit("decoder_layers", decoder_layers, "layers of the head (n_head_layers)");
        visit("skip_from", skip_from, "layer that the head reads, 0 = embeddings, -1 = half way up");
        visit("contrast_weight", contrast_weight, "factor of the contrast (coCondenser)");
        visit("span_tokens", span_tokens, "tokens of a span without [CLS] and [SEP] (coCondenser)");
    }
};

namespace detail {

template <class Model>
typename Model::Options condenser_options(CondenserNumbers const& numbers) {
    typename Model::Options options;
    options.random_window = true;
    auto set = [&](auto& pass) {
        pass.view.masker.rate = numbers.encoder_mask;
        std::get<1>(pass.terms).decoder = {.layers = numbers.decoder_layers, .tap = numbers.skip_from};
        if constexpr (requires { pass.view.source.length; }) {
            pass.view.source.length = static_cast<std::size_t>(numbers.span_tokens);
        }
    };
    apply([&](auto&... pass) { (set(pass), ...); }, options.passes);
    if constexpr (Model::cross_count > 0) {
        std::get<0>(options.terms) = {.weight = numbers.contrast_weight, .candidates = Candidates::all_rows};
    }
    return options;
}

}  // namespace detail

template <>
struct PresetNumbers<Condenser> {
    using type = CondenserNumbers;
    template <class Model = Condenser>
    static typename Model::Options options(type const& numbers) {
        return detail::condenser_options<Model>(numbers);
    }
};
template <>
struct PresetNumbers<CoCondenser> {
    using type = CondenserNumbers;
    template <class Model = CoCondenser>
    static typename Model::Options options(type const& numbers) {
        return detail::condenser_options<Model>(numbers);
    }
};

}  // namespace bmae
