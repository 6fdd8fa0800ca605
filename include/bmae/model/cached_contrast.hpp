// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Contrast of two towers of which one may be frozen and leave its vectors as further negatives.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <ATen/core/Tensor.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/zeros.h>

#include <bmae/batch/to_tensors.hpp>
#include <bmae/bottlenecks/normalize.hpp>
#include <bmae/losses/info_nce.hpp>
#include <bmae/model/contrast.hpp>
#include <bmae/model/term.hpp>
#include <bmae/model/vector_queue.hpp>
#include <bmae/values/error.hpp>

namespace bmae {

/// Options of a `CachedContrast`.
struct CachedContrastOptions {
    TermWeight weight = 1;                     ///< in the total
    double temperature = 1;                    ///< divides the scores
    Similarity similarity = Similarity::dot;   ///< LaPraDoR: cosine
    std::int64_t cache = 0;                    ///< vectors of the frozen tower that are kept; 0: none

    template <class Visit>
    void for_each_option(Visit&& visit) {
        visit.inside("weight", weight);
        visit("temperature", temperature, "divides the scores");
        visit("similarity", similarity, "how two vectors are compared");
        visit("cache", cache, "vectors of the frozen tower that are kept");
    }
};

/// Anchors of one pass among the rows of the other, as `Contrast`; where its tower is frozen, also among the vectors that it
/// gave to earlier batches while frozen (Xu et al.: LaPraDoR, arXiv 2203.06169, iterative contrastive learning).
///
/// The vectors of a frozen tower stay in one space, so old ones are valid negatives: this is the purpose of the alternation.
/// When it is trained again its cache is emptied. Anchors are the rows of the trained tower; where both are, those of pass 0.
/// A vector that is not finite is not kept. A cache of as many vectors as the corpus has texts also holds the anchors' own keys
/// of an epoch ago, as negatives: keep it well below that size.
class CachedContrast {
public:
    using Options = CachedContrastOptions;
    static constexpr std::string_view kind = "contrast";
    static constexpr std::size_t passes = 2;
    static constexpr bool wants_hidden_width = true;   ///< of what it keeps

    /// Throws InputError for a temperature that is not above 0 or a cache below 0.
    template <Encoder E>
    CachedContrast(Options options, E const& encoder, std::uint64_t, std::string const&)
        : options_(options), cache_(at::zeros({std::max<std::int64_t>(0, options.cache), encoder.shape().width})) {
        if (!(options_.temperature > 0) || options_.cache < 0) {
            throw InputError(
                Diagnostic{.file = {},
                           .expected = "a temperature above 0 and a cache of at least 0",
                           .found = std::to_string(options_.temperature) + " and " + std::to_string(options_.cache)});
        }
    }

    [[nodiscard]] double weight(double progress) const { return options_.weight.at(progress); }
    [[nodiscard]] std::size_t negatives(std::size_t texts, std::size_t) const {
        return texts - 1 + static_cast<std::size_t>(options_.cache);
    }

    [[nodiscard]] std::vector<std::int64_t> pairs(std::span<PackedView const* const> views) const {
        return views[0]->texts() < 2 ? std::vector<std::int64_t>() : detail::present_pairs(views);
    }
    [[nodiscard]] std::int64_t count(std::span<PackedView const* const> views) const {
        return static_cast<std::int64_t>(pairs(views).size() / 2);
    }

