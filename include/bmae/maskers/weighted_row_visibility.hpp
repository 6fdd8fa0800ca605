// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Row masks of the enhanced decoder that mask the important words more often.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>
#include <utility>

#include <bmae/concepts/masker.hpp>
#include <bmae/maskers/candidate_words.hpp>
#include <bmae/maskers/keyword.hpp>
#include <bmae/maskers/word_weights.hpp>
#include <bmae/values/visibility.hpp>

namespace bmae {

/// As `RowVisibility` with pooled draws, but the columns masked for a row are drawn by the weights of their words, as
/// `KeywordMasker` draws (Li et al.: Challenging Decoder helps in Masked Auto-Encoder Pre-training for Dense Passage Retrieval,
/// arXiv 2305.13197, with pointwise mutual information as weights; its code is not public). Specials are always visible.
///
/// min(L, pool_cap) draws per text each sort its words: a few milliseconds for 512 tokens.
struct WeightedRowVisibility {
    static constexpr std::string_view name = "weighted_row_visibility";

    double rate = .50;            ///< share of `basis` that a row does not attend to
    std::size_t pool_cap = 256;   ///< draws per text at most, up to 65 536
    KeywordWeighting weighting = KeywordWeighting::tf_idf;
    MaskBasis basis = MaskBasis::all;                  ///< what the rate is a share of
    std::size_t minimum = 1;                           ///< tokens masked per draw, at least
    std::size_t maximum = 512;                         ///< tokens masked per draw, at most
    double floor = 1e-6;                               ///< least weight; `tf_idf` only
    std::shared_ptr<WordWeights const> weights = {};   ///< of the corpus; see `learn`

    template <class Visit>
    void for_each_option(Visit&& visit) {
        visit("rate", rate, "share of tokens that a row does not attend to");
        visit("pool_cap", pool_cap, "row masks drawn per text at most");
        visit("weighting", weighting, "how words are weighted");
        visit("basis", basis, "what the rate is a share of");
        visit("minimum", minimum, "tokens masked per draw, at least");
        visit("maximum", maximum, "tokens masked per draw, at most");
        visit("floor", floor, "least weight of a word under tf_idf");
    }

    [[nodiscard]] bool needs_words() const noexcept { return weights == nullptr; }
    /// Sets the word counts of the corpus, unless it has some already.
    void learn(std::shared_ptr<WordWeights const> counted) {
        if (needs_words()) { weights = std::move(counted); }
    }

    /// Throws InputError as `KeywordMasker::draw`, and where the pool would be empty or exceed 65 536 entries.
    [[nodiscard]] Visibility draw(TokenSpan text, Draw& draw) const {
        std::size_t const pool = std::min(text.size(), pool_cap);
        detail::require_pool(pool, text.size());
        Visibility visibility;
        visibility.length = static_cast<std::uint32_t>(text.size());
        visibility.bits.reserve(pool * visibility.words());
        KeywordMasker const words{.rate = rate,
                                  .weighting = weighting,
                                  .basis = basis,
                                  .minimum = minimum,
                                  .maximum = maximum,
                                  .floor = floor,
                                  .weights = weights};
        words.draw_each(text, draw, pool, [&](MaskFlags&& hidden) {
            std::size_t const first = visibility.bits.size();
            visibility.bits.resize(first + visibility.words());
            for (std::size_t j = 0; j < hidden.size(); ++j) {
                visibility.bits[first + j / 64] |= std::uint64_t{hidden[j] == 0} << (j % 64);
            }
        });
        detail::SmallDraw small(draw);
        for (std::size_t i = 0; i < text.size(); ++i) { visibility.row.push_back(static_cast<std::uint16_t>(small.below(pool))); }
        return visibility;
    }
};

static_assert(VisibilityMasker<WeightedRowVisibility> && LearnsWords<WeightedRowVisibility>);

}  // namespace bmae
