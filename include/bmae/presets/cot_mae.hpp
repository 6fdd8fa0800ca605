// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// CoT-MAE, CoT-MAE v2 and CoT-MAE-qc: the decoder reconstructs a neighboring text.
///
/// Wu et al.: ConTextual Masked Auto-Encoder for Dense Passage Retrieval, arXiv 2208.07670. Wu et al.: Query-as-context Pre-training
/// for Dense Passage Retrieval, arXiv 2212.09598. Released code: caskcsg/ir (cotmae/, cotmae-qc/). Wu et al.: CoT-MAE v2: Contextual
/// Masked Auto-Encoder with Multi-view Modeling for Passage Retrieval, arXiv 2304.03158, whose code is not public: rates and layers
/// are those of CoT-MAE here, the lexical vector is projected as in LexMAE, and both vectors have the same two decoders.
///
/// Recipes: CoT-MAE AdamW 1e-4, weight decay .01, 1,024 spans of 128 tokens, 800,000 to 1,200,000 steps; CoT-MAE-qc 4e-4, warm-up
/// 10 %, 16,000 texts of 144 tokens, 50,000 steps. Deviations: released collators draw the window of a long text twice, so
/// that masks and ids disagree; here it is drawn once. Partners are drawn in training, not once in preprocessing. CoT-MAE-qc
/// uses the autoregressive head alone, as its published command does.
#pragma once

#include <cstddef>
#include <cstdint>

#include <bmae/bottlenecks/cls.hpp>
#include <bmae/bottlenecks/lexicon.hpp>
#include <bmae/corruptors/none.hpp>
#include <bmae/decoders/basic.hpp>
#include <bmae/decoders/causal_window.hpp>
#include <bmae/decoders/shared.hpp>
#include <bmae/encoders/bert.hpp>
#include <bmae/losses/next_token.hpp>
#include <bmae/maskers/none.hpp>
#include <bmae/maskers/whole_word.hpp>
#include <bmae/model/branch.hpp>
#include <bmae/model/masked_language_model.hpp>
#include <bmae/model/model.hpp>
#include <bmae/model/via.hpp>
#include <bmae/sources/one_query.hpp>
#include <bmae/sources/partner_span.hpp>
#include <bmae/sources/passage.hpp>

namespace bmae {

/// span A --mask .30--> encoder --[CLS]--> decoder <--mask .45-- its partner B, and the same from B to A
using CotMae = Model<BertEncoder,
    Pass<View<Passage, WholeWordMasker>, ClsBottleneck,
        MaskedLanguageModel,
        Branch<View<PartnerSpan, WholeWordMasker>, Shared<"basic", BasicDecoder>>>,
    Pass<View<PartnerSpan, WholeWordMasker>, ClsBottleneck,
        MaskedLanguageModel,
        Branch<View<Passage, WholeWordMasker>, Shared<"basic", BasicDecoder>>>>;

/// span A --mask .30--> encoder --[CLS], and the mixture of its words--> each through two decoders, one of masked tokens (.45) and one
/// of next tokens, to its partner B, and the same from B to A
using CotMaeV2 = Model<BertEncoder,
    Pass<View<Passage, WholeWordMasker>, ClsBottleneck,
        MaskedLanguageModel,
        Branch<View<PartnerSpan, WholeWordMasker>, Shared<"basic", BasicDecoder>>,
        Branch<View<PartnerSpan, NoMasker, NoCorruption>, Shared<"causal", CausalWindowDecoder>, NextToken>,
        Via<LexiconBottleneck, Branch<View<PartnerSpan, WholeWordMasker>, Shared<"basic", BasicDecoder>>>,
        Via<LexiconBottleneck, Branch<View<PartnerSpan, NoMasker, NoCorruption>, Shared<"causal", CausalWindowDecoder>, NextToken>>>,
    Pass<View<PartnerSpan, WholeWordMasker>, ClsBottleneck,
        MaskedLanguageModel,
        Branch<View<Passage, WholeWordMasker>, Shared<"basic", BasicDecoder>>,
        Branch<View<Passage, NoMasker, NoCorruption>, Shared<"causal", CausalWindowDecoder>, NextToken>,
        Via<LexiconBottleneck, Branch<View<Passage, WholeWordMasker>, Shared<"basic", BasicDecoder>>>,
        Via<LexiconBottleneck, Branch<View<Passage, NoMasker, NoCorruption>, Shared<"causal", CausalWindowDecoder>, NextToken>>>>;

/// text --mask .30--> encoder --[CLS]--> one causal layer that predicts one of its queries
using CotMaeQc = Model<BertEncoder,
    Pass<View<Passage, WholeWordMasker>, ClsBottleneck,
        MaskedLanguageModel,
        Branch<View<OneQuery, NoMasker, NoCorruption>, CausalWindowDecoder, NextToken>>>;

/// The hyperparameters of CoT-MAE.
struct CotMaeHyperparameters {
    double encoder_mask = .30;
    double decoder_mask = .45;
    std::int64_t decoder_layers = 2;
    std::uint64_t span_tokens = 126;   ///< tokens of a partner without [CLS] and [SEP]

