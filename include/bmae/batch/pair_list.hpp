// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// The pairs that a trailing term learns from in one batch.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace bmae {

/// Anchors and their positives, and who is no negative of whom. Made once per batch, by the collator.
///
/// A row is a text, counted over all passes: text t of pass p stands behind all texts of the passes before it.
struct PairList {
    std::vector<std::int64_t> rows = {};            ///< [2 P] anchor, its positive, ...: the labels of the term
    std::vector<std::int64_t> absent = {};          ///< rows that are nobody's candidates: texts of [CLS] and [SEP] alone
    std::vector<std::int64_t> excluded = {};        ///< pair, row, ...: no negative of that pair, as it is relevant or the anchor
    std::vector<std::int64_t> own_negatives = {};   ///< pair, row, ...: hard negatives of that pair
    std::vector<std::int64_t> spans = {};           ///< [2 P] rows begin .. end, the only candidates of each pair; empty: all

    [[nodiscard]] std::size_t size() const noexcept { return rows.size() / 2; }
    [[nodiscard]] bool empty() const noexcept { return rows.empty(); }

    /// The anchors (`which` 0) or the positives (1), counted from row `first`.                                         [P]
    [[nodiscard]] std::vector<std::int64_t> side(std::size_t which, std::int64_t first = 0) const {
        std::vector<std::int64_t> list;
        list.reserve(size());
        for (std::size_t i = which; i < rows.size(); i += 2) { list.push_back(rows[i] - first); }
        return list;
    }

    /// The cells of `pair_row` in a matrix [P, C] whose columns are the rows from `first`: pair, column, ...
    [[nodiscard]] static std::vector<std::int64_t> cells(std::vector<std::int64_t> pair_row, std::int64_t first) {
        for (std::size_t i = 1; i < pair_row.size(); i += 2) { pair_row[i] -= first; }
        return pair_row;
    }

    /// The cells that are no candidates where these are the `count` rows from `first`: pair, column, ...
    [[nodiscard]] std::vector<std::int64_t> excluded_cells(std::int64_t first, std::int64_t count) const {
        std::vector<std::int64_t> list = cells(excluded, first);
        for (std::size_t p = 0; p < size(); ++p) {
            auto const pair = static_cast<std::int64_t>(p);
            for (std::int64_t const row : absent) {
                if (row >= first && row < first + count) { list.insert(list.end(), {pair, row - first}); }
            }
            if (spans.empty()) { continue; }
            for (std::int64_t column = 0; column < count; ++column) {
                if (first + column < spans[2 * p] || first + column >= spans[2 * p + 1]) {
                    list.insert(list.end(), {pair, column});
                }
            }
        }
        return list;
    }

    /// How many of the first `examples` rows, the texts of pass 0, are the anchor of no pair.
    [[nodiscard]] std::int64_t unpaired(std::size_t examples) const {
        std::vector<bool> paired(examples, false);
        for (std::size_t i = 0; i < rows.size(); i += 2) { paired[static_cast<std::size_t>(rows[i]) % examples] = true; }
        return std::count(paired.begin(), paired.end(), false);
    }
};

}  // namespace bmae
