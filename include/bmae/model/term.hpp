// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// The interface of a term of the loss.
#pragma once

#include <concepts>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <ATen/core/Tensor.h>

#include <bmae/batch/packed_batch.hpp>
#include <bmae/batch/pair_list.hpp>
#include <bmae/concepts/encoder_roles.hpp>
#include <bmae/model/term_weight.hpp>
#include <bmae/model/view.hpp>

namespace bmae {

/// One run of the encoder, as its terms read it.
template <class E>
struct PassState {
    PackedInput const& input;     ///< the encoder's view
    Encoded const& encoded;       ///< hidden states, and layers where a term requires them
    at::Tensor const& sentence;   ///< [B, D]
    E const& encoder;
    ForwardContext& context;
};

/// Rows for the shared language-model head and their labels. Cross-entropies of all terms are computed at once.
struct TokenRows {
    at::Tensor rows = {};     ///< [M, H] before the head's transform
    at::Tensor labels = {};   ///< [M] int64
    double label_smoothing = 0;
};

/// A loss that a term computes itself.
struct TermSum {
    at::Tensor sum = {};       ///< [] fp32, differentiable: the sum over its labels
    at::Tensor correct = {};   ///< [] fp32 number predicted correctly; undefined where not applicable
};

/// Description of a term for reports, without its options.
struct TermDescription {
    std::string name = {};           ///< "passes.0.terms.1"
    std::string kind = {};           ///< masked_language_model, branch, ...
    std::string decoder = {};        ///< enhanced, basic, ...; empty where there is none
    std::string decoder_name = {};   ///< of a shared decoder: its parameters are named shared.NAME
    std::string query = {};          ///< query stream of an enhanced decoder
    std::string task = {};           ///< MASTER's name of the branch: mkp, cmp, npr, dor, gor
    std::string pooling = {};        ///< of a bag of words: max or cls
    std::string bottleneck = {};     ///< of a term that reads one of its own (`Via`); empty: that of its pass
    std::string projection = {};     ///< adaptors of that bottleneck, joined by +
    std::string words = {};          ///< of a bag of words: its weights, one_over_tokens, one_over_words or one
    std::string similarity = {};     ///< of a contrast: dot, cosine, euclidean
    std::string contrast = {};       ///< of a contrast that is not plain InfoNCE: symmetric or four_block
    std::string candidates = {};     ///< of a contrast: other_passes, all_rows, queue or other_passes_and_cache
    std::int64_t decoder_layers = 0;
    std::int64_t tap = -1;         ///< layer that a tap reads; -1 where there is none
    std::int64_t window = 0;       ///< of a causal decoder
    std::int64_t lowest_id = -1;   ///< smallest id that a bag of words counts; -1 where it has none
    double temperature = 0;
    double weight = 1;   ///< at the start of the run
    bool has_view = false;
};

namespace detail {

template <class T, class E>
concept TermParts = requires(T& module, T const& term, typename T::Options options, E const& encoder) {
    { T(options, encoder, std::uint64_t{}, std::string{}) };
    { T::kind } -> std::convertible_to<std::string_view>;
    { term.weight(double{}) } -> std::convertible_to<double>;
    { term.describe(std::string{}) } -> std::same_as<TermDescription>;
    module.for_each_parameter(std::string{}, [](std::string const&, at::Tensor&, bool) {});
};

}  // namespace detail

/// A term that predicts tokens: masked language modeling and every branch.
///
/// 1. `T::Options`, `T(options, encoder, seed, name)`, `T::kind`, `T::has_view`, `T::keeps_layers`, `term.weight(progress)`.
/// 2. `term.rows(pass, view)` returns the rows of its labels; `view` is its own one, or the encoder's if it has none.   [M, H]
/// 3. With a view: `term.assemble(example, traits, settings, draws, encoder_text)` makes it. Without one: `T::Labels`, a token
///    loss, chooses the labels of the encoder's, and `term.labels()` is that loss with its options.
/// 4. `term.describe(name)`, `term.for_each_parameter(prefix, visit)`.
/// 5. Optional: `T::reads_sentence = false` where it does not read `pass.sentence`: `Via` refuses it.
template <class T, class E>
concept TokenTerm = detail::TermParts<T, E> && requires(T const& term, PassState<E>& pass, PackedInput const& view) {
    { T::has_view } -> std::convertible_to<bool>;
    { T::keeps_layers } -> std::convertible_to<bool>;
    { term.rows(pass, view) } -> std::same_as<TokenRows>;
};

/// A term that computes its own loss of one pass: bag of words, replaced-token detection.
///
/// As a `TokenTerm`, but 2. `term.sum(pass, view)` returns the sum of its losses and `term.count(view)` returns their number.
template <class T, class E>
concept SummedTerm =
    detail::TermParts<T, E> && requires(T const& term, PassState<E>& pass, PackedInput const& view, PackedView const& host) {
        { T::has_view } -> std::convertible_to<bool>;
        { T::keeps_layers } -> std::convertible_to<bool>;
        { term.sum(pass, view) } -> std::same_as<TermSum>;
        { term.count(host) } -> std::convertible_to<std::int64_t>;
    };

/// The sentence vectors of all passes over one batch, as trailing terms read them.
struct CrossState {
    std::span<at::Tensor const> sentences;      ///< [passes] of [B, D]
    std::span<PackedView const* const> views;   ///< [passes] the view of each pass
    PairList const& pairs;                      ///< of this term in these views
    ForwardContext& context;
    std::optional<std::size_t> frozen = {};   ///< the pass whose tower is frozen in this step, where towers alternate
};

/// A trailing term: it compares passes (contrast).
///
/// 1. `T::Options`, `T(options, encoder, seed, name)`, `T::kind`, `T::passes` (how many it needs), `term.weight(progress)`.
/// 2. `term.pairs(views)` returns its labels, a `PairList`; the collator calls it, and its size is their number.
/// 3. `term.sum(state)` returns the sum of the losses of `state.pairs`.
/// 4. Optional: `term.negatives(texts, passes)`, the number of negatives of one text; `T::compares_batch = false` where they
///    are not those of its batch, so that a batch as large as the whole step (a gradient cache) would change nothing.
/// 5. Where it keeps vectors for later steps: `sum` holds them in training, `term.after_step()` stores them after the
///    update, `term.forget_step()` drops them where the step was skipped; `term.for_each_state(prefix, visit)`.
template <class T, class E>
concept CrossTerm = detail::TermParts<T, E> && requires(T& module, T const& term, CrossState const& state) {
    { T::passes } -> std::convertible_to<std::size_t>;
    { module.sum(state) } -> std::same_as<TermSum>;
    { term.pairs(state.views) } -> std::same_as<PairList>;
};

}  // namespace bmae
