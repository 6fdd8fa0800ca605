// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Deletion of tokens.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <bmae/concepts/corruptor.hpp>
#include <bmae/values/error.hpp>

namespace bmae {

namespace detail {

/// Refuses a rate outside [0, 1], and a text whose row masks would no longer fit.
inline void require_deletable(MaskedText const& text, double rate, char const* corruptor) {
    if (!(rate >= 0 && rate <= 1)) {
        throw InputError(Diagnostic{.file = {},
                                    .expected = std::string(corruptor) + "::rate between 0 and 1",
                                    .found = std::to_string(rate),
                                    .hint = "Give the share of the text to delete, for example 0.1 for 10 %."});
    }
    if (text.visibility.length != 0) {
        throw InputError(Diagnostic{.file = {},
                                    .expected = "a view without row masks to delete tokens from",
                                    .found = "row masks",
                                    .hint = "Use NoCorruption with a visibility masker."});
    }
}

/// Removes the tokens that are `gone` from all vectors of a text.                                                    [L]
inline void delete_tokens(MaskedText& text, std::vector<std::uint8_t> const& gone) {
    auto const keep = [&](auto& values) {
        if (values.size() != gone.size()) { return; }   // labels may not be set yet
        std::size_t kept = 0;
        for (std::size_t i = 0; i < gone.size(); ++i) {
            if (gone[i] == 0) { values[kept++] = values[i]; }
        }
        values.resize(kept);
    };
    keep(text.original_ids);
    keep(text.input_ids);
    keep(text.labels);
    keep(text.flags);
    keep(text.types);
}

/// Deletes each unit, a word or a token, with probability `rate`; one of them is left.
/// \param units      tokens of each, as positions in `text`
/// \param corruptor  its name, for errors
inline void delete_units(MaskedText& text, std::span<std::span<std::uint32_t const> const> units, double rate, Draw& draw,
                         char const* corruptor) {
    require_deletable(text, rate, corruptor);
    std::vector<std::uint8_t> gone(text.original_ids.size(), 0);
    auto const set = [&](std::span<std::uint32_t const> unit, std::uint8_t value) {
        for (std::uint32_t const i : unit) { gone[i] = value; }
    };
    std::size_t deleted = 0;
    for (std::span<std::uint32_t const> const unit : units) {
        if (!draw.chance(rate)) { continue; }
        set(unit, 1);
        ++deleted;
    }
    if (deleted != 0 && deleted == units.size()) { set(units[draw.below(units.size())], 0); }
    delete_tokens(text, gone);
}

}  // namespace detail

/// Deletes each token but [CLS] and [SEP] independently, flagged or not (Contriever, arXiv 2112.09118). No text loses all of
/// them: where every one would be deleted, a random one stays.
struct TokenDeletion {
    static constexpr std::string_view name = "deletion";
    static constexpr bool changes_length = true;

    double rate = .1;   ///< probability per token; Contriever: .1

    template <class Visit>
    void for_each_option(Visit&& visit) {
        visit("rate", rate, "probability with which a token is deleted");
    }

    /// Throws InputError unless 0 <= rate <= 1, and for a view with row masks, which would no longer fit.
    void corrupt(MaskedText& text, TokenTraits const& traits, Draw& draw) const {
        std::vector<std::uint32_t> content;
        for (std::uint32_t i = 0; i < text.original_ids.size(); ++i) {
            TokenId const id = text.original_ids[i];
            if (id != traits.special().cls && id != traits.special().sep) { content.push_back(i); }
        }
        std::vector<std::span<std::uint32_t const>> tokens;
        for (std::uint32_t const& i : content) { tokens.emplace_back(&i, 1); }
        detail::delete_units(text, tokens, rate, draw, "TokenDeletion");
    }
};

static_assert(Corruptor<TokenDeletion>);

}  // namespace bmae
