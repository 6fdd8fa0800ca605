// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Term counts of a collection: the parallel part of indexing.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <bmae/detail/parallel.hpp>
#include <bmae/retrieval/analyzer.hpp>
#include <bmae/text/id_table.hpp>

namespace bmae::detail {

/// Term frequencies of each document.
struct TermCounts {
    struct Count {
        std::uint32_t term;
        std::uint32_t frequency;
    };

    IdTable terms;
    std::vector<std::size_t> begins = {0};   // [N + 1]
    std::vector<Count> counts;               // each document's terms
    std::vector<std::uint32_t> lengths;      // [N] terms with repetitions
};

/// Maps words to terms of one table, and caches the term of each word.
class TermTable {
public:
    static constexpr std::uint32_t no_term = 0xffffffffU;

    explicit TermTable(Analyzer const& analyzer) : analyzer_(&analyzer) {}

    std::uint32_t add_word(std::string_view word) {
        std::uint32_t const number = words_.add(word);
        if (number == term_of_word_.size()) {
            std::string const term = analyzer_->term_of(word);
            term_of_word_.push_back(term.empty() ? no_term : terms_.add(term));
        }
        return term_of_word_[number];
    }
    [[nodiscard]] IdTable& terms() noexcept { return terms_; }

private:
    Analyzer const* analyzer_;
    IdTable words_;
    IdTable terms_;
    std::vector<std::uint32_t> term_of_word_;
};

/// Counts the terms of all texts. Terms are numbered by first appearance, for any number of threads.
template <class Texts>
TermCounts count_terms(Texts const& texts, Analyzer const& analyzer, unsigned threads) {
    constexpr std::size_t grain = 512;
    std::vector<TermCounts> parts((texts.size() + grain - 1) / grain);
    parallel_for(texts.size(), grain, threads, [&](std::size_t begin, std::size_t end) {
        TermCounts& part = parts[begin / grain];
        TermTable table(analyzer);
        std::string buffer;
        std::vector<std::uint32_t> place;   // [terms] 1 + index of the term in the counts of this document
        for (std::size_t document = begin; document < end; ++document) {
            std::size_t const first = part.counts.size();
            std::uint32_t length = 0;
            analyzer.for_each_word(texts[document], buffer, [&](std::string_view word) {
                std::uint32_t const term = table.add_word(word);
                if (term == TermTable::no_term) { return; }
                ++length;
                if (term >= place.size()) { place.resize(term + 1, 0); }
                if (place[term] == 0) {
                    part.counts.push_back({term, 0});
                    place[term] = static_cast<std::uint32_t>(part.counts.size() - first);
                }
                ++part.counts[first + place[term] - 1].frequency;
            });
            for (std::size_t i = first; i < part.counts.size(); ++i) { place[part.counts[i].term] = 0; }
            part.begins.push_back(part.counts.size());
            part.lengths.push_back(length);
        }
        part.terms = std::move(table.terms());
    });
    TermCounts whole;
    for (TermCounts& part : parts) {
        std::vector<std::uint32_t> number(part.terms.size());
        for (std::size_t i = 0; i < number.size(); ++i) { number[i] = whole.terms.add(part.terms[i]); }
        for (TermCounts::Count& count : part.counts) { count.term = number[count.term]; }
        for (std::size_t i = 1; i < part.begins.size(); ++i) { whole.begins.push_back(whole.counts.size() + part.begins[i]); }
        whole.counts.insert(whole.counts.end(), part.counts.begin(), part.counts.end());
        whole.lengths.insert(whole.lengths.end(), part.lengths.begin(), part.lengths.end());
        part = TermCounts();
    }
    return whole;
}

}  // namespace bmae::detail
