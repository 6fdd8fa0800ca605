// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// A text as a template argument: `Shared<"decoder", BasicDecoder>`, `Field<"summary">`.
#pragma once

#include <algorithm>
#include <cstddef>
#include <string_view>

namespace bmae {

/// The characters of a literal, including the terminating zero.
template <std::size_t N>
struct FixedString {
    char text[N] = {};

    consteval FixedString(char const (&literal)[N]) { std::copy_n(literal, N, text); }   // implicit: a literal is an argument
    /// Two texts, one after the other.
    template <std::size_t A, std::size_t B>
        requires(A + B == N + 1)
    consteval FixedString(FixedString<A> const& first, FixedString<B> const& second) {
        std::copy_n(first.text, A - 1, text);
        std::copy_n(second.text, B, text + A - 1);
    }

    constexpr operator std::string_view() const noexcept { return view(); }
    [[nodiscard]] constexpr std::string_view view() const noexcept { return {text, N - 1}; }
};

template <std::size_t A, std::size_t B>
FixedString(FixedString<A> const&, FixedString<B> const&) -> FixedString<A + B - 1>;

}  // namespace bmae
