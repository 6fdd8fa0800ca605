// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// An inverted index of impacts: for every term the documents that have it, with a score above 0 each. BM25 and sparse encoders search it.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include <bmae/retrieval/top_k.hpp>

namespace bmae {

/// One document of a term's list.
struct Posting {
    std::uint32_t document = 0;
    float score = 0;   ///< above 0
};

/// A term of a query or a document.
struct WeightedTerm {
    std::uint32_t term = 0;
    float weight = 0;   ///< above 0
};

/// Lists in memory of somebody else, such as a mapped file.
struct PostingView {
    std::size_t documents = 0;                  ///< N
    std::span<std::size_t const> begins = {};   ///< [terms + 1]
    std::span<Posting const> postings = {};
};

/// The lists of all terms, each by ascending document.
struct PostingLists {
    std::size_t documents = 0;               ///< N
    std::vector<std::size_t> begins = {0};   ///< [terms + 1] of the list of each term in `postings`
    std::vector<Posting> postings = {};

    [[nodiscard]] std::size_t terms() const noexcept { return begins.size() - 1; }
    [[nodiscard]] operator PostingView() const noexcept { return {documents, begins, postings}; }   // NOLINT: the same lists
};

/// Exact search: all postings of a query's terms are summed, none is skipped. One object serves one thread.
class PostingSearcher {
public:
    /// \param lists  must outlive it; a list may be out of order or name documents that are not there, as in a damaged file: then scores
    ///               and keys of the result are wrong, but nothing outside is read or written
    PostingSearcher(PostingView lists, std::size_t k)
        : lists_(lists), best_(std::min(k, lists.documents)), scores_(block_size, 0.0F) {}

    /// The k documents with the highest sums of weight times score, of those with a term of the query; of equal ones the smaller number.
    /// \param terms  each once
    std::vector<TopK::Entry> search(std::span<WeightedTerm const> terms) {
        cursors_.clear();
        for (WeightedTerm const& term : terms) {
            cursors_.push_back({term.weight, lists_.begins[term.term], lists_.begins[term.term + 1]});
        }
        best_.clear();
        for (std::uint32_t first = 0; first < lists_.documents; first += block_size) { search_block(first); }
        return best_.sorted();
    }

private:
    /// Documents are scored in blocks whose scores fit into the cache.
    static constexpr std::uint32_t block_size = 1U << 14;

    struct Cursor {
        float weight;
        std::size_t at, end;   // remaining postings
    };

    void search_block(std::uint32_t first) {
        std::size_t const size = lists_.documents;
        auto const last = static_cast<std::uint32_t>(std::min<std::size_t>(first + std::size_t{block_size}, size));
        Posting const* const postings = lists_.postings.data();
        touched_.clear();
        std::size_t count = 0;
        for (Cursor& cursor : cursors_) {
            Posting const* at = postings + cursor.at;
            Posting const* const end = last == size ? postings + cursor.end
                                                    : std::lower_bound(at, postings + cursor.end, last,
                                                                       [](Posting const& posting, std::uint32_t document) {
                                                                           return posting.document < document;
                                                                       });
            touched_.push_back({at, end});
            count += static_cast<std::size_t>(end - at);
            for (; at != end; ++at) { scores_[(at->document - first) % block_size] += cursor.weight * at->score; }
            cursor.at = static_cast<std::size_t>(end - postings);
        }
        if (count * 4 < last - first) {
            for (auto const& [begin, end] : touched_) {
                for (Posting const* at = begin; at != end; ++at) {
                    float& score = scores_[(at->document - first) % block_size];
                    if (score > 0 && score >= best_.threshold()) { best_.push(score, at->document); }
                    score = 0;   // a document with two terms occurs twice
                }
            }
        } else {
            std::span<float> const block = std::span(scores_).first(last - first);
            std::size_t i = 0;
            while (i < block.size() && best_.threshold() <= 0) {   // while documents without a score could enter
                if (block[i] > 0) { best_.push(block[i], first + static_cast<std::uint32_t>(i)); }
                ++i;
            }
            best_.push_all(block.subspan(i), [&](std::size_t j) { return first + static_cast<std::uint32_t>(i + j); });
            std::fill(block.begin(), block.end(), 0.0F);
        }
    }

    PostingView lists_;
    TopK best_;
    std::vector<float> scores_;   // [block_size] of the current block; all 0 between blocks
    std::vector<Cursor> cursors_;
    std::vector<std::pair<Posting const*, Posting const*>> touched_;
};

}  // namespace bmae