    template <class Visit>
    void for_each_option(Visit&& visit) {
        visit("encoder_mask", encoder_mask, "share of tokens masked for the encoder");
        visit("decoder_mask", decoder_mask, "share of tokens masked for the decoder");
        visit("decoder_layers", decoder_layers, "layers of the decoder");
        visit("span_tokens", span_tokens, "tokens of a partner without [CLS] and [SEP]");
    }
};

/// The hyperparameters of CoT-MAE v2.
struct CotMaeV2Hyperparameters {
    double encoder_mask = .30;
    double decoder_mask = .45;         ///< of the auto-encoding decoder
    std::int64_t decoder_layers = 2;   ///< of both decoders
    std::int64_t window = 128;         ///< columns that a row of the auto-regressive decoder attends to: the whole span
    std::int64_t span_tokens = 126;    ///< tokens of a partner without [CLS] and [SEP]

    template <class Visit>
    void for_each_option(Visit&& visit) {
        visit("encoder_mask", encoder_mask, "share of tokens masked for the encoder");
        visit("decoder_mask", decoder_mask, "share of tokens masked for the auto-encoding decoder");
        visit("decoder_layers", decoder_layers, "layers of each decoder");
        visit("window", window, "columns that a row of the auto-regressive decoder attends to, its own included");
        visit("span_tokens", span_tokens, "tokens of a partner without [CLS] and [SEP]");
    }
};

/// The hyperparameters of CoT-MAE-qc.
struct CotMaeQcHyperparameters {
    double encoder_mask = .30;
    std::int64_t decoder_layers = 1;
    std::int64_t window = 3;    ///< attn_window: columns, the row's own included
    double dec_head_coef = 1;   ///< factor of the decoder's term

    template <class Visit>
    void for_each_option(Visit&& visit) {
        visit("encoder_mask", encoder_mask, "share of tokens masked for the encoder");
        visit("decoder_layers", decoder_layers, "layers of the decoder");
        visit("window", window, "columns that a row of the decoder attends to, its own included");
        visit("dec_head_coef", dec_head_coef, "factor of the decoder's term");
    }
};

template <>
struct PresetHyperparameters<CotMae> {
    using type = CotMaeHyperparameters;
    template <class M = CotMae>
    static typename M::Options options(type const& hyperparameters) {
        typename M::Options options;
        options.random_window = true;
        auto set_span = [&](auto& view) {
            if constexpr (requires { view.source.length; }) {
                view.source.length = static_cast<std::size_t>(hyperparameters.span_tokens);
            }
        };
        auto set = [&](auto& pass) {
            auto& branch = std::get<1>(pass.terms);
            pass.view.masker.rate = hyperparameters.encoder_mask;
            branch.view.masker.rate = hyperparameters.decoder_mask;
            branch.decoder.layers = hyperparameters.decoder_layers;
            set_span(pass.view);
            set_span(branch.view);
        };
        apply([&](auto&... pass) { (set(pass), ...); }, options.passes);
        return options;
    }
};
template <>
struct PresetHyperparameters<CotMaeV2> {
    using type = CotMaeV2Hyperparameters;
    template <class M = CotMaeV2>
    static typename M::Options options(type const& hyperparameters) {
        typename M::Options options;
        options.random_window = true;
        auto set_view = [&](auto& view, double rate) {
            if constexpr (requires { view.masker.rate = rate; }) { view.masker.rate = rate; }
            if constexpr (requires { view.source.length; }) {
                view.source.length = static_cast<std::size_t>(hyperparameters.span_tokens);
            }
        };
        auto set_term = [&](auto& term) {
            if constexpr (requires { term.decoder; }) {
                set_view(term.view, hyperparameters.decoder_mask);
                term.decoder.layers = hyperparameters.decoder_layers;
                if constexpr (requires { term.decoder.window; }) { term.decoder.window = hyperparameters.window; }
            }
        };
        auto set = [&](auto& pass) {
            set_view(pass.view, hyperparameters.encoder_mask);
            apply([&](auto&... term) { (set_term(term), ...); }, pass.terms);
        };
        apply([&](auto&... pass) { (set(pass), ...); }, options.passes);
        return options;
    }
};
template <>
struct PresetHyperparameters<CotMaeQc> {
    using type = CotMaeQcHyperparameters;
    template <class M = CotMaeQc>
    static typename M::Options options(type const& hyperparameters) {
        typename M::Options options;
        options.random_window = true;
        auto& pass = std::get<0>(options.passes);
        auto& branch = std::get<1>(pass.terms);
        pass.view.masker.rate = hyperparameters.encoder_mask;
        branch.decoder = {.layers = hyperparameters.decoder_layers, .window = hyperparameters.window};
        branch.weight = hyperparameters.dec_head_coef;
        return options;
    }
};

}  // namespace bmae
