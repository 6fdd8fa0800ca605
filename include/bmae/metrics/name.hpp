// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Names of metrics with a cutoff.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include <bmae/concepts/metric.hpp>

namespace bmae::detail {

/// "ndcg" and 10 give "ndcg@10"; without a cutoff "ndcg".
inline std::string name_at(std::string_view base, std::size_t k) {
    return k == all_ranks ? std::string(base) : std::string(base) + '@' + std::to_string(k);
}

}  // namespace bmae::detail
