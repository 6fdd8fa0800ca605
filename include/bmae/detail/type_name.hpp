// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// A readable name for any part of a composition: its own `name`, or the compiler's name of the type.
#pragma once

#include <concepts>
#include <string>
#include <string_view>

namespace bmae::detail {

template <class T>
constexpr std::string_view compiler_name() {
    std::string_view const text = __PRETTY_FUNCTION__;
    std::size_t const begin = text.find("T = ") + 4;
    return text.substr(begin, text.find_first_of(";]", begin) - begin);
}

/// `T::name` where there is one, so that a user's own policy needs none.
template <class T>
std::string name_of() {
    if constexpr (requires {
                      { T::name } -> std::convertible_to<std::string_view>;
                  }) {
        return std::string(T::name);
    } else {
        return std::string(compiler_name<T>());
    }
}

}  // namespace bmae::detail
