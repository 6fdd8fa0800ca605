// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// What a term of the loss is, to the composition that holds it.
#pragma once

#include <concepts>
#include <cstdint>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include <bmae/concepts/encoder.hpp>
#include <bmae/pretraining/view.hpp>

namespace bmae {

/// One run of the encoder, as its terms see it.
template <class E>
struct PassState {
    PackedInput const& input;       ///< the encoder's view
    Encoded const& encoded;         ///< hidden rows, and layers where a term asked for them
    at::Tensor const& sentence;     ///< [B, D]
    E const& encoder;
    ForwardContext& context;
};

/// Rows for the shared language-model head and what they should say. Cross-entropies of all terms are computed at once.
struct TokenRows {
    at::Tensor rows = {};     ///< [M, H] before the head's transform
    at::Tensor labels = {};   ///< [M] int64
};

/// What a report says about a term, besides its numbers.
struct TermDescription {
    std::string name = {};           ///< "passes.0.terms.1"
    std::string kind = {};           ///< masked_language_model, branch, ...
    std::string decoder = {};        ///< enhanced, basic, ...; empty where there is none
    std::string query = {};          ///< query stream of an enhanced decoder
    std::int64_t decoder_layers = 0;
    double weight = 1;
    bool has_view = false;
};

/// A term that asks for tokens: masked language modelling and every branch.
///
/// 1. `T::Options`, `T(options, encoder, seed, name)`, `T::kind`, `T::has_view`, `term.weight()`.
/// 2. `term.rows(pass, view)` returns the rows of its labels; `view` is its own one, or the encoder's if it has none.   [M, H]
/// 3. With a view: `term.assemble(example, traits, settings, draw, encoder_text)` makes it.
/// 4. `term.for_each_parameter(prefix, visit)`.
template <class T, class E>
concept TokenTerm = requires(T& module, T const& term, typename T::Options options, E const& encoder, PassState<E>& pass, PackedInput const& view) {
    { T(options, encoder, std::uint64_t{}, std::string{}) };
    { T::kind } -> std::convertible_to<std::string_view>;
    { T::has_view } -> std::convertible_to<bool>;
    { T::keeps_layers } -> std::convertible_to<bool>;
    { term.weight() } -> std::convertible_to<double>;
    { term.rows(pass, view) } -> std::same_as<TokenRows>;
    { term.describe(std::string{}) } -> std::same_as<TermDescription>;
    module.for_each_parameter(std::string{}, [](std::string const&, at::Tensor&, bool) {});
};

}  // namespace bmae
