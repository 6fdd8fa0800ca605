// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// The losses of a cross-encoder: a softmax over the scores of each group, and agreement of two passes under dropout.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <ATen/core/Tensor.h>

#include <bmae/losses/info_nce.hpp>
#include <bmae/losses/r_drop.hpp>
#include <bmae/model/group_scores.hpp>
#include <bmae/model/term.hpp>

namespace bmae {

/// Options of `GroupSoftmax` and `RDrop`.
struct GroupLossOptions {
    TermWeight weight = 1;   ///< in the total

    template <class Visit>
    void for_each_option(Visit&& visit) {
        visit.inside("weight", weight);
    }
};

namespace detail {

/// What both losses over groups have in common.
class GroupLoss {
public:
    using Options = GroupLossOptions;
    static constexpr bool compares_batch = false;   ///< each query is scored with its own group alone
    static constexpr bool needs_groups = true;
    static constexpr bool needs_scores = true;   ///< of a bottleneck with one score per text

    explicit GroupLoss(Options options) : options_(options) {}

    [[nodiscard]] double weight(double progress) const { return options_.weight.at(progress); }
    [[nodiscard]] std::size_t negatives(std::size_t examples, std::size_t candidates) const {
        return examples == 0 ? 0 : candidates / examples - 1;
    }
    /// The positive of each group, twice: it is its own anchor.
    [[nodiscard]] PairList pairs(std::span<PackedView const* const> views) const {
        PairList list;
        for (std::size_t e = 0; e < views[0]->examples(); ++e) {
            list.rows.insert(list.rows.end(), {static_cast<std::int64_t>(e), views[0]->first_text(e)});
        }
        return list;
    }
    template <class Visit>
    void for_each_parameter(std::string const&, Visit&&) {}

protected:
    /// The scores of one pass, a row per group.                                                                     [B, G]
    static at::Tensor matrix(CrossState const& state, std::size_t pass) {
        return state.sentences[pass].to(at::kFloat).view({-1, group_size_of(*state.views[pass])});
    }

    Options options_;
};

}  // namespace detail

/// -log softmax(s)[positive] over the scores of each group, the mean of all passes (listwise cross-entropy: Nogueira et al.,
/// arXiv 1910.14424; SimLM's and MASTER's rerankers).
class GroupSoftmax : public detail::GroupLoss {
public:
    static constexpr std::string_view kind = "group_softmax";
    static constexpr std::size_t passes = 1;

    template <Encoder E>
    GroupSoftmax(Options options, E const&, std::uint64_t, std::string const&) : GroupLoss(options) {}

    [[nodiscard]] TermSum sum(CrossState const& state) const {
        TermSum result;
        for (std::size_t p = 0; p < state.views.size(); ++p) {
            at::Tensor const scores = matrix(state, p);
            std::vector<std::int64_t> const targets(static_cast<std::size_t>(scores.size(0)), 0);
            ContrastiveLoss const loss = softmax_contrast(scores, targets);
            if (p == 0) { result.correct = loss.correct; }
            at::Tensor const share = loss.sum / static_cast<double>(state.views.size());
            result.sum = p == 0 ? share : result.sum + share;
        }
        return result;
    }

    [[nodiscard]] TermDescription describe(std::string name) const {
        return {.name = std::move(name), .kind = std::string(kind), .weight = options_.weight.at(0)};
    }
};

/// ( KL(p || q) + KL(q || p) ) / 2 of the softmax of two passes over one group, which differ by their dropout (Wu et al.: R-Drop,
/// arXiv 2106.14448; SimLM's reranker). Follows two passes of one view.
class RDrop : public detail::GroupLoss {
public:
    static constexpr std::string_view kind = "r_drop";
    static constexpr std::size_t passes = 2;

    template <Encoder E>
    RDrop(Options options, E const&, std::uint64_t, std::string const&) : GroupLoss(options) {}

    [[nodiscard]] TermSum sum(CrossState const& state) const {
        return {.sum = symmetric_divergence(matrix(state, 0), matrix(state, 1))};
    }

    [[nodiscard]] TermDescription describe(std::string name) const {
        return {.name = std::move(name), .kind = std::string(kind), .weight = options_.weight.at(0)};
    }
};

}  // namespace bmae
