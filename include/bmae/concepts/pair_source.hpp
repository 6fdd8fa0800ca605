// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// The roles `PairTextSource` and `GroupSource`: which texts of a training query a view reads.
#pragma once

#include <concepts>
#include <cstdint>
#include <vector>

#include <bmae/detail/static_name.hpp>
#include <bmae/values/draw.hpp>
#include <bmae/values/example.hpp>
#include <bmae/values/pair_example.hpp>

namespace bmae {

/// Picks one text of a training query: the query itself, or a relevant passage.
///
/// As `TextSource`, over a `PairExample`: `source.read(example, traits, draw)` returns content ids without [CLS] and final
/// [SEP]. `shared` draws start the same for all views of one query in one epoch, so two views read the same relevant passage.
/// Optional: `S::reads_relevant_text = true`, by which batches of so many tokens are planned; else a text as long as the query.
template <class S>
concept PairTextSource =
    detail::HasStaticName<S> && std::copy_constructible<S> && std::default_initializable<S> &&
    requires(S const& source, PairExample const& example, TokenTraits const& traits, Draw& draw, Draw const& shared) {
        { source.read(example, traits, draw, shared) } -> std::same_as<std::vector<TokenId>>;
    };

/// Picks several texts of a training query: a positive first, then negatives.
///
/// 1. `source.read_group(example, traits, max_length, shared)` returns framed texts, [CLS] and [SEP] included, with their ids in
///    the dataset and a teacher's scores.
/// 2. `source.group_size()` is their number, the same for every query.
/// 3. Optional: `source.kept_size()`, how many of them are trained on; of more, the highest-scored are chosen: `QueryWithCandidate::forward`.
/// Law: all draws come from `shared`, so that two passes over one group read the same texts.
template <class S>
concept GroupSource =
    detail::HasStaticName<S> && std::copy_constructible<S> && std::default_initializable<S> &&
    requires(S const& source, PairExample const& example, TokenTraits const& traits, std::size_t max_length, Draw const& shared) {
        { source.read_group(example, traits, max_length, shared) } -> std::same_as<std::vector<CandidateText>>;
        { source.group_size() } -> std::convertible_to<std::size_t>;
    };

}  // namespace bmae
