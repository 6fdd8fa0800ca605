// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// The draw of CandidateWords, 64 tokens at a time: this makes a pool of 256 row masks cheap.
#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include <bmae/maskers/candidate_words.hpp>
#include <bmae/values/draw.hpp>

namespace bmae::detail {

/// Bits of which each is set independently with probability digits / 2^places: Horner's scheme over the binary digits.
inline std::uint64_t random_bits(std::uint64_t digits, int places, Draw& draw) noexcept {
    if (digits == 0) { return 0; }
    if (digits >> places != 0) { return ~std::uint64_t{0}; }
    std::uint64_t bits = 0;
    for (int place = std::countr_zero(digits); place < places; ++place) {
        bits = ((digits >> place) & 1U) != 0 ? bits | draw() : bits & draw();
    }
    return bits;
}

/// Draws whole-word masks of one text with the distribution of `CandidateWords::sample`, as bits.
///
/// The first k words of a uniform order are a uniform set of k words. Bernoulli draws per word, fixed to exactly k by adding or
/// removing words at random, give such a set without an order. As long as these k words fit the budget, the loop would have
/// taken them all; what is left of the budget goes to words drawn one by one among those that still fit, which is what a loop
/// that skips does. Where the k words do not fit (k is chosen so that this is rare), they are put in order and walked.
class WordBits {
public:
    /// \param budget  tokens to mask per draw
    WordBits(TokenSpan text, bool skip_specials, std::size_t budget)
        : candidates_(text, skip_specials),
          leaders_((text.size() + 63) / 64, 0),
          followers_(leaders_.size(), 0),
          length_(text.size(), 0) {
        std::size_t tokens = 0;
        double squares = 0;
        candidates_.for_each([&](std::span<std::uint32_t const> word) {
            in_one_piece_ = in_one_piece_ && word.back() - word.front() + 1 == word.size();
            length_[word.front()] = static_cast<std::uint32_t>(word.size());
            set(leaders_, word.front());
            for (std::uint32_t const i : word.subspan(1)) { set(followers_, i); }
            longest_ = std::max(longest_, word.size());
            tokens += word.size();
            squares += static_cast<double>(word.size() * word.size());
        });
        budget_ = std::min(budget, tokens);
        whole_ = budget_ == tokens;
        if (tokens != 0) { choose_first(static_cast<double>(tokens), squares); }
    }

    [[nodiscard]] std::size_t words() const noexcept { return leaders_.size(); }

    /// \param masked  [words()] receives 1 bits where a token is masked
    void sample(Draw& draw, SmallDraw& small, std::span<std::uint64_t> masked) {
        if (!in_one_piece_ || whole_) {
            std::ranges::fill(masked, 0);
            candidates_.sample(budget_, small, [&](std::size_t i) { set(masked, i); });
            return;
        }
        flip_coins(draw, small, masked);
        std::size_t taken = flood(masked);
        if (taken > budget_) { taken = walk(small, masked); }
        top_up(taken, small, masked);
    }

private:
    static void set(std::span<std::uint64_t> bits, std::size_t i) noexcept { bits[i / 64] |= std::uint64_t{1} << (i % 64); }
    static bool has(std::span<std::uint64_t const> bits, std::size_t i) noexcept {
        return ((bits[i / 64] >> (i % 64)) & 1U) != 0;
    }

    /// As many words as fit the budget but for two standard deviations of their length: k of the class comment.
    void choose_first(double tokens, double squares) {
        auto const count = static_cast<double>(candidates_.size());
        double const mean = tokens / count;
        double const variance = std::max(0.0, squares / count - mean * mean);
        double const fit = static_cast<double>(budget_) / mean;
        double const spare = 2 * std::sqrt(variance * fit * std::max(0.0, 1 - fit / count)) / mean;
        first_ = static_cast<std::size_t>(std::max(0.0, std::floor(fit - spare)));
        chance_ = static_cast<std::uint64_t>(std::nearbyint(static_cast<double>(first_) / count * 16));
    }

