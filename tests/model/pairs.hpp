// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// A small pair store of invented texts, and a network for it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include <bmae/encoders/bert.hpp>
#include <bmae/text/pair_store.hpp>
#include <bmae/text/pair_store_writer.hpp>

#include "../scratch_folder.hpp"

namespace test {

inline bmae::BertConfig pair_config(double dropout = 0) {
    bmae::BertConfig config = bmae::BertConfig::of_size(1, 16);
    config.vocab_size = 60;
    config.num_attention_heads = 2;
    config.max_position_embeddings = 40;
    config.initializer_range = .2;   // large weights, so that a fault is loud
    config.hidden_dropout_prob = config.attention_probs_dropout_prob = dropout;
    return config;
}

/// A query of a test store: texts by number.
struct PairRow {
    std::vector<bmae::TokenId> query;
    std::vector<std::uint32_t> positives;
    std::vector<std::uint32_t> negatives = {};
    std::vector<float> positive_scores = {};
    std::vector<float> negative_scores = {};
};

/// Text p is {10 + p, 20 + p, 30}; it lives in a folder of its own.
class TestPairs {
public:
    TestPairs(std::size_t texts, std::vector<PairRow> const& rows, bmae::PairLabels labels = bmae::PairLabels::relevance)
        : store_(write(scratch_.path() / "pairs", texts, rows, labels)) {}

    [[nodiscard]] bmae::PairStore const& store() const { return store_; }

    /// Five texts, three queries; text 1 is relevant to the first two.
    static TestPairs small() { return {5, {{{40}, {0, 1}, {3}}, {{41}, {1}}, {{42}, {2}, {4, 3}}}}; }
    /// Eight queries and nine texts; neighbors share a relevant one.
    static std::vector<PairRow> shared_positives() {
        std::vector<PairRow> rows;
        for (std::uint32_t q = 0; q < 8; ++q) {
            rows.push_back({{static_cast<bmae::TokenId>(40 + q), 31}, {q, q + 1}, {(q + 4) % 9}});
        }
        return rows;
    }

private:
    static bmae::PairStore write(std::filesystem::path const& folder, std::size_t texts, std::vector<PairRow> const& rows,
                                 bmae::PairLabels labels) {
        bmae::TokenTraits const traits{{.pad = 0, .unk = 1, .cls = 2, .sep = 3, .mask = 4}, std::vector<std::uint8_t>(60, 0)};
        bmae::PairStoreWriter writer(folder, traits, 1);
        writer.labels(labels);
        for (std::size_t p = 0; p < texts; ++p) {
            auto const id = static_cast<bmae::TokenId>(p);
            std::vector<bmae::TokenId> const tokens{10 + id, 20 + id, 30};
            writer.add_text("t" + std::to_string(p), tokens);
        }
        for (std::size_t q = 0; q < rows.size(); ++q) {
            writer.add({.id = "q" + std::to_string(q),
                        .tokens = rows[q].query,
                        .positives = rows[q].positives,
                        .negatives = rows[q].negatives,
                        .positive_scores = rows[q].positive_scores,
                        .negative_scores = rows[q].negative_scores});
        }
        writer.finish();
        return bmae::PairStore::open(folder);
    }

    ScratchFolder scratch_;
    bmae::PairStore store_;
};

}  // namespace test
