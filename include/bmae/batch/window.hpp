// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Truncation of long texts to a window.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include <bmae/values/draw.hpp>
#include <bmae/values/tokens.hpp>

namespace bmae {

/// How a long text is truncated.
enum class WindowPolicy {
    head,     ///< its first tokens (RetroMAE)
    random,   ///< a window with a uniformly random start (MASTER, Condenser)
};

/// Names in reports.
constexpr std::string_view to_string(WindowPolicy policy) noexcept { return policy == WindowPolicy::head ? "head" : "random"; }

/// Cuts texts to a length limit.
///
/// Draw once per text of an example and let all views share the result: published collators draw a second window for ids and
/// apply the mask of one window to another.
struct Window {
    std::size_t limit = 510;   ///< content tokens, without the outer [CLS] and [SEP]
    WindowPolicy policy = WindowPolicy::head;

    /// First token of the window in a text of `length` tokens; 0 where the text fits.
    [[nodiscard]] std::size_t start(std::size_t length, Draw& draw) const noexcept {
        std::uint64_t const spare = length > limit ? length - limit : 0;
        return policy == WindowPolicy::head ? 0 : static_cast<std::size_t>(draw.below(spare + 1));
    }

    /// The window of `text`.                                                                              [min(L, limit)]
    [[nodiscard]] std::span<TokenId const> of(std::span<TokenId const> text, Draw& draw) const noexcept {
        return text.size() <= limit ? text : text.subspan(start(text.size(), draw), limit);
    }

    /// Cuts `text` to its window.
    void cut(std::vector<TokenId>& text, Draw& draw) const {
        if (text.size() <= limit) { return; }
        text.erase(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(start(text.size(), draw)));
        text.resize(limit);
    }
};

}  // namespace bmae
