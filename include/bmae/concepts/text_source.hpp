// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// The role `TextSource`: which text of an example a view reads.
#pragma once

#include <concepts>
#include <string_view>
#include <vector>

#include <bmae/values/draw.hpp>
#include <bmae/values/example.hpp>

namespace bmae {

/// A text source picks one text of an example.
///
/// 1. `source.read(example, traits, draw)` on a const source returns content ids without [CLS] and final [SEP].      [L - 2]
/// 2. `S::name` is its name in reports, in snake case.
/// Law: an absent text is returned empty, never replaced in silence. Not required: a base class, registration.
template <class S>
concept TextSource = std::copy_constructible<S> && requires(S const& source, Example const& example, TokenTraits const& traits, Draw& draw) {
    { source.read(example, traits, draw) } -> std::same_as<std::vector<TokenId>>;
    { S::name } -> std::convertible_to<std::string_view>;
};

}  // namespace bmae
