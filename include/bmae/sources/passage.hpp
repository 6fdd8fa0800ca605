// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// The text itself.
#pragma once

#include <string_view>
#include <vector>

#include <bmae/concepts/text_source.hpp>

namespace bmae {

/// The passage of the example, cut to the window that is drawn once for all of its views.
struct Passage {
    static constexpr std::string_view name = "passage";

    [[nodiscard]] std::vector<TokenId> read(Example const& example, TokenTraits const& traits, Draw& draw) const {
        static_cast<void>(traits);
        static_cast<void>(draw);
        return {example.passage.begin(), example.passage.end()};
    }
};

static_assert(TextSource<Passage>);

}  // namespace bmae
