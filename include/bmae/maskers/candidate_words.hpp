// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// What all word-wise maskers share: the number of tokens to mask, and the random order of words that reaches it.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <bmae/values/draw.hpp>
#include <bmae/values/error.hpp>
#include <bmae/values/tokens.hpp>

namespace bmae {

/// Which tokens the rate is a share of.
enum class MaskBasis {
    all,       ///< every token, [CLS] and [SEP] included (RetroMAE, SimLM, Hugging Face)
    inner,     ///< every token but the outer [CLS] and [SEP] (MASTER)
    content,   ///< every token that is not special
};

/// Names in command lines and checkpoints.
constexpr std::array<std::string_view, 3> names_of(MaskBasis) noexcept { return {"all", "inner", "content"}; }
/// Names in reports.
constexpr std::string_view to_string(MaskBasis basis) noexcept { return names_of(basis)[static_cast<std::size_t>(basis)]; }

/// The unit of masking, and whether the count is exact.
enum class MaskUnit {
    whole_word,   ///< whole words up to an exact count of tokens
    token,        ///< single tokens, an exact count
    bernoulli,    ///< single tokens, each independently, so that the count varies (LexMAE)
};

/// Names in command lines and checkpoints.
constexpr std::array<std::string_view, 3> names_of(MaskUnit) noexcept { return {"whole_word", "token", "bernoulli"}; }

namespace detail {

/// Refuses a rate outside [0, 1].
inline void require_rate(double rate, char const* field) {
    if (!(rate >= 0 && rate <= 1)) {
        throw InputError(Diagnostic{.file = {},
                                    .expected = std::string(field) + " between 0 and 1",
                                    .found = std::to_string(rate),
                                    .hint = "Give the share of tokens to mask, for example 0.3 for 30 %."});
    }
}

/// Refuses flags of another text.
inline void require_same_text(TokenSpan text, MaskFlags const& encoder, char const* masker) {
    if (encoder.size() != text.size()) {
        throw InputError(Diagnostic{.file = {},
                                    .expected = std::string(masker) + " to get one encoder flag for each of its " +
                                                std::to_string(text.size()) + " tokens",
                                    .found = std::to_string(encoder.size()) + " flags",
                                    .hint = "The encoder's view of this pass must read the same text source."});
    }
}

/// Refuses an empty pool of row masks, and one above 65 536, since a row names its entry by 16 bits.
inline void require_pool(std::size_t pool, std::size_t length) {
    if (pool <= 65536 && (pool != 0 || length == 0)) { return; }
    throw InputError(Diagnostic{.file = {},
                                .expected = "a pool of 1 to 65536 row masks",
                                .found = std::to_string(pool),
                                .hint = "Set pool_cap to 256, or shorten the text."});
}

/// Number of tokens that the rate is a share of.
inline std::size_t mask_basis(TokenSpan text, MaskBasis basis) noexcept {
    std::size_t count = text.size();
    if (basis == MaskBasis::inner && count != 0) {
        SpecialIds const& special = text.traits().special();
        if (text[0] == special.cls) { --count; }
        if (count != 0 && text[text.size() - 1] == special.sep) { --count; }
    } else if (basis == MaskBasis::content) {
        for (std::size_t i = 0; i < text.size(); ++i) { count -= text.is_special(i) ? 1U : 0U; }
    }
    return count;
}

/// min(maximum, max(minimum, round(tokens * rate))), halves to even as Python's `round`: 2.5 -> 2, 3.5 -> 4.
inline std::size_t mask_budget(std::size_t tokens, double rate, std::size_t minimum, std::size_t maximum) {
    auto const share = static_cast<std::size_t>(std::nearbyint(static_cast<double>(tokens) * rate));
    return std::min(maximum, std::max(minimum, share));
}

/// Bounded draws that spend 16 bits each: a pool of row masks needs some 50 000 of them per text.
class SmallDraw {
public:
    explicit SmallDraw(Draw& draw) noexcept : draw_(&draw) {}

