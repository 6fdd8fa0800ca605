// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// The roles `TextSource` and `SharedTextSource`: which text of an example a view reads.
#pragma once

#include <concepts>
#include <type_traits>
#include <vector>

#include <bmae/concepts/pair_source.hpp>
#include <bmae/detail/static_name.hpp>
#include <bmae/values/needs.hpp>

namespace bmae {

namespace detail {
template <class S>
concept NamesNoUnknownNeed = !requires { S::needs; } || std::is_same_v<std::remove_cvref_t<decltype(S::needs)>, Needs>;
template <class S>
concept NamedSource = std::copy_constructible<S> && std::default_initializable<S> && NamesNoUnknownNeed<S> && HasStaticName<S>;
template <class S>
concept ReadsNonConst = requires(S& source, Example const& example, TokenTraits const& traits, Draw& draw) {
    source.read(example, traits, draw);
} || requires(S& source, Example const& example, TokenTraits const& traits, Draw& draw) {
    source.read(example, traits, draw, draw);
};
}  // namespace detail

/// A text source picks one text of an example.
///
/// 1. `source.read(example, traits, draw)` on a const source returns content ids without [CLS] and final [SEP].      [L - 2]
/// 2. `S::name` is its name in reports, in snake case.
/// Law: an absent text is returned empty, never replaced. A source that chooses by `draw` gives each view a text of its
/// own and declares `static constexpr bool draws_per_view = true`. Not required: a base class, registration; `S::needs`, see
/// `Needs`; `source.types_of(ids, traits)`, the token types of a view's ids for an encoder, [L] or empty for all 0.
template <class S>
concept TextSource =
    detail::NamedSource<S> && requires(S const& source, Example const& example, TokenTraits const& traits, Draw& draw) {
        { source.read(example, traits, draw) } -> std::same_as<std::vector<TokenId>>;
    };

/// A text source that agrees with the other views of its example on a random choice: two different spans, for example.
///
/// As `TextSource`, but `source.read(example, traits, draw, shared)` gets a second draw, which starts the same for all views of
/// one example in one epoch. Take it by value (`Draw shared`). Sources that must agree draw the same numbers from it in the same
/// order, others fork it first; where `static constexpr std::string_view shared_choice` is equal, options must be the same too.
template <class S>
concept SharedTextSource = detail::NamedSource<S> && requires(S const& source, Example const& example, TokenTraits const& traits,
                                                              Draw& draw, Draw const& shared) {
    { source.read(example, traits, draw, shared) } -> std::same_as<std::vector<TokenId>>;
};

/// Anything that fits the source slot of a `View`.
template <class S>
concept AnyTextSource = TextSource<S> || SharedTextSource<S> || PairTextSource<S> || GroupSource<S>;

/// Explains in one sentence what `S` lacks to be a text source; true where it lacks nothing.
template <class S>
consteval bool explain_text_source() {
    if constexpr (!AnyTextSource<S>) {
        static_assert(std::copy_constructible<S>, "TextSource: the type must be copyable, since every view keeps its own.");
        static_assert(std::default_initializable<S>, "TextSource: a default constructor is missing: a view starts with one.");
        static_assert(detail::NamesNoUnknownNeed<S>,
                      "TextSource: `needs` must be of the type Needs, texts that a corpus may lack: Needs::queries ...");
        static_assert(detail::HasStaticName<S>,
                      "TextSource: `static constexpr std::string_view name` is missing, its name in reports.");
        static_assert(detail::ReadsNonConst<S>,
                      "TextSource: a member `std::vector<TokenId> read(Example const&, TokenTraits const&, Draw&) const` is "
                      "missing. For a pair store: `read(PairExample const&, TokenTraits const&, Draw&, Draw shared) const`, or "
                      "`read_group` and `group_size` (concepts/pair_source.hpp).");
        static_assert(!detail::ReadsNonConst<S> || AnyTextSource<S> || !detail::NamedSource<S>,
                      "TextSource: read(...) must be const and return std::vector<TokenId>.");
    }
    return AnyTextSource<S>;
}

}  // namespace bmae
