// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Title and body as the two parts of one text.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include <bmae/concepts/text_source.hpp>
#include <bmae/text/token_store.hpp>
#include <bmae/values/needs.hpp>

namespace bmae {

namespace detail {

/// How many tokens of a text its title and the [SEP] after it take; 0 where there is no [SEP]. Stores made with
/// `TitleUse::section` have no other one.
inline std::size_t heading_length(std::span<TokenId const> text, TokenTraits const& traits) {
    TokenId const separator = traits.special().sep;
    auto const end = separator < 0 ? text.end() : std::ranges::find(text, separator);
    return end == text.end() ? 0 : static_cast<std::size_t>(end - text.begin()) + 1;
}

}  // namespace detail

/// The title of the document, [SEP], the passage without it: [CLS] title [SEP] body [SEP] after framing by a view.
///
/// Reads documents that begin with their title and a [SEP]: MASTER's released rows, and stores made with `TitleUse::section`. The
/// title precedes every passage of the document, not only the first. Without a title the body is read alone, without
/// a body the title; `count_titles` counts both cases. A view is truncated at its end, so it is the body that loses tokens.
struct TitleAndBody {
    static constexpr std::string_view name = "title_and_body";
    static constexpr Needs needs = Needs::title;   ///< a store whose titles are joined to the texts has none to read

    std::size_t title_length = 0;   ///< tokens of the title at most; 0: all of it
    bool token_types = false;       ///< the encoder reads the title as type 0 and the body as type 1 (SimLM); decoders never do

    template <class Visit>
    void for_each_option(Visit&& visit) {
        visit("title_length", title_length, "tokens of the title at most; 0: all");
        visit("token_types", token_types, "the encoder reads title and body as types 0 and 1");
    }

    [[nodiscard]] std::vector<TokenId> read(Example const& example, TokenTraits const& traits, Draw& draw) const {
        static_cast<void>(draw);
        bool const alone = example.document.empty();   // an example made by hand may have its passage only
        std::span<TokenId const> const document = alone ? example.passage : example.document;
        std::size_t const offset = alone ? 0 : example.passage_offset;
        std::size_t const heading = detail::heading_length(document, traits);
        std::size_t const skipped = std::min(example.passage.size(), heading - std::min(heading, offset));
        std::span<TokenId const> const body = example.passage.subspan(skipped);
        std::span<TokenId const> const whole = document.first(heading == 0 ? 0 : heading - 1);
        std::span<TokenId const> const title = title_length == 0 ? whole : whole.first(std::min(title_length, whole.size()));
        std::vector<TokenId> text(title.begin(), title.end());
        if (!title.empty() && !body.empty()) { text.push_back(traits.special().sep); }
        text.insert(text.end(), body.begin(), body.end());
        return text;
    }

    /// 0 up to the first [SEP], that one included, 1 after it; a text of one part is all 0. Empty without `token_types`.
    /// \param ids  [L] of a view, [CLS] and [SEP] included
    [[nodiscard]] std::vector<std::uint8_t> types_of(std::span<TokenId const> ids, TokenTraits const& traits) const {
        if (!token_types) { return {}; }
        std::size_t const heading = detail::heading_length(ids, traits);
        std::vector<std::uint8_t> types(ids.size(), 0);
        for (std::size_t i = heading; heading != 0 && i < types.size(); ++i) { types[i] = 1; }
        return types;
    }
};

static_assert(TextSource<TitleAndBody>);

/// Counts of documents with and without titles in a store.
struct TitleCounts {
    std::uint64_t documents = 0;
    std::uint64_t without_title = 0;   ///< no [SEP], or nothing before it: the body is read alone
    std::uint64_t without_body = 0;    ///< nothing after the first [SEP]: the title is read alone
};

/// Reads the start of every document; a store without any title counts as bodies alone.
inline TitleCounts count_titles(TokenStore const& store) {
    TitleCounts counts{.documents = store.documents()};
    for (std::size_t d = 0; d < store.documents(); ++d) {
        std::span<TokenId const> const text = store.document_tokens(d);
        std::size_t const heading = detail::heading_length(text, store.traits());
        counts.without_title += heading < 2 ? 1 : 0;
        counts.without_body += heading == text.size() ? 1 : 0;
    }
    return counts;
}

}  // namespace bmae
