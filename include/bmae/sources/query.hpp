// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// The texts of a training query, one per view: the query itself, or a passage that is relevant to it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <bmae/concepts/pair_source.hpp>
#include <bmae/values/error.hpp>

namespace bmae {

namespace detail {

/// Key of the draw by which all views of a query read the same relevant passage in an epoch.
inline constexpr std::uint64_t relevant_text_fork = 0x706f73;

/// The relevant passage that an epoch reads.
inline std::size_t drawn_positive(PairExample const& example, Draw const& shared) {
    if (example.positives.empty()) {   // no pair store holds one
        throw InputError(Diagnostic{
            .file = {}, .expected = "at least one relevant text of query " + std::to_string(example.id), .found = "none"});
    }
    Draw draw = shared.fork(relevant_text_fork);
    return draw.below(example.positives.size());
}

}  // namespace detail

/// The query.
struct Query {
    static constexpr std::string_view name = "query";

    std::size_t max_length = 32;   ///< tokens with [CLS] and [SEP]; longer ones are truncated (RetroMAE, SimLM: 32)

    template <class Visit>
    void for_each_option(Visit&& visit) {
        visit("max_length", max_length, "tokens of a query, [CLS] and [SEP] included");
    }

    [[nodiscard]] std::vector<TokenId> read(PairExample const& example, TokenTraits const&, Draw&, Draw const&) const {
        return {example.query.begin(), example.query.end()};
    }
};

/// One relevant passage of the query, drawn anew in each epoch: the other text of a positive pair.
struct RelevantText {
    static constexpr std::string_view name = "relevant_text";
    static constexpr bool reads_relevant_text = true;

    std::size_t max_length = 144;   ///< tokens with [CLS] and [SEP]; longer ones are truncated

    template <class Visit>
    void for_each_option(Visit&& visit) {
        visit("max_length", max_length, "tokens of a relevant passage, [CLS] and [SEP] included");
    }

    [[nodiscard]] std::vector<TokenId> read(PairExample const& example, TokenTraits const&, Draw&, Draw const& shared) const {
        auto const text = example.texts[example.positives[detail::drawn_positive(example, shared)]];
        return {text.begin(), text.end()};
    }
};

static_assert(PairTextSource<Query>);
static_assert(PairTextSource<RelevantText>);

}  // namespace bmae
