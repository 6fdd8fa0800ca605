// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Common code of all variants of MASTER: names of the tasks, hyperparameters, and how they reach the slots.
#pragma once

#include <cstdint>
#include <string>
#include <type_traits>

#include <bmae/bottlenecks/cls.hpp>
#include <bmae/corruptors/mask_only.hpp>
#include <bmae/decoders/basic.hpp>
#include <bmae/decoders/shared.hpp>
#include <bmae/encoders/bert.hpp>
#include <bmae/maskers/complement.hpp>
#include <bmae/maskers/keyword.hpp>
#include <bmae/maskers/whole_word.hpp>
#include <bmae/model/branch.hpp>
#include <bmae/model/masked_language_model.hpp>
#include <bmae/model/model.hpp>
#include <bmae/sources/continuation.hpp>
#include <bmae/sources/halves.hpp>
#include <bmae/sources/neighbors.hpp>
#include <bmae/sources/passage.hpp>
#include <bmae/sources/queries.hpp>

namespace bmae {

/// The hyperparameters of MASTER, by the names of the paper.
struct MasterHyperparameters {
    double encoder_mask = .30;   ///< alpha; best of .15, .30, .50 in table 9
    double decoder_mask = .50;   ///< beta; best of .30, .50, .70 in table 9. CMP: complement of the encoder's mask
    std::int64_t decoder_layers = 2;

    template <class Visit>
    void for_each_option(Visit&& visit) {
        visit("encoder_mask", encoder_mask, "alpha: share of tokens masked for the encoder");
        visit("decoder_mask", decoder_mask, "beta: share of tokens masked for the decoders (not CMP)");
        visit("decoder_layers", decoder_layers, "layers of each decoder");
    }
};

namespace detail {

enum class MasterForm { paper, released };

/// The paper's name of a branch follows from its view.
template <class ViewT>
std::string master_task() {
    if constexpr (std::is_same_v<typename ViewT::Masker, ComplementMasker>) {
        return "cmp";
    } else if constexpr (std::is_same_v<typename ViewT::Source, Queries>) {
        return "dor";
    } else if constexpr (std::is_same_v<typename ViewT::Source, Continuation>) {
        return "gor";
    } else {
        return std::is_same_v<typename ViewT::Source, Passage> ? "mkp" : "npr";
    }
}

template <class M, MasterForm form>
struct MasterPreset {
    using type = MasterHyperparameters;

    template <class Composed = M>
    static typename Composed::Options options(type const& hyperparameters) {
        typename Composed::Options options;
        options.reduction = form == MasterForm::paper ? Reduction::pooled_tokens : Reduction::mean_per_term;
        options.random_window = form == MasterForm::released;
        apply([&](auto&... pass) { (set_pass(pass, hyperparameters), ...); }, options.passes);
        return options;
    }

private:
    static constexpr bool released = form == MasterForm::released;
    /// Share of tokens masked for the encoder in the released pass of CMP: its complement is another half.
    static constexpr double complemented_mask = .50;

    template <class TermOptions>
    static constexpr bool reads_complement(TermOptions const&) {
        if constexpr (requires { typename decltype(TermOptions::view)::Masker; }) {
            return std::is_same_v<typename decltype(TermOptions::view)::Masker, ComplementMasker>;
        } else {
            return false;
        }
    }

    template <class PassOptions>
    static void set_pass(PassOptions& pass, type const& hyperparameters) {
        bool const is_complemented = apply([](auto const&... term) { return (reads_complement(term) || ...); }, pass.terms);
        set_words(pass.view.masker, released && is_complemented ? complemented_mask : hyperparameters.encoder_mask);
        apply([&](auto&... term) { (set_term(term, hyperparameters), ...); }, pass.terms);
    }

    template <class TermOptions>
    static void set_term(TermOptions& term, type const& hyperparameters) {
        if constexpr (requires { term.view; }) {
            using ViewT = std::remove_cvref_t<decltype(term.view)>;
            term.task = master_task<ViewT>();
            term.decoder.layers = hyperparameters.decoder_layers;
            term.decoder.initialization = released ? Initialization::fan_in : Initialization::bert;
            if constexpr (std::is_same_v<typename ViewT::Masker, WholeWordMasker>) {
                set_words(term.view.masker, hyperparameters.decoder_mask);
            }
            if constexpr (std::is_same_v<typename ViewT::Masker, KeywordMasker>) {
                term.view.masker.rate = hyperparameters.decoder_mask;
                if (released) {
                    term.view.masker.weighting = KeywordWeighting::inverse_count;
                    term.view.masker.sampling = KeywordSampling::released_rounds;
                }
            }
            if constexpr (std::is_same_v<typename ViewT::Source, Queries>) { term.view.source.trailing_separator = released; }
            if constexpr (std::is_same_v<typename ViewT::Source, Continuation>) { term.view.source.passage_if_absent = released; }
        }
    }

    static void set_words(WholeWordMasker& masker, double rate) {
        masker.rate = rate;
        masker.basis = released ? MaskBasis::inner : MaskBasis::content;
        masker.skip_specials = true;
    }
};

}  // namespace detail

}  // namespace bmae
