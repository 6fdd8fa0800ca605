// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// One training query of a retriever or reranker with its positives and mined negatives.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include <bmae/values/draw.hpp>
#include <bmae/values/error.hpp>
#include <bmae/values/tokens.hpp>

namespace bmae {

/// Token ids of many texts, concatenated. A view: owns nothing.
class PackedTexts {
public:
    PackedTexts() = default;

    /// \param tokens  content ids of all texts
    /// \param ends    end of each text in `tokens`                                                             [size()]
    PackedTexts(std::span<TokenId const> tokens, std::span<std::uint64_t const> ends) noexcept : tokens_(tokens), ends_(ends) {}

    [[nodiscard]] std::size_t size() const noexcept { return ends_.size(); }   ///< texts
    [[nodiscard]] bool empty() const noexcept { return ends_.empty(); }

    /// Content ids of text `i`, without [CLS] and [SEP].
    /// \throws InputError  where there is no text `i`, or its end was changed and is outside the tokens
    [[nodiscard]] std::span<TokenId const> operator[](std::size_t i) const {
        if (i >= size()) {
            throw InputError(
                Diagnostic{.file = {}, .expected = "a text below " + std::to_string(size()), .found = std::to_string(i)});
        }
        std::uint64_t const begin = i == 0 ? 0 : ends_[i - 1];
        std::uint64_t const end = ends_[i];
        if (begin > end || end > tokens_.size()) {
            throw InputError(
                Diagnostic{.file = {},
                           .expected = "texts within " + std::to_string(tokens_.size()) + " tokens",
                           .found = "text " + std::to_string(i) + " from " + std::to_string(begin) + " to " + std::to_string(end),
                           .hint = "The store was changed after it was made: prepare it again."});
        }
        return tokens_.subspan(begin, end - begin);
    }

private:
    std::span<TokenId const> tokens_ = {};
    std::span<std::uint64_t const> ends_ = {};
};

/// One training query with its relevant texts and its hard negatives. Numbers index `texts`; all texts may serve as random
/// negatives. A view: valid as long as the dataset.
struct PairExample {
    std::uint64_t id = 0;                            ///< index of the query in the dataset: keys every draw
    std::span<TokenId const> query = {};             ///< content ids, without [CLS] and final [SEP]; never empty
    std::span<std::uint32_t const> positives = {};   ///< relevant texts; at least one, each once
    std::span<std::uint32_t const> negatives = {};   ///< hard negatives, the hardest first, each once; none is a positive
    std::span<float const> positive_scores = {};     ///< teacher's scores of `positives`; NaN: not scored; empty: no teacher
    std::span<float const> negative_scores = {};     ///< likewise, of `negatives`
    PackedTexts texts = {};                          ///< all texts of the dataset
    std::uint64_t epoch = 0;                         ///< in which it is read, and
    std::uint64_t seed = 0;                          ///< of the run: for sources that go through a list epoch by epoch
};

namespace detail {

/// The example as an epoch reads it; an example of another dataset as it is.
inline PairExample at_epoch(PairExample example, DrawKey const& key) {
    example.epoch = key.epoch;
    example.seed = key.seed;
    return example;
}
template <class ExampleT>
ExampleT const& at_epoch(ExampleT const& example, DrawKey const&) {
    return example;
}

}  // namespace detail

}  // namespace bmae
