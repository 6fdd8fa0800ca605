// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Condenser and coCondenser: the head reads the middle of the encoder, with the sentence vector of its end.
///
/// Gao, Callan: Condenser: a Pre-training Architecture for Dense Retrieval, EMNLP 2021, arXiv 2104.08253. Gao, Callan: Unsupervised
/// Corpus Aware Language Model Pre-training for Dense Passage Retrieval, ACL 2022, arXiv 2108.05540. Released code: luyug/Condenser.
///
/// Recipe: AdamW 1e-4, warm-up 10 %, weight decay .01, 1,024 texts of 128 tokens, 8 epochs; coCondenser starts from Condenser and
/// takes about 2,048 spans a batch. Deviation: released collators draw the window of a long text twice, so that masks and
/// ids disagree; here it is drawn once. The tap is the middle layer at any depth (6 of 12 in BERT-base).
#pragma once

#include <cstdint>

#include <bmae/bottlenecks/cls.hpp>
#include <bmae/decoders/shared.hpp>
#include <bmae/decoders/tap.hpp>
#include <bmae/encoders/bert.hpp>
#include <bmae/maskers/whole_word.hpp>
#include <bmae/model/branch.hpp>
#include <bmae/model/contrast.hpp>
#include <bmae/model/masked_language_model.hpp>
#include <bmae/model/model.hpp>
#include <bmae/sources/passage.hpp>
#include <bmae/sources/two_spans.hpp>

namespace bmae {

/// Condenser, figure 1.   text --mask .15--> early layers --> late layers --[CLS]--> head <--early rows--
using Condenser = Model<BertEncoder,
    Pass<View<Passage, WholeWordMasker>, ClsBottleneck,
        MaskedLanguageModel,
        Branch<OwnView, TapDecoder>>>;

/// Two spans of a document, each through Condenser with one head; their vectors are a positive pair among 2B - 1.
using CoCondenser = Model<BertEncoder,
    Pass<View<FirstSpan, WholeWordMasker>, ClsBottleneck,
        MaskedLanguageModel,
        Branch<OwnView, Shared<"tap", TapDecoder>>>,
    Pass<View<SecondSpan, WholeWordMasker>, ClsBottleneck,
        MaskedLanguageModel,
        Branch<OwnView, Shared<"tap", TapDecoder>>>,
    Contrast>;

/// The hyperparameters of both, by the names of the released code.
struct CondenserHyperparameters {
    double encoder_mask = .15;         ///< mlm_probability
    std::int64_t decoder_layers = 2;   ///< n_head_layers
    std::int64_t skip_from =
        TapDecoderOptions::middle;     ///< layer that the head reads, 0 = embeddings; -1: the middle layer (6 of 12)
    double contrast_weight = 1;        ///< coCondenser only
    std::uint64_t span_tokens = 126;   ///< tokens of a span without [CLS] and [SEP]; coCondenser only

    template <class Visit>
    void for_each_option(Visit&& visit) {
        visit("encoder_mask", encoder_mask, "share of tokens masked");
        visit("decoder_layers", decoder_layers, "layers of the head (n_head_layers)");
        visit("skip_from", skip_from, "layer that the head reads, 0 = embeddings, -1 = the middle layer");
        visit("contrast_weight", contrast_weight, "factor of the contrast (coCondenser)");
        visit("span_tokens", span_tokens, "tokens of a span without [CLS] and [SEP] (coCondenser)");
    }
};

namespace detail {

template <class M>
typename M::Options condenser_options(CondenserHyperparameters const& hyperparameters) {
    typename M::Options options;
    options.random_window = true;
    auto set = [&](auto& pass) {
        pass.view.masker.rate = hyperparameters.encoder_mask;
        std::get<1>(pass.terms).decoder = {.layers = hyperparameters.decoder_layers, .tap = hyperparameters.skip_from};
        if constexpr (requires { pass.view.source.length; }) {
            pass.view.source.length = static_cast<std::size_t>(hyperparameters.span_tokens);
        }
    };
    apply([&](auto&... pass) { (set(pass), ...); }, options.passes);
    if constexpr (M::cross_count > 0) {
        std::get<0>(options.terms) = {.weight = hyperparameters.contrast_weight, .candidates = CandidateScope::all_rows};
    }
    return options;
}

}  // namespace detail

template <>
struct PresetHyperparameters<Condenser> {
    using type = CondenserHyperparameters;
    template <class M = Condenser>
    static typename M::Options options(type const& hyperparameters) {
        return detail::condenser_options<M>(hyperparameters);
    }
};
template <>
struct PresetHyperparameters<CoCondenser> {
    using type = CondenserHyperparameters;
    template <class M = CoCondenser>
    static typename M::Options options(type const& hyperparameters) {
        return detail::condenser_options<M>(hyperparameters);
    }
};

}  // namespace bmae