    /// A uniform set of first_ words, one bit each.
    void flip_coins(Draw& draw, SmallDraw& small, std::span<std::uint64_t> masked) const {
        std::size_t chosen = 0;
        for (std::size_t k = 0; k < masked.size(); ++k) {
            masked[k] = leaders_[k] & random_bits(chance_, 4, draw);
            chosen += static_cast<std::size_t>(std::popcount(masked[k]));
        }
        // No branch depends on the outcome of a draw: a miss writes back the old value.
        while (chosen > first_) {
            std::size_t const i = small.below(length_.size());
            std::uint64_t const hit = (masked[i / 64] >> (i % 64)) & 1U;
            masked[i / 64] ^= hit << (i % 64);
            chosen -= hit;
        }
        while (chosen < first_) {
            std::size_t const i = small.below(length_.size());
            std::uint64_t const hit = ((leaders_[i / 64] & ~masked[i / 64]) >> (i % 64)) & 1U;
            masked[i / 64] |= hit << (i % 64);
            chosen += hit;
        }
    }

    /// Masks the rest of each word whose first token is masked; returns the number of masked tokens.
    std::size_t flood(std::span<std::uint64_t> masked) const noexcept {
        for (std::size_t step = 1; step < longest_; ++step) {
            std::uint64_t carry = 0;
            for (std::size_t k = 0; k < masked.size(); ++k) {
                std::uint64_t const before = masked[k];
                masked[k] |= ((before << 1) | carry) & followers_[k];
                carry = before >> 63;
            }
        }
        std::size_t count = 0;
        for (std::uint64_t const bits : masked) { count += static_cast<std::size_t>(std::popcount(bits)); }
        return count;
    }

    /// Puts the chosen words in uniform order and takes those that fit one after another.
    std::size_t walk(SmallDraw& small, std::span<std::uint64_t> masked) {
        scratch_.clear();
        for (std::size_t i = 0; i < length_.size(); ++i) {
            if (length_[i] != 0 && has(masked, i)) { scratch_.push_back(static_cast<std::uint32_t>(i)); }
        }
        std::ranges::fill(masked, 0);
        std::size_t taken = 0;
        for (std::size_t left = scratch_.size(); left != 0; --left) {
            std::swap(scratch_[small.below(left)], scratch_[left - 1]);
            std::size_t const first = scratch_[left - 1];
            if (taken + length_[first] > budget_) { continue; }
            set(masked, first);
            taken += length_[first];
        }
        flood(masked);
        return taken;
    }

    /// Spends the rest of the budget on words drawn uniformly among those that fit.
    void top_up(std::size_t taken, SmallDraw& small, std::span<std::uint64_t> masked) {
        if (taken == budget_) { return; }
        auto left = static_cast<std::uint32_t>(budget_ - taken);
        auto const fits = [&](std::size_t i) {   // length 0 wraps around and never fits
            return static_cast<std::uint64_t>(length_[i] - 1 < left) & ~(masked[i / 64] >> (i % 64)) & 1U;
        };
        for (std::uint64_t misses = 0; left != 0;) {
            std::size_t i = small.below(length_.size());
            std::uint64_t hit = fits(i);
            misses = (misses + 1) & (hit - 1);
            if (misses == 64) {   // hardly any word fits: look at all of them
                scratch_.clear();
                for (std::size_t j = 0; j < length_.size(); ++j) {
                    if (fits(j) != 0) { scratch_.push_back(static_cast<std::uint32_t>(j)); }
                }
                if (scratch_.empty()) { break; }
                i = scratch_[small.below(scratch_.size())];
                hit = 1;
                misses = 0;
            }
            masked[i / 64] |= hit << (i % 64);
            left -= length_[i] & static_cast<std::uint32_t>(0 - hit);
        }
        flood(masked);
    }

    CandidateWords candidates_;
    std::vector<std::uint64_t> leaders_;     ///< first tokens of words
    std::vector<std::uint64_t> followers_;   ///< other tokens of words
    std::vector<std::uint32_t> length_;      ///< [L] tokens of the word that starts here, else 0
    std::vector<std::uint32_t> scratch_ = {};
    std::size_t longest_ = 0;
    std::size_t budget_ = 0;
    std::size_t first_ = 0;      ///< words that the Bernoulli draws choose
    std::uint64_t chance_ = 0;   ///< of a coin, in 16ths
    bool whole_ = false;         ///< the budget is the whole text
    bool in_one_piece_ = true;   ///< no word spans a special token
};

}  // namespace bmae::detail
