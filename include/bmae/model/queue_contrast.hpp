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
#include <utility>
#include <vector>

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/zeros.h>

#include <bmae/batch/to_tensors.hpp>
#include <bmae/bottlenecks/normalize.hpp>
#include <bmae/losses/info_nce.hpp>
#include <bmae/losses/label_smoothing.hpp>
#include <bmae/model/contrast.hpp>
#include <bmae/model/term.hpp>
#include <bmae/model/vector_queue.hpp>
#include <bmae/nn/initialize.hpp>

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
        visit.inside("weight", weight);
        visit("temperature", temperature, "divides the scores");
        visit("similarity", similarity, "how two vectors are compared");
        visit("queue", queue, "keys of earlier batches that are kept");
        visit("label_smoothing", label_smoothing, "share of the target spread over the candidates");
    }
};

/// Each anchor (pass 0) against its own key (pass 1, of a momentum encoder) and the keys of earlier batches: He et al., MoCo,
/// arXiv 1911.05722, equation 1; Izacard et al., Contriever, arXiv 2112.09118, section 3.
///
/// The queue starts with random unit vectors. In training the keys of a step enter it after the update, over the oldest ones: all
/// micro-batches of a step read the queue as it was before the step.
class QueueContrast {
public:
    using Options = QueueContrastOptions;
    static constexpr std::string_view kind = "contrast";
    static constexpr std::size_t passes = 2;
    static constexpr bool compares_batch = false;
    static constexpr bool wants_hidden_width = true;   ///< of the vectors in the queue

    /// Throws InputError for a temperature or a queue of 0 or less, and a label smoothing outside [0, 1).
    template <Encoder E>
    QueueContrast(Options options, E const& encoder, std::uint64_t seed, std::string const& name)
        : options_(options),
          queue_(unit_vectors(options.queue, encoder.shape().width, detail::mix64(seed) ^ detail::name_hash(name))) {
        if (!(options_.temperature > 0) || options_.queue < 1) {
            throw InputError(
                Diagnostic{.file = {},
                           .expected = "a temperature above 0 and a queue of at least 1",
                           .found = std::to_string(options_.temperature) + " and " + std::to_string(options_.queue)});
        }
        require_smoothing(options_.label_smoothing);
    }

    [[nodiscard]] double weight(double progress) const { return options_.weight.at(progress); }
    [[nodiscard]] std::size_t negatives(std::size_t, std::size_t) const { return static_cast<std::size_t>(options_.queue); }

    [[nodiscard]] std::vector<std::int64_t> pairs(std::span<PackedView const* const> views) const {
        return detail::present_pairs(views);
    }
    [[nodiscard]] std::int64_t count(std::span<PackedView const* const> views) const {
        return static_cast<std::int64_t>(pairs(views).size() / 2);
    }

    [[nodiscard]] TermSum sum(CrossState const& state) {
        at::Tensor const& anchors_of = state.sentences[0];
        std::vector<std::int64_t> const list = pairs(state.views);
        if (list.empty()) { return {.sum = at::zeros({}, anchors_of.options().dtype(at::kFloat).requires_grad(false))}; }
        auto const texts = static_cast<std::int64_t>(state.views[0]->texts());
        std::vector<std::int64_t> places;
        for (std::size_t i = 0; i < list.size(); i += 2) { places.push_back(list[i] % texts); }
        at::Tensor const rows = detail::int64_tensor(places, anchors_of.device());
        at::Tensor const anchors = compared(anchors_of.index_select(0, rows));   // [N, D]
        at::Tensor const keys = compared(state.sentences[1].index_select(0, rows)).detach();
        queue_.rows = queue_.rows.to(anchors.device());
        at::Tensor const own = (anchors * keys).sum(1, true);                                                      // [N, 1]
        at::Tensor const scores = at::cat({own, at::mm(anchors, queue_.rows.t())}, 1).div(options_.temperature);   // [N, 1 + Q]
        std::vector<std::int64_t> const targets(places.size(), 0);
        ContrastiveLoss const loss = softmax_contrast(scores, targets, {.label_smoothing = options_.label_smoothing});
        if (state.context.training) { queue_.hold(keys); }
        return {.sum = loss.sum, .correct = loss.correct};
    }

    void after_step() { queue_.take_in(); }
    void forget_step() { queue_.forget(); }

    [[nodiscard]] TermDescription describe(std::string name) const {
        return {.name = std::move(name),
                .kind = std::string(kind),
                .similarity = std::string(to_string(options_.similarity)),
                .candidates = "queue",
                .temperature = options_.temperature,
                .weight = options_.weight.at(0)};
    }

    template <class Visit>
    void for_each_parameter(std::string const&, Visit&&) {}
    template <class Visit>
    void for_each_state(std::string const& prefix, Visit&& visit) {
        visit(prefix + ".queue", queue_.rows);
        visit(prefix + ".next", queue_.next);
    }

private:
    [[nodiscard]] at::Tensor compared(at::Tensor const& rows) const {
        at::Tensor const single = rows.to(at::kFloat);
        return options_.similarity == Similarity::cosine ? normalize_rows(single) : single;
    }

    static at::Tensor unit_vectors(std::int64_t count, std::int64_t width, std::uint64_t seed) {
        at::Generator generator = at::detail::createCPUGenerator(seed);
        return normalize_rows(at::empty({std::max<std::int64_t>(0, count), width}).normal_(0, 1, generator));
    }

    Options options_;
    detail::VectorQueue queue_;
};

}  // namespace bmae
