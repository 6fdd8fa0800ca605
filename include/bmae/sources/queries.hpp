// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// The queries of a passage, as one text.
#pragma once

#include <algorithm>
#include <cstddef>
#include <string_view>
#include <vector>

#include <bmae/concepts/text_source.hpp>
#include <bmae/values/error.hpp>

namespace bmae {

/// All queries one after another with [SEP] between them (MASTER, DOR); empty where there are none.
struct Queries {
    static constexpr std::string_view name = "queries";
    static constexpr Needs needs = Needs::queries;

    bool trailing_separator = true;   ///< [SEP] after the last query too, as in MASTER's code: the text then ends with two
    std::size_t maximum = 0;          ///< the first so many queries; 0: all (MASTER's data has 10)

    template <class Visit>
    void for_each_option(Visit&& visit) {
        visit("trailing_separator", trailing_separator, "[SEP] after the last query too");
        visit("maximum", maximum, "read the first N queries; 0: all");
    }

    /// Throws InputError for more than one query where the vocabulary has no separator.
    [[nodiscard]] std::vector<TokenId> read(Example const& example, TokenTraits const& traits, Draw& draw) const {
        static_cast<void>(draw);
        std::size_t const count = maximum == 0 ? example.queries.size() : std::min(maximum, example.queries.size());
        TokenId const separator = traits.special().sep;
        std::vector<TokenId> text;
        for (std::size_t k = 0; k < count; ++k) {
            text.insert(text.end(), example.queries[k].begin(), example.queries[k].end());
            if (k + 1 == count && !trailing_separator) { break; }
            if (separator < 0) {
                throw InputError(Diagnostic{.file = {},
                                            .expected = "a vocabulary with a separator token to join queries",
                                            .found = "none",
                                            .hint = "Use a tokenizer that defines [SEP]."});
            }
            text.push_back(separator);
        }
        return text;
    }
};

static_assert(TextSource<Queries>);

}  // namespace bmae
