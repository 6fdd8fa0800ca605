// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Ranks the hits of one query and looks up their grades.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include <bmae/concepts/metric.hpp>
#include <bmae/evaluation/profile.hpp>
#include <bmae/retrieval/qrels.hpp>
#include <bmae/retrieval/run.hpp>

namespace bmae::detail {

/// Not the number of any document: an IdTable is smaller.
inline constexpr std::uint32_t no_document = 0xffffffffU;

/// Looks up the grade of a document of the run; small enough for the L1 cache, since a query has few judgments.
class GradeTable {
public:
    void assign(IdTable const& run_documents, Qrels const& qrels, std::span<Judgement const> judgements) {
        std::size_t slots = 4;
        while (slots < judgements.size() * 2) { slots *= 2; }
        slots_.assign(slots, {no_document, unjudged});
        for (Judgement const& judgement : judgements) {
            auto const number = run_documents.find(qrels.document(judgement.document));
            if (number) { slots_[place_of(*number)] = {*number, std::max(judgement.grade, unjudged)}; }
        }
    }
    [[nodiscard]] std::int32_t operator[](std::uint32_t document) const noexcept { return slots_[place_of(document)].grade; }

private:
    struct Slot {
        std::uint32_t document;
        std::int32_t grade;
    };

    [[nodiscard]] std::size_t place_of(std::uint32_t document) const noexcept {
        std::size_t const mask = slots_.size() - 1;
        std::size_t place = ((document * 0x9e3779b97f4a7c15ULL) >> 32) & mask;
        while (slots_[place].document != no_document && slots_[place].document != document) { place = (place + 1) & mask; }
        return place;
    }

    std::vector<Slot> slots_;
};

struct RankedHit {
    double score;
    std::uint32_t place;   ///< in the run
};

/// Orders the hits of one query.
class Ranking {
public:
    /// \param drop  number of a document to leave out, or no_document
    void assign(Run const& run, std::size_t query, bool double_scores, TieOrder ties, std::uint32_t drop) {
        auto const hits = run.hits(query);
        auto const exact = run.exact_scores(query);
        order_.clear();
        for (std::size_t i = 0; i < hits.size(); ++i) {
            if (hits[i].document == drop) { continue; }
            order_.push_back(
                {double_scores && !exact.empty() ? exact[i] : static_cast<double>(hits[i].score), static_cast<std::uint32_t>(i)});
        }
        auto const before = [](RankedHit const& a, RankedHit const& b) {
            return a.score != b.score ? a.score > b.score : a.place < b.place;
        };
        if (!std::is_sorted(order_.begin(), order_.end(), before)) { std::sort(order_.begin(), order_.end(), before); }
        if (ties == TieOrder::run_order) { return; }
        for (std::size_t begin = 0; begin < order_.size();) {
            std::size_t const end = end_of_tie(begin);
            if (end - begin > 1) {
                std::sort(order_.begin() + static_cast<std::ptrdiff_t>(begin), order_.begin() + static_cast<std::ptrdiff_t>(end),
                          [&](RankedHit const& a, RankedHit const& b) {
                              auto const first = run.document(hits[a.place].document);
                              auto const second = run.document(hits[b.place].document);
                              return ties == TieOrder::document_descending ? first > second : first < second;
                          });
            }
            begin = end;
        }
    }

    [[nodiscard]] std::span<RankedHit const> hits() const noexcept { return order_; }

    /// Number of hits within rank k that are tied with another hit.
    [[nodiscard]] std::size_t tied_within(std::size_t k) const noexcept {
        std::size_t tied = 0;
        for (std::size_t begin = 0; begin < std::min(k, order_.size());) {
            std::size_t const end = end_of_tie(begin);
            if (end - begin > 1) { tied += std::min(end, k) - begin; }
            begin = end;
        }
        return tied;
    }

private:
    [[nodiscard]] std::size_t end_of_tie(std::size_t begin) const noexcept {
        std::size_t end = begin + 1;
        while (end < order_.size() && order_[end].score == order_[begin].score) { ++end; }
        return end;
    }

    std::vector<RankedHit> order_;
};

}  // namespace bmae::detail
