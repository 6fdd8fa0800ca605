// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Counter-based randomness: every draw is a hash of (seed, epoch, example, slot), never the state of a shared generator.
///
/// So an example is masked in the same way for any number of threads or ranks, and in a resumed run.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <utility>

namespace bmae {

namespace detail {

/// One round of mixing of 64 bits (Steele, Lea, Flood: SplitMix, OOPSLA 2014): a bijection with full avalanche.
constexpr std::uint64_t mix64(std::uint64_t bits) noexcept {
    bits += 0x9e3779b97f4a7c15ULL;
    bits = (bits ^ (bits >> 30)) * 0xbf58476d1ce4e5b9ULL;
    bits = (bits ^ (bits >> 27)) * 0x94d049bb133111ebULL;
    return bits ^ (bits >> 31);
}

}  // namespace detail

/// What a stream of draws is derived from. Two different keys give independent streams.
struct DrawKey {
    std::uint64_t seed = 0;      ///< of the run
    std::uint64_t epoch = 0;     ///< epoch: pass over the corpus
    std::uint64_t example = 0;   ///< index of the example in the corpus
    std::uint64_t slot = 0;      ///< slot of the composition that draws: see `Draw::fork`
};

/// A stream of random numbers that depends on its key alone. Models std::uniform_random_bit_generator.
class Draw {
public:
    using result_type = std::uint64_t;

    explicit constexpr Draw(DrawKey key) noexcept
        : base_(detail::mix64(detail::mix64(detail::mix64(detail::mix64(key.seed) ^ key.epoch) ^ key.example) ^ key.slot)) {}

    static constexpr result_type min() noexcept { return 0; }
    static constexpr result_type max() noexcept { return std::numeric_limits<result_type>::max(); }

    /// The next 64 bits.
    constexpr result_type operator()() noexcept { return detail::mix64(base_ ^ detail::mix64(counter_++)); }

    /// Uniform in [0, 1).
    constexpr double uniform() noexcept { return static_cast<double>((*this)() >> 11) * 0x1.0p-53; }

    /// True with probability `p`.
    constexpr bool chance(double p) noexcept { return uniform() < p; }

    /// Uniform in [0, bound), without bias; 0 if bound is 0. (Lemire: Fast random integer generation in an interval, 2019.)
    constexpr std::uint64_t below(std::uint64_t bound) noexcept {
        if (bound < 2) { return 0; }
        __extension__ using Wide = unsigned __int128;
        Wide product = static_cast<Wide>((*this)()) * bound;
        if (static_cast<std::uint64_t>(product) < bound) {
            std::uint64_t const threshold = (0 - bound) % bound;
            while (static_cast<std::uint64_t>(product) < threshold) { product = static_cast<Wide>((*this)()) * bound; }
        }
        return static_cast<std::uint64_t>(product >> 64);
    }

    /// Uniform permutation in place (Fisher-Yates).
    template <class T>
    constexpr void shuffle(std::span<T> values) noexcept {
        for (std::size_t left = values.size(); left > 1; --left) { std::swap(values[left - 1], values[below(left)]); }
    }

    /// An independent stream for a part of the work, so that the order of the parts does not matter.
    [[nodiscard]] constexpr Draw fork(std::uint64_t part) const noexcept {
        Draw child = *this;
        child.base_ = detail::mix64(base_ ^ detail::mix64(~part));
        child.counter_ = 0;
        return child;
    }

private:
    std::uint64_t base_;
    std::uint64_t counter_ = 0;
};

}  // namespace bmae
