// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Random crops: a run of tokens of the passage, a run of sentences of the document.
#pragma once

#include <algorithm>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <bmae/concepts/text_source.hpp>
#include <bmae/sources/sentences.hpp>
#include <bmae/values/error.hpp>

namespace bmae {

/// A run of tokens of the passage: its share of the length is uniform between two bounds, its position uniform (Contriever).
///
/// At least one token, where the published int(length * ratio) may give none. Two views with this source draw independently.
struct RandomCrop {
    static constexpr std::string_view name = "random_crop";
    static constexpr bool draws_per_view = true;

    double minimum_share = .05;   ///< of the passage; Contriever: .05
    double maximum_share = .50;   ///< of the passage; Contriever: .50

    template <class Visit>
    void for_each_option(Visit&& visit) {
        visit("minimum_share", minimum_share, "length of the shortest crop, as a share of the text");
        visit("maximum_share", maximum_share, "length of the longest crop, as a share of the text");
    }

    /// Throws InputError unless 0 <= minimum_share <= maximum_share <= 1.
    [[nodiscard]] std::vector<TokenId> read(Example const& example, TokenTraits const& traits, Draw& draw) const {
        static_cast<void>(traits);
        if (!(minimum_share >= 0 && minimum_share <= maximum_share && maximum_share <= 1)) {
            throw InputError(Diagnostic{.file = {},
                                        .expected = "0 <= RandomCrop::minimum_share <= maximum_share <= 1",
                                        .found = std::to_string(minimum_share) + " and " + std::to_string(maximum_share),
                                        .hint = "Contriever crops between 0.05 and 0.5 of a text."});
        }
        std::size_t const length = example.passage.size();
        if (length == 0) { return {}; }
        double const share = minimum_share + (maximum_share - minimum_share) * draw.uniform();
        auto const tokens = static_cast<std::size_t>(static_cast<double>(length) * share);
        std::size_t const size = std::clamp<std::size_t>(tokens, 1, length);
        auto const crop = example.passage.subspan(draw.below(length - size + 1), size);
        return {crop.begin(), crop.end()};
    }
};

static_assert(TextSource<RandomCrop>);

/// A run of whole sentences from anywhere in the document, each start equally likely; fewer where the document has fewer.
///
/// Two views with this source draw independently and may read the same sentence.
struct SentenceCrop {
    static constexpr std::string_view name = "sentence_crop";
    static constexpr bool draws_per_view = true;

    std::size_t sentences = 1;   ///< length of the run

    template <class Visit>
    void for_each_option(Visit&& visit) {
        visit("sentences", sentences, "sentences of the crop");
    }

    /// Throws InputError where `sentences` is 0 or an example with a document lacks its sentence ends.
    [[nodiscard]] std::vector<TokenId> read(Example const& example, TokenTraits const& traits, Draw& draw) const {
        static_cast<void>(traits);
        auto const ends = example.sentence_ends;
        if (sentences == 0 || (ends.empty() && !example.document.empty()) ||
            (!ends.empty() && ends.back() > example.document.size())) {
            throw InputError(Diagnostic{.file = {},
                                        .expected = "SentenceCrop::sentences of at least 1 and a document with sentence ends",
                                        .found = std::to_string(sentences) + " and " + std::to_string(ends.size()) + " ends in " +
                                                 std::to_string(example.document.size()) + " tokens",
                                        .hint = "Prepare the corpus with sentence splitting."});
        }
        if (ends.empty()) { return {}; }
        std::size_t const run = std::min(sentences, ends.size());
        std::size_t const first = draw.below(ends.size() - run + 1);
        std::size_t const begin = first == 0 ? 0 : ends[first - 1];
        return detail::tokens_of(example, {begin, ends[first + run - 1]});
    }
};

static_assert(TextSource<SentenceCrop>);

}  // namespace bmae
