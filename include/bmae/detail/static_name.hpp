// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Whether a type has a name that is readable without an object.
#pragma once

#include <concepts>
#include <string_view>
#include <type_traits>

namespace bmae::detail {

/// `T::name` is a static member and reads as text: `static constexpr std::string_view name = "..."`.
///
/// Unevaluated, `T::name` of a non-static member is a valid expression too, so that its address is looked at.
template <class T>
concept HasStaticName = requires {
    { T::name } -> std::convertible_to<std::string_view>;
    requires !std::is_member_pointer_v<decltype(&T::name)>;
};

}  // namespace bmae::detail
