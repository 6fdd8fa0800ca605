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
#include <bmae/evaluation/quicksort_order.hpp>
#include <bmae/retrieval/qrels.hpp>
#include <bmae/retrieval/run.hpp>

namespace bmae::detail {

/// Not the number of any document: an IdTable is smaller.
inline constexpr std::uint32_t no_document = 0xffffffffU;

/// Looks up the grade of a document of the run; small enough for the L1 cache, since a query has few judgments.
class GradeTable {
public:
    void assign(IdTable const& run_documents, Qrels const& qrels, std::span<Judgment const> judgments) {
        std::size_t slots = 4;
        while (slots < judgments.size() * 2) { slots *= 2; }
        slots_.assign(slots, {no_document, unjudged});
        for (Judgment const& judgment : judgments) {
            auto const number = run_documents.find(qrels.document(judgment.document));
            if (number) { slots_[place_of(*number)] = {*number, judgment.grade < 0 ? sampled_unjudged : judgment.grade}; }
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

/// The hits of one query of a run in memory, as they are listed.
class RunHits {
public:
    RunHits(Run const& run, std::size_t query, GradeTable const& grades)
        : run_(run), hits_(run.hits(query)), exact_(run.exact_scores(query)), grades_(grades) {}

    [[nodiscard]] std::size_t size() const noexcept { return hits_.size(); }
    /// \param exact  in double precision, where the run has such scores
    [[nodiscard]] double score(std::size_t i, bool exact) const noexcept {
        return exact && !exact_.empty() ? exact_[i] : static_cast<double>(hits_[i].score);
    }
    [[nodiscard]] std::string_view id(std::size_t i) const noexcept { return run_.document(hits_[i].document); }
    [[nodiscard]] std::int32_t grade(std::size_t i) const noexcept { return grades_[hits_[i].document]; }
    /// The place of the document with this id; size() where there is none.
    [[nodiscard]] std::size_t place_of(std::string_view id) const noexcept {
        auto const number = run_.documents()->find(id);
        auto const found =
            std::find_if(hits_.begin(), hits_.end(), [&](Hit const& hit) { return number && hit.document == *number; });
        return static_cast<std::size_t>(found - hits_.begin());
    }

private:
    Run const& run_;
    std::span<Hit const> hits_;
    std::span<double const> exact_;
    GradeTable const& grades_;
};

/// Orders the hits of one query.
class Ranking {
public:
    /// \param hits  RunHits, or what has the same members
    /// \param drop  place of a hit to leave out; hits.size() for none
    template <class Hits>
    void assign(Hits const& hits, bool double_scores, TieOrder ties, std::size_t drop) {
        order_.clear();
        for (std::size_t i = 0; i < hits.size(); ++i) {
            if (i != drop) { order_.push_back({hits.score(i, double_scores), static_cast<std::uint32_t>(i)}); }
        }
        if (ties == TieOrder::ranx || ties == TieOrder::ranx_comparable) {
            quicksort_descending(order_);
            if (ties == TieOrder::ranx_comparable) { quicksort_descending(order_); }
            return;
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
                              std::string_view const first = hits.id(a.place);
                              std::string_view const second = hits.id(b.place);
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
