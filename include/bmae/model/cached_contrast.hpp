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

#include <bmae/model/contrast.hpp>
#include <bmae/model/vector_queue.hpp>

namespace bmae {

/// Options of a `CachedContrast`.
struct CachedContrastOptions {
    TermWeight weight = 1;                     ///< in the total
    double temperature = 1;                    ///< divides the scores
    Similarity similarity = Similarity::dot;   ///< LaPraDoR: cosine
    std::int64_t cache = 0;                    ///< vectors of the frozen tower that are kept; 0: none

    template <class Visit>
    void for_each_option(Visit&& visit) {
        detail::visit_contrast_options(*this, visit);
        visit("cache", cache, "vectors of the frozen tower that are kept");
    }
};

/// The texts of the other pass; where its tower is frozen, also the vectors that it gave to earlier batches while frozen.
///
/// The vectors of a frozen tower stay in one space, so old ones are valid negatives: this is the purpose of the alternation.
/// When it is trained again its cache is emptied. Anchors are the rows of the trained tower; where both are, those of pass 0.
/// A vector that is not finite is not kept. A cache of as many vectors as the corpus has texts also holds the anchors' own keys
/// of an epoch ago, as negatives: keep it well below that size.
class CachePool {
public:
    template <class Comparison>
    using Options = CachedContrastOptions;
    static constexpr bool compares_batch = true;
    static constexpr bool keeps_vectors = true;
    static constexpr bool needs_momentum = false;

    /// Throws InputError for a cache below 0.
    CachePool(CachedContrastOptions options, Shape const& shape, std::uint64_t, std::string const&)
        : options_(options), cache_(at::zeros({std::max<std::int64_t>(0, options.cache), shape.width})) {
        if (options_.cache < 0) {
            throw InputError(Diagnostic{.file = {},
                                        .expected = "a cache of at least 0 vectors",
                                        .found = std::to_string(options_.cache),
                                        .hint = "0 keeps none."});
        }
    }

    [[nodiscard]] std::string_view candidates() const { return options_.cache == 0 ? "other_passes" : "other_passes_and_cache"; }
    [[nodiscard]] static std::string_view form() { return ""; }
    [[nodiscard]] std::size_t negatives(std::size_t texts, std::size_t) const {
        return texts - 1 + static_cast<std::size_t>(options_.cache);
    }
    [[nodiscard]] static PairList pairs(std::span<PackedView const* const> views) {
        return views[0]->texts() < 2 ? PairList() : present_pairs(views);
    }

    /// The cache is of the pass that is frozen now, also where the batch has no pair.
    void open(CrossState const& state) {
        if (state.frozen && options_.cache != 0) { pending_pass_ = state.frozen; }
    }

    template <class Comparison>
    [[nodiscard]] ContrastiveLoss loss(Comparison const& comparison, at::Tensor const& rows, CrossState const& state) {
        std::size_t const key_pass = state.frozen.value_or(1);
        std::int64_t const first = key_pass == 0 ? 0 : static_cast<std::int64_t>(state.views[0]->texts());
        auto const texts = static_cast<std::int64_t>(state.views[key_pass]->texts());
        std::vector<std::int64_t> const targets = state.pairs.side(key_pass, first);
        at::Tensor const anchors = rows.index_select(0, detail::int64_tensor(state.pairs.side(1 - key_pass), rows.device()));
        at::Tensor const keys = rows.narrow(0, first, texts);
        bool const remembers = state.frozen && options_.cache != 0;
        if (remembers) { cache_.rows = cache_.rows.to(rows.device()); }
        at::Tensor const candidates = remembers ? at::cat({keys, cache_of(key_pass)}) : keys;   // [B + C, D]
        if (remembers) {
            at::Tensor const given = keys.detach().index_select(0, detail::int64_tensor(targets, rows.device()));
            cache_.hold(given.index_select(0, given.isfinite().all(1).nonzero().squeeze(1)));
        }
        return info_nce(anchors, candidates, targets, state.pairs.excluded_cells(first, texts), options_.temperature, {},
                        comparison.row_score());
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

    template <class Visit>
    void for_each_state(std::string const& prefix, Visit&& visit) {
        if (options_.cache == 0) { return; }
        visit(prefix + ".cache", cache_.rows);
        visit(prefix + ".next", cache_.next);
        visit(prefix + ".cached", cached_);
    }

private:
    [[nodiscard]] std::int64_t filled() const { return cached_[0].item<std::int64_t>(); }

    /// The cached vectors of the frozen pass; none where those in the cache are of the other one.                    [C, D]
    [[nodiscard]] at::Tensor cache_of(std::size_t frozen) const {
        bool const its_own = cached_[1].item<std::int64_t>() == static_cast<std::int64_t>(frozen);
        return cache_.rows.narrow(0, 0, its_own ? filled() : 0);
    }

    CachedContrastOptions options_;
    detail::VectorQueue cache_;
    at::Tensor cached_ = at::zeros({2}, at::kLong);   ///< [2] int64 how many vectors are in the cache, and of which pass
    std::optional<std::size_t> pending_pass_ = {};    ///< that is frozen in the open step
};

/// Anchors of one pass among the rows of the other, as `Contrast`, and among the cached vectors of a frozen tower (Xu et al.:
/// LaPraDoR, arXiv 2203.06169, iterative contrastive learning).
class CachedContrast : public ContrastOver<VectorComparison<>, CachePool> {
public:
    using ContrastOver::ContrastOver;
};

}  // namespace bmae
