// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// Reports name the text that a view reads, so a source has a name.
// expect: static constexpr std::string_view name
#include <bmae/concepts/text_source.hpp>

struct Title {
#ifdef PASSING
    static constexpr std::string_view name = "title";
#endif
    std::vector<bmae::TokenId> read(bmae::Example const&, bmae::TokenTraits const&, bmae::Draw&) const { return {}; }
};

static_assert(bmae::explain_text_source<Title>());