    [[nodiscard]] TermSum sum(CrossState const& state) {
        std::size_t const key_pass = state.frozen.value_or(1);
        at::Tensor const anchors_of = compared(state.sentences[1 - key_pass]);   // [B, D]
        at::Tensor const keys = compared(state.sentences[key_pass]);             // [B, D]
        bool const remembers = state.frozen && options_.cache != 0;
        if (remembers) {
            cache_.rows = cache_.rows.to(keys.device());
            pending_pass_ = *state.frozen;
        }
        std::vector<std::int64_t> const list = pairs(state.views);
        if (list.empty()) { return {.sum = at::zeros({}, keys.options().requires_grad(false))}; }
        PackedView const& view = *state.views[key_pass];
        auto const texts = static_cast<std::int64_t>(view.texts());
        std::vector<std::int64_t> targets;   // row of an anchor, and of its key
        for (std::size_t i = 0; i < list.size(); i += 2) { targets.push_back(list[i] % texts); }
        std::vector<std::int64_t> excluded;
        for (std::int64_t b = 0; b < texts; ++b) {
            if (!detail::is_absent(view, static_cast<std::size_t>(b))) { continue; }
            for (std::size_t a = 0; a < targets.size(); ++a) {
                excluded.insert(excluded.end(), {static_cast<std::int64_t>(a), b});
            }
        }
        at::Tensor const anchors = anchors_of.index_select(0, detail::int64_tensor(targets, keys.device()));
        at::Tensor const candidates = remembers ? at::cat({keys, cache_of(*state.frozen)}) : keys;   // [B + C, D]
        ContrastiveLoss const loss = info_nce(anchors, candidates, targets, excluded, options_.temperature);
        if (remembers) {
            at::Tensor const given = keys.detach().index_select(0, detail::int64_tensor(targets, keys.device()));
            cache_.hold(given.index_select(0, given.isfinite().all(1).nonzero().squeeze(1)));
        }
        return {.sum = loss.sum, .correct = loss.correct};
    }

    /// The cache receives the vectors of the tower that was frozen in the step, and of no other.
    void after_step() {
        if (!pending_pass_) { return; }
        auto const pass = static_cast<std::int64_t>(*std::exchange(pending_pass_, std::nullopt));
        if (cached_[1].item<std::int64_t>() != pass) {
            cached_[0].fill_(0);
            cached_[1].fill_(pass);
            cache_.next.fill_(0);
        }
        std::int64_t count = filled();
        for (at::Tensor const& vectors : cache_.pending) { count += vectors.size(0); }
        cache_.take_in();
        cached_[0].fill_(std::min(options_.cache, count));
    }
    void forget_step() {
        pending_pass_.reset();
        cache_.forget();
    }

    [[nodiscard]] TermDescription describe(std::string name) const {
        return {.name = std::move(name),
                .kind = std::string(kind),
                .similarity = std::string(to_string(options_.similarity)),
                .candidates = options_.cache == 0 ? "other_passes" : "other_passes_and_cache",
                .temperature = options_.temperature,
                .weight = options_.weight.at(0)};
    }

    template <class Visit>
    void for_each_parameter(std::string const&, Visit&&) {}
    template <class Visit>
    void for_each_state(std::string const& prefix, Visit&& visit) {
        if (options_.cache == 0) { return; }
        visit(prefix + ".cache", cache_.rows);
        visit(prefix + ".next", cache_.next);
        visit(prefix + ".cached", cached_);
    }

private:
    [[nodiscard]] at::Tensor compared(at::Tensor const& rows) const {
        at::Tensor const single = rows.to(at::kFloat);
        return options_.similarity == Similarity::cosine ? normalize_rows(single) : single;
    }
    [[nodiscard]] std::int64_t filled() const { return cached_[0].item<std::int64_t>(); }

    /// The cached vectors of the frozen pass; none where those in the cache are of the other one.                    [C, D]
    [[nodiscard]] at::Tensor cache_of(std::size_t frozen) const {
        bool const its_own = cached_[1].item<std::int64_t>() == static_cast<std::int64_t>(frozen);
        return cache_.rows.narrow(0, 0, its_own ? filled() : 0);
    }

    Options options_;
    detail::VectorQueue cache_;
    at::Tensor cached_ = at::zeros({2}, at::kLong);   ///< [2] int64 how many vectors are in the cache, and of which pass
    std::optional<std::size_t> pending_pass_ = {};    ///< that is frozen in the open step
};

}  // namespace bmae