    /// Uniform in [0, bound), without bias (Lemire 2019, with 16-bit words; wide bounds go to the 64-bit form).
    std::size_t below(std::size_t bound) noexcept {
        if (bound > 4096) { return draw_->below(bound); }
        auto const narrow = static_cast<std::uint32_t>(bound);
        std::uint32_t product = next() * narrow;
        if ((product & 0xffffU) < narrow) {
            std::uint32_t const threshold = narrow == 0 ? 0 : 0x10000U % narrow;
            while ((product & 0xffffU) < threshold) { product = next() * narrow; }
        }
        return product >> 16;
    }

private:
    std::uint32_t next() noexcept {
        if (left_ == 0) {
            bits_ = (*draw_)();
            left_ = 4;
        }
        auto const low = static_cast<std::uint32_t>(bits_ & 0xffffU);
        bits_ >>= 16;
        --left_;
        return low;
    }

    Draw* draw_;
    std::uint64_t bits_ = 0;
    int left_ = 0;
};

/// The words of a text that may be masked, and uniform draws from them.
///
/// A token that continues a word joins the candidate before it, if there is one; every other token opens a new candidate.
/// [CLS] and [SEP] are never candidates, at any position and by id, so that RoBERTa's `<s>` and `</s>` are safe too.
class CandidateWords {
public:
    /// \param skip_specials  also leave out [UNK], [MASK] and [PAD], which the published RetroMAE counts as words; a special
    ///                       then ends the word before it
    /// \param taken          tokens that are excluded from their words, or nullptr                                  [L]
    /// \param single         every token is a word of its own
    CandidateWords(TokenSpan text, bool skip_specials, MaskFlags const* taken = nullptr, bool single = false) {
        SpecialIds const& special = text.traits().special();
        words_.reserve(text.size());
        positions_.reserve(text.size());
        bool joinable = false;
        for (std::size_t i = 0; i < text.size(); ++i) {
            if (text[i] == special.cls || text[i] == special.sep || (skip_specials && text.is_special(i))) {
                if (skip_specials) { joinable = false; }
                continue;
            }
            if (taken != nullptr && (*taken)[i] != 0) { continue; }
            if (joinable && !single && text.continues_word(i)) {
                ++words_.back().length;
            } else {
                words_.push_back({static_cast<std::uint32_t>(positions_.size()), 1});
                joinable = true;
            }
            positions_.push_back(static_cast<std::uint32_t>(i));
        }
    }

    /// Words in uniformly random order until `budget` tokens are masked; a word that would overshoot is skipped and later,
    /// shorter ones are still tried. Calls `hide(i)` once per masked token.
    ///
    /// The order of one draw is where the next one starts: Fisher-Yates makes a uniform order out of any.
    template <class Hide>
    void sample(std::size_t budget, SmallDraw& draw, Hide hide) {
        std::size_t taken = 0;
        for (std::size_t left = words_.size(); left != 0 && taken < budget; --left) {
            std::size_t const pick = draw.below(left);
            Word const word = words_[pick];
            words_[pick] = words_[left - 1];
            words_[left - 1] = word;
            if (taken + word.length > budget) { continue; }
            for (std::uint32_t k = 0; k < word.length; ++k) { hide(positions_[word.first + k]); }
            taken += word.length;
        }
    }

    /// Calls `visit(std::span<std::uint32_t const>)` with the token positions of each word.
    template <class Visit>
    void for_each(Visit visit) const {
        for (Word const word : words_) { visit(std::span<std::uint32_t const>(positions_).subspan(word.first, word.length)); }
    }

    [[nodiscard]] std::size_t size() const noexcept { return words_.size(); }   ///< words

private:
    struct Word {
        std::uint32_t first;    ///< in positions_: a word may span a special token
        std::uint32_t length;   ///< tokens
    };

    std::vector<Word> words_;
    std::vector<std::uint32_t> positions_;
};

}  // namespace detail
}  // namespace bmae
