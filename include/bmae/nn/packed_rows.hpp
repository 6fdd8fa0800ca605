// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Checks of the arguments of attention over a packed batch.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include <ATen/core/Tensor.h>
#include <c10/util/StringUtil.h>

#include <bmae/values/error.hpp>
#include <bmae/values/visibility.hpp>

namespace bmae::detail {

/// Refuses rows and texts that do not fit each other, which kernels would read out of bounds.
inline void require_packed(at::Tensor const& query, at::Tensor const& key, at::Tensor const& value,
                           std::vector<std::int64_t> const& offsets, std::int64_t heads,
                           std::vector<Visibility> const* visibility) {
    auto const refuse = [](std::string expected, std::string found) {
        throw InputError(Diagnostic{.file = {}, .expected = std::move(expected), .found = std::move(found)});
    };
    if (query.dim() != 2 || query.sizes() != key.sizes() || query.sizes() != value.sizes()) {
        refuse("queries, keys and values of one shape [T, H]",
               c10::str(query.sizes(), ", ", key.sizes(), " and ", value.sizes()));
    }
    if (heads < 1 || query.size(1) % heads != 0) {
        refuse("a number of heads that divides the " + std::to_string(query.size(1)) + " columns", std::to_string(heads));
    }
    bool const covers = offsets.empty()
                            ? query.size(0) == 0
                            : offsets.front() == 0 && offsets.back() == query.size(0) && std::ranges::is_sorted(offsets);
    if (!covers) {
        refuse("ascending offsets from 0 to " + std::to_string(query.size(0)) + ", the rows", c10::str(at::IntArrayRef(offsets)));
    }
    for (std::size_t b = 0; visibility != nullptr && b + 1 < offsets.size(); ++b) {
        std::int64_t const length = offsets[b + 1] - offsets[b];
        if (b >= visibility->size() || (*visibility)[b].length != length ||
            (*visibility)[b].row.size() != static_cast<std::size_t>(length)) {
            refuse("a row mask of " + std::to_string(length) + " rows for text " + std::to_string(b),
                   b < visibility->size() ? std::to_string((*visibility)[b].length) + " rows" : "no mask");
        }
    }
}

/// Refuses the half-width of a local attention that is negative.
inline void require_local(std::int64_t window) {
    if (window < 0) {
        throw InputError(Diagnostic{.file = {},
                                    .expected = "a window of at least 1 column on each side, or 0 for none",
                                    .found = std::to_string(window)});
    }
}

}  // namespace bmae::detail
