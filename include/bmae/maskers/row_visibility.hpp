// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Masks no token of the text, but chooses the columns that each row of the enhanced decoder attends to.
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

#include <bmae/concepts/masker.hpp>
#include <bmae/maskers/candidate_words.hpp>
#include <bmae/maskers/word_bits.hpp>
#include <bmae/values/error.hpp>
#include <bmae/values/visibility.hpp>

namespace bmae {

/// Where the row masks come from.
enum class RowSampler {
    pooled,      ///< min(L, pool_cap) whole-word draws, each row picks one with replacement (published RetroMAE)
    per_row,     ///< an independent whole-word draw for each row
    bernoulli,   ///< each row masks each inner token independently with probability `rate` (equation 7 read literally)
};

/// Names in command lines and checkpoints.
constexpr std::array<std::string_view, 3> names_of(RowSampler) noexcept { return {"pooled", "per_row", "bernoulli"}; }

/// Row masks of RetroMAE's enhanced decoder (equation 7 of arXiv 2208.00231).
///
/// Row i never attends to column i; the token itself is removed, not the rest of its word. [CLS] (the sentence) and [SEP] are
/// never masked: column 0 is visible in every row but row 0. The rate counts [CLS] and [SEP], hence the visible share of the
/// content is below 1 - rate in short texts: about .27, .45, .49, .497 for L = 8, 32, 150, 512 at rate .5.
struct RowVisibility {
    static constexpr std::string_view name = "row_visibility";

    double rate = .50;            ///< share of `basis` that a row does not attend to; RetroMAE: .50
    std::size_t pool_cap = 256;   ///< draws per text at most (FlagEmbedding: 128); `pooled` only
    RowSampler sampler = RowSampler::pooled;
    MaskBasis basis = MaskBasis::all;   ///< what the rate is a share of; not for `bernoulli`
    std::size_t minimum = 1;            ///< tokens masked per draw, at least; not for `bernoulli`
    std::size_t maximum = 512;          ///< tokens masked per draw, at most; not for `bernoulli`
    bool skip_specials = false;         ///< true: rows always attend to [UNK], [MASK] and [PAD]

    template <class Visit>
    void for_each_option(Visit&& visit) {
        visit("rate", rate, "share of tokens that a row does not attend to");
        visit("pool_cap", pool_cap, "row masks drawn per text at most");
        visit("sampler", sampler, "where the row masks come from");
        visit("basis", basis, "what the rate is a share of");
        visit("minimum", minimum, "tokens masked per draw, at least");
        visit("maximum", maximum, "tokens masked per draw, at most");
        visit("skip_specials", skip_specials, "rows always attend to [UNK], [MASK] and [PAD]");
    }

    /// Throws InputError for a rate outside [0, 1], and where the pool would exceed 65 536 entries.
    [[nodiscard]] Visibility draw(TokenSpan text, Draw& draw) const {
        detail::require_rate(rate, "RowVisibility::rate");
        std::size_t const length = text.size();
        std::size_t const pool = sampler == RowSampler::pooled ? std::min(length, pool_cap) : length;
        detail::require_pool(pool, length);
        Visibility visibility;
        visibility.length = static_cast<std::uint32_t>(length);
        visibility.row.resize(length);
        visibility.bits.resize(pool * visibility.words());
        if (sampler == RowSampler::bernoulli) {
            fill_bernoulli(text, draw, visibility);
        } else {
            fill_words(text, draw, visibility);
        }
        detail::SmallDraw small(draw);
        for (std::size_t i = 0; i < length; ++i) {
            visibility.row[i] = static_cast<std::uint16_t>(sampler == RowSampler::pooled ? small.below(pool) : i);
        }
        return visibility;
    }

private:
    void fill_words(TokenSpan text, Draw& draw, Visibility& visibility) const {
        detail::WordBits masks(text, skip_specials, detail::mask_budget(detail::mask_basis(text, basis), rate, minimum, maximum));
        detail::SmallDraw small(draw);
        std::size_t const words = visibility.words();
        std::uint64_t const tail = text.size() % 64 == 0 ? ~std::uint64_t{0} : (std::uint64_t{1} << (text.size() % 64)) - 1;
        for (std::size_t first = 0; first < visibility.bits.size(); first += words) {
            std::span<std::uint64_t> const entry = std::span(visibility.bits).subspan(first, words);
            masks.sample(draw, small, entry);
            for (std::uint64_t& bits : entry) { bits = ~bits; }
            entry.back() &= tail;
        }
    }

    void fill_bernoulli(TokenSpan text, Draw& draw, Visibility& visibility) const {
        std::size_t const words = visibility.words();
        SpecialIds const& special = text.traits().special();
        std::vector<std::uint64_t> may_hide(words, 0);
        std::vector<std::uint64_t> inside(words, 0);
        for (std::size_t i = 0; i < text.size(); ++i) {
            std::uint64_t const bit = std::uint64_t{1} << (i % 64);
            inside[i / 64] |= bit;
            bool const fixed = text[i] == special.cls || text[i] == special.sep || (skip_specials && text.is_special(i));
            if (!fixed) { may_hide[i / 64] |= bit; }
        }
        auto const digits = static_cast<std::uint64_t>(std::nearbyint(rate * 0x1.0p32));   // the rate to 2^-32
        for (std::size_t k = 0; k < visibility.bits.size(); ++k) {
            visibility.bits[k] = inside[k % words] & ~(may_hide[k % words] & detail::random_bits(digits, 32, draw));
        }
    }
};

static_assert(VisibilityMasker<RowVisibility>);

}  // namespace bmae
