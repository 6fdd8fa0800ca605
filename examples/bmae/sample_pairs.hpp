// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// A few made-up pairs, on which a fine-tuning is composed before its own pairs are prepared.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <optional>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <bmae/detail/whole_files.hpp>
#include <bmae/text/any_tokenizer.hpp>
#include <bmae/text/pair_store.hpp>
#include <bmae/text/pair_store_writer.hpp>
#include <bmae/values/tokens.hpp>

#include "common.hpp"

namespace bmae::program {

/// Queries with relevant texts, negatives and scores of a teacher: whatever a preset reads, they have. A folder of temporary files while
/// it lives.
class SamplePairs {
public:
    SamplePairs(AnyTokenizer const& tokenizer, PairLabels labels) {
        std::string name = (std::filesystem::temp_directory_path() / "bmae-XXXXXX").string();
        if (::mkdtemp(name.data()) == nullptr) { detail::fail_to_write(name, "create a temporary folder", errno); }
        folder_ = name;
        write(tokenizer, labels);
        store_.emplace(PairStore::open(folder_ / "pairs"));
    }
    SamplePairs(SamplePairs const&) = delete;
    SamplePairs& operator=(SamplePairs const&) = delete;
    ~SamplePairs() {
        store_.reset();
        std::error_code ignored;
        std::filesystem::remove_all(folder_, ignored);
    }

    [[nodiscard]] PairStore const& store() const noexcept { return *store_; }

private:
    void write(AnyTokenizer const& tokenizer, PairLabels labels) const {
        constexpr std::uint32_t queries = 4, negatives = 2;
        PairStoreWriter writer(folder_ / "pairs", tokenizer);
        writer.labels(labels);
        auto const vocabulary = static_cast<TokenId>(tokenizer.traits().size());
        for (std::uint32_t q = 0; q < queries; ++q) {
            PairQuery query{.id = std::to_string(q), .tokens = {static_cast<TokenId>(q % vocabulary)}};
            for (std::uint32_t t = 0; t <= negatives; ++t) {
                std::vector<TokenId> const text(q * (negatives + 1) + t + 1, TokenId{0});   // each of another length
                std::uint32_t const number = writer.add_text(std::to_string(text.size()), text);
                (t == 0 ? query.positives : query.negatives).push_back(number);
                (t == 0 ? query.positive_scores : query.negative_scores).push_back(t == 0 ? 1.F : 0.F);
            }
            if (labels == PairLabels::similarity) {
                query.negatives.clear();
                query.negative_scores.clear();
            }
            writer.add(query);
        }
        writer.finish();
    }

    Path folder_ = {};
    std::optional<PairStore> store_ = {};
};

}  // namespace bmae::program
