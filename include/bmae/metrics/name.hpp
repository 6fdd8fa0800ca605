// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Names of metrics with a cutoff or a parameter.
#pragma once

#include <charconv>
#include <cstddef>
#include <string>
#include <string_view>

#include <bmae/concepts/metric.hpp>

namespace bmae::detail {

/// "ndcg" and 10 give "ndcg@10"; without a cutoff "ndcg".
inline std::string name_at(std::string_view base, std::size_t k) {
    return k == all_ranks ? std::string(base) : std::string(base) + '@' + std::to_string(k);
}

/// "rbp" and .95 give "rbp(0.95)"; the usual value "rbp".
template <class Number>
std::string name_with(std::string_view base, Number value, Number usual) {
    char digits[64];
    return value == usual
               ? std::string(base)
               : std::string(base) + '(' + std::string(digits, std::to_chars(digits, digits + sizeof digits, value).ptr) + ')';
}

}  // namespace bmae::detail
