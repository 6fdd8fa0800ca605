// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// The losses of a cross-encoder: over the scores of each group, and agreement of two passes under dropout.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <ATen/core/Tensor.h>

#include <bmae/losses/group_loss.hpp>
#include <bmae/losses/info_nce.hpp>
#include <bmae/model/group_scores.hpp>
#include <bmae/model/term.hpp>
#include <bmae/values/error.hpp>

namespace bmae {

/// Options of `GroupSoftmax`.
struct GroupSoftmaxOptions {
    TermWeight weight = 1;   ///< in the total
    GroupLoss loss = GroupLoss::softmax;
    double margin = 1;   ///< of the loss `margin`: by how much a positive is to score higher than each negative

    template <class Visit>
    void for_each_option(Visit&& visit) {
        visit.inside("weight", weight);
        visit("loss", loss, "softmax over the group, pointwise: each pair is relevant or not, or a margin to each negative");
        visit("margin", margin, "of the loss margin: by how much a positive is to score higher");
    }
};

/// Options of `RDrop`.
struct RDropOptions {
    TermWeight weight = 1;                 ///< in the total
    GroupLoss loss = GroupLoss::softmax;   ///< whose distribution both passes agree on: that of the `GroupSoftmax` beside it

    template <class Visit>
    void for_each_option(Visit&& visit) {
        visit.inside("weight", weight);
        visit("loss", loss, "whose distribution both passes agree on: softmax or pointwise");
    }
};

namespace detail {

/// What both losses over groups have in common.
class LossOverGroups {
public:
    static constexpr bool compares_batch = false;   ///< each query is scored with its own group alone
    static constexpr bool needs_groups = true;
    static constexpr bool needs_scores = true;   ///< of a bottleneck with one score per text

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
};

}  // namespace detail

/// A loss over the scores of each group, the mean of all passes. The default is -log softmax(s)[positive], the listwise cross-entropy
/// (Nogueira et al., arXiv 1910.14424; SimLM's and MASTER's rerankers); `loss` names the others (losses/group_loss.hpp). Its labels are the
/// queries, whatever the loss, and `correct` counts those whose positive scores highest.
class GroupSoftmax : public detail::LossOverGroups {
public:
    using Options = GroupSoftmaxOptions;
    static constexpr std::string_view kind = "group_softmax";
    static constexpr std::size_t passes = 1;

    /// Throws InputError for a margin that is not a finite number above 0, and for one with another loss than `margin`.
    template <Encoder E>
    GroupSoftmax(Options options, E const&, std::uint64_t, std::string const&) : options_(options) {
        require_margin(options_.margin);
        if (options_.loss == GroupLoss::margin || options_.margin == Options().margin) { return; }
        throw InputError(
            Diagnostic{.file = {},
                       .expected = "loss=margin with a margin, which no other loss reads",
                       .found = "loss=" + std::string(to_string(options_.loss)) + ", margin " + std::to_string(options_.margin)});
    }

    [[nodiscard]] double weight(double progress) const { return options_.weight.at(progress); }

    [[nodiscard]] TermSum sum(CrossState const& state) const {
        TermSum result;
        for (std::size_t p = 0; p < state.views.size(); ++p) {
            ContrastiveLoss const loss = group_loss(options_.loss, matrix(state, p), options_.margin);
            if (p == 0) { result.correct = loss.correct; }
            at::Tensor const share = loss.sum / static_cast<double>(state.views.size());
            result.sum = p == 0 ? share : result.sum + share;
        }
        return result;
    }

    [[nodiscard]] TermDescription describe(std::string name) const {
        bool const plain = options_.loss == GroupLoss::softmax;
        return {.name = std::move(name),
                .kind = std::string(kind),
                .contrast = plain ? std::string() : std::string(to_string(options_.loss)),
                .weight = options_.weight.at(0)};
    }

private:
    Options options_;
};

/// ( KL(p || q) + KL(q || p) ) / 2 of what two passes say of one group, which differ by their dropout (Wu et al.: R-Drop, arXiv
/// 2106.14448; SimLM's reranker): the softmax over the group, or with `loss=pointwise` the probability of each pair. Follows two passes
/// of one view.
class RDrop : public detail::LossOverGroups {
public:
    using Options = RDropOptions;
    static constexpr std::string_view kind = "r_drop";
    static constexpr std::size_t passes = 2;

    /// Throws InputError for the loss `margin`: its scores are no distribution.
    template <Encoder E>
    RDrop(Options options, E const&, std::uint64_t, std::string const&) : options_(options) {
        require_distribution(options_.loss);
    }

    [[nodiscard]] double weight(double progress) const { return options_.weight.at(progress); }

    [[nodiscard]] TermSum sum(CrossState const& state) const {
        return {.sum = group_divergence(options_.loss, matrix(state, 0), matrix(state, 1))};
    }

    [[nodiscard]] TermDescription describe(std::string name) const {
        bool const plain = options_.loss == GroupLoss::softmax;
        return {.name = std::move(name),
                .kind = std::string(kind),
                .contrast = plain ? std::string() : std::string(to_string(options_.loss)),
                .weight = options_.weight.at(0)};
    }

private:
    Options options_;
};

}  // namespace bmae
