// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Contrast with a queue of vectors of earlier batches.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>

#include <bmae/model/contrast.hpp>
#include <bmae/model/vector_queue.hpp>

namespace bmae {

/// Options of a `QueueContrast`.
struct QueueContrastOptions {
    TermWeight weight = 1;
    double temperature = .05;                  ///< Contriever: .05
    Similarity similarity = Similarity::dot;   ///< Contriever: vectors are not normalized
    std::int64_t queue = 131072;               ///< vectors kept; Contriever: 131,072
    double label_smoothing = 0;                ///< Contriever: 0

    template <class Visit>
    void for_each_option(Visit&& visit) {
        detail::visit_contrast_options(*this, visit);
        visit("queue", queue, "keys of earlier batches that are kept");
        visit("label_smoothing", label_smoothing, "share of the target spread over the candidates");
    }
};

/// The anchor's own key, of a momentum encoder, and the keys of earlier batches.
///
/// The queue starts with random unit vectors. In training the keys of a step enter it after the update, over the oldest ones: all
/// micro-batches of a step read the queue as it was before the step.
class QueuePool {
public:
    template <class Comparison>
    using Options = QueueContrastOptions;
    static constexpr bool compares_batch = false;
    static constexpr bool keeps_vectors = true;
    static constexpr bool needs_momentum = true;

    /// Throws InputError for a queue of 0 or less, and a label smoothing outside [0, 1).
    QueuePool(QueueContrastOptions options, Shape const& shape, std::uint64_t seed, std::string const& name)
        : options_(options), queue_(unit_vectors(options.queue, shape.width, detail::mix64(seed) ^ detail::name_hash(name))) {
        if (options_.queue < 1) {
            throw InputError(Diagnostic{.file = {},
                                        .expected = "a queue of at least 1 vector",
                                        .found = std::to_string(options_.queue),
                                        .hint = "Contriever keeps 131072."});
        }
        require_smoothing(options_.label_smoothing);
    }

    [[nodiscard]] static std::string_view candidates() { return "queue"; }
    [[nodiscard]] static std::string_view form() { return ""; }
    [[nodiscard]] std::size_t negatives(std::size_t, std::size_t) const { return static_cast<std::size_t>(options_.queue); }
    [[nodiscard]] static PairList pairs(std::span<PackedView const* const> views) { return present_pairs(views); }

    template <class Comparison>
    [[nodiscard]] ContrastiveLoss loss(Comparison const& comparison, at::Tensor const& rows, CrossState const& state) {
        at::Tensor const anchors = rows.index_select(0, detail::int64_tensor(state.pairs.side(0), rows.device()));   // [P, D]
        at::Tensor const keys = rows.index_select(0, detail::int64_tensor(state.pairs.side(1), rows.device())).detach();
        queue_.rows = queue_.rows.to(rows.device());
        RowScore const how = comparison.row_score();
        at::Tensor const own = paired_scores(anchors, keys, how).unsqueeze(1);   // [P, 1]
        at::Tensor const scores =
            at::cat({own, row_scores(anchors, queue_.rows, how)}, 1).div(options_.temperature);   // [P, 1 + Q]
        if (state.context.training) { queue_.hold(keys); }
        std::vector<std::int64_t> const targets(state.pairs.size(), 0);
        return softmax_contrast(scores, targets, {.label_smoothing = options_.label_smoothing});
    }

    void after_step() { queue_.take_in(); }
    void forget_step() { queue_.forget(); }

    template <class Visit>
    void for_each_state(std::string const& prefix, Visit&& visit) {
        visit(prefix + ".queue", queue_.rows);
        visit(prefix + ".next", queue_.next);
    }

private:
    static at::Tensor unit_vectors(std::int64_t count, std::int64_t width, std::uint64_t seed) {
        at::Generator generator = at::detail::createCPUGenerator(seed);
        return normalize_rows(at::empty({std::max<std::int64_t>(0, count), width}).normal_(0, 1, generator));
    }

    QueueContrastOptions options_;
    detail::VectorQueue queue_;
};

/// Each anchor (pass 0) against its own key (pass 1, a `MomentumPass`) and the keys of earlier batches: He et al., MoCo,
/// arXiv 1911.05722, equation 1; Izacard et al., Contriever, arXiv 2112.09118, section 3.
class QueueContrast : public ContrastOver<VectorComparison<>, QueuePool> {
public:
    using ContrastOver::ContrastOver;
};

}  // namespace bmae
