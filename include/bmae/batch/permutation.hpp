// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// A random order of N examples without memory and with random access.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <vector>

#include <bmae/values/draw.hpp>

namespace bmae {

/// A permutation of 0 .. N-1 as a function of (seed, epoch): an index costs O(log N) time and no memory.
///
/// Swap-or-not (Hoang, Morris, Rogaway: An enciphering scheme based on a card shuffle, CRYPTO 2012): each round pairs x with
/// K - x and swaps the pair or not by a bit that both share. It works for any N, without
/// cycle walking. Less than a microsecond per place for a million examples.
class Permutation {
public:
    Permutation(std::size_t size, std::uint64_t seed, std::uint64_t epoch) : size_(size) {
        if (size < 2) { return; }
        Draw draw({.seed = seed, .epoch = epoch, .example = size, .slot = 0x6f72646572ULL});
        rounds_.resize(16 + 2 * static_cast<std::size_t>(std::bit_width(size)));
        for (Round& round : rounds_) { round = {draw.below(size), draw()}; }
    }

    [[nodiscard]] std::size_t size() const noexcept { return size_; }

    /// The example at `place`, 0 <= place < size().
    [[nodiscard]] std::size_t operator[](std::size_t place) const noexcept {
        std::uint64_t here = place;
        for (Round const& round : rounds_) {
            std::uint64_t const there = round.pivot >= here ? round.pivot - here : round.pivot + size_ - here;
            std::uint64_t const coin = detail::mix64(std::max(here, there) ^ round.key) & 1U;
            here = coin != 0 ? there : here;
        }
        return static_cast<std::size_t>(here);
    }

private:
    struct Round {
        std::uint64_t pivot = 0;   ///< K
        std::uint64_t key = 0;     ///< of the round's bits
    };

    std::size_t size_;
    std::vector<Round> rounds_ = {};
};

}  // namespace bmae
