// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// A row of fine-tuning data, whatever the format of its file.
#pragma once

#include <string>
#include <variant>
#include <vector>

#include <bmae/corpus/record.hpp>

namespace bmae {

/// A text of a row, with its name and title where the format has them.
struct PairText {
    std::string id = {};
    std::string title = {};
    std::string text = {};

    /// Title and text as search joins them.
    [[nodiscard]] std::string joined() const { return joined_text(title, text); }
};

/// A query with its relevant texts and hard negatives.
struct PairRow {
    std::string query_id = {};   ///< empty where the format has none
    std::string prompt = {};     ///< read before the query
    std::string query = {};
    std::vector<PairText> positives = {};
    std::vector<PairText> negatives = {};
    std::vector<float> positive_scores = {};   ///< teacher's scores of `positives`; NaN: not scored; empty: no teacher
    std::vector<float> negative_scores = {};   ///< likewise, of `negatives`
};

/// Two texts, and whether or how far they mean the same.
struct LabeledPair {
    std::string first = {};
    std::string second = {};
    float label = 0;   ///< 1: a relevant text; 0: a negative; others are similarities
};

/// A query with its texts by their ids in a collection.
struct IdRow {
    std::string query_id = {};
    std::vector<std::string> positives = {};
    std::vector<std::string> negatives = {};   ///< the hardest first
};

using TrainingRow = std::variant<PairRow, LabeledPair, IdRow>;

}  // namespace bmae
