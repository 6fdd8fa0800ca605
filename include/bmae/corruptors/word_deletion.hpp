// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Deletion of whole words.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include <bmae/concepts/corruptor.hpp>
#include <bmae/corruptors/deletion.hpp>
#include <bmae/maskers/candidate_words.hpp>

namespace bmae {

/// Deletes each word independently with all of its tokens, flagged or not; at least a random one stays. The noise
/// of TSDAE (Wang, Reimers, Gurevych, arXiv 2104.06979). Words are those of whole-word masking, where TSDAE's code cuts at blanks
/// and punctuation; [CLS] and [SEP] stay, [UNK] is a word.
struct WordDeletion {
    static constexpr std::string_view name = "word_deletion";
    static constexpr bool changes_length = true;

    double rate = .6;   ///< probability per word; TSDAE: .6

    template <class Visit>
    void for_each_option(Visit&& visit) {
        visit("rate", rate, "probability with which a word is deleted");
    }

    /// Throws InputError unless 0 <= rate <= 1, and for a view with row masks, which would no longer fit.
    void corrupt(MaskedText& text, TokenTraits const& traits, Draw& draw) const {
        detail::CandidateWords const split(TokenSpan(text.original_ids, traits), false);
        std::vector<std::span<std::uint32_t const>> words;
        split.for_each([&](std::span<std::uint32_t const> word) { words.push_back(word); });
        detail::delete_units(text, words, rate, draw, "WordDeletion");
    }
};

static_assert(Corruptor<WordDeletion>);

}  // namespace bmae
