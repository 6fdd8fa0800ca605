// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// One of the queries of a passage.
#pragma once

#include <algorithm>
#include <cstddef>
#include <string_view>
#include <vector>

#include <bmae/concepts/text_source.hpp>

namespace bmae {

/// One query, drawn uniformly per example and epoch; the same for all of its views (query-as-context: CoT-MAE-qc draws one
/// of 20 generated queries). Empty where there are none.
struct OneQuery {
    static constexpr std::string_view name = "one_query";
    static constexpr std::string_view shared_choice = "query";
    static constexpr Needs needs = Needs::queries;

    std::size_t maximum = 0;   ///< draw from the first so many queries; 0: all

    template <class Visit>
    void for_each_option(Visit&& visit) {
        visit("maximum", maximum, "draw from the first N queries; 0: all");
    }

    [[nodiscard]] std::vector<TokenId> read(Example const& example, TokenTraits const& traits, Draw& draw, Draw shared) const {
        static_cast<void>(traits);
        static_cast<void>(draw);
        std::size_t const count = maximum == 0 ? example.queries.size() : std::min(maximum, example.queries.size());
        if (count == 0) { return {}; }
        auto const query = example.queries[shared.fork(0x7175657279).below(count)];   // "query"
        return {query.begin(), query.end()};
    }
};

static_assert(SharedTextSource<OneQuery>);

}  // namespace bmae
