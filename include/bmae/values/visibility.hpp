// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Which context tokens each row of the enhanced decoder attends to, stored as bits.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace bmae {

/// The row masks of one text of L tokens (RetroMAE, figure 1; equation 7 of arXiv 2208.00231).
///
/// Row i attends to j iff bit j of its pool entry is set and, unless `reads_itself`, i != j. Rows share entries of a pool,
/// so a text of 512 tokens costs 16 KiB of bits where a dense int64 matrix costs 2 MiB.
struct Visibility {
    std::uint32_t length = 0;               ///< L
    std::vector<std::uint16_t> row = {};    ///< [L] pool entry of each row
    std::vector<std::uint64_t> bits = {};   ///< [pool, words()] bit j of an entry = column j is visible
    bool reads_itself = false;              ///< the diagonal follows the bits (causal windows) instead of being masked

    [[nodiscard]] std::size_t words() const noexcept { return (static_cast<std::size_t>(length) + 63) / 64; }
    [[nodiscard]] std::size_t pool() const noexcept { return words() == 0 ? 0 : bits.size() / words(); }
    [[nodiscard]] std::uint64_t const* entry(std::size_t i) const noexcept { return bits.data() + row[i] * words(); }
    [[nodiscard]] bool allows(std::size_t i, std::size_t j) const noexcept {
        return (reads_itself || i != j) && ((entry(i)[j / 64] >> (j % 64)) & 1U) != 0;
    }
};

}  // namespace bmae
