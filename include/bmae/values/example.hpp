// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// The texts of one training instance, and one text of it on its way through source, masker and corruptor.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <string_view>
#include <vector>

#include <bmae/values/tokens.hpp>
#include <bmae/values/visibility.hpp>

namespace bmae {

/// Label of a token that the loss skips.
inline constexpr TokenId ignored_label = -100;

/// A text under its name.
struct NamedText {
    std::string_view name;
    std::span<TokenId const> tokens = {};
};

/// Everything that a text source may read. Spans hold content ids only: no [CLS], no final [SEP]. Absent texts are empty.
struct Example {
    std::uint64_t id = 0;                                 ///< index in the corpus: part of the key of every draw
    std::span<TokenId const> passage = {};                ///< the text itself, already windowed to the length limit
    std::span<std::uint32_t const> sentence_ends = {};    ///< end of each sentence in `document`, in tokens
    std::span<TokenId const> document = {};               ///< the whole document that holds the passage
    std::size_t passage_offset = 0;                       ///< where the passage starts in `document`, in tokens
    std::span<TokenId const> previous = {};               ///< the passage before, of the same document
    std::span<TokenId const> next = {};                   ///< the passage after, of the same document
    std::vector<std::span<TokenId const>> queries = {};   ///< generated or real queries of the passage
    std::span<TokenId const> continuation = {};           ///< continuation of the passage by a language model
    std::vector<NamedText> fields = {};                   ///< further texts of the document

    /// The field of this name; empty where there is none.
    [[nodiscard]] std::span<TokenId const> field(std::string_view name) const noexcept {
        for (NamedText const& text : fields) {
            if (text.name == name) { return text.tokens; }
        }
        return {};
    }
};

/// One view of one example: the result of source, masker and corruptor.
struct MaskedText {
    std::vector<TokenId> original_ids = {};   ///< [L] with [CLS] and [SEP]
    std::vector<TokenId> input_ids = {};      ///< [L] what the network reads
    std::vector<TokenId> labels = {};         ///< [L] what it predicts, or ignored_label
    MaskFlags flags = {};                     ///< [L] 1 where the masker masked a token (all 0 for row visibility)
    std::vector<std::uint8_t> types = {};     ///< [L] token types for the encoder; empty: all 0
    Visibility visibility = {};               ///< row masks; length 0 where every row attends to every column
};

/// One text of a group: the positive of a query, or one of its negatives.
struct CandidateText {
    MaskedText text = {};
    std::int64_t id = -1;                                    ///< of the text in the dataset
    float score = std::numeric_limits<float>::quiet_NaN();   ///< teacher's score; NaN: none
};

}  // namespace bmae
