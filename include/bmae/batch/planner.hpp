// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Which examples make up the next batch.
#pragma once

#include <algorithm>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <bmae/batch/permutation.hpp>
#include <bmae/detail/separate.hpp>
#include <bmae/values/draw.hpp>
#include <bmae/values/error.hpp>

namespace bmae {

/// How examples are put into batches: a fixed number if `examples` is set, else as many as fit the token budget.
struct BatchOptions {
    std::size_t tokens = 16384;    ///< sum of costs per batch, at most; an example above it gets a batch of its own
    std::size_t examples = 0;      ///< per batch; 0: by tokens
    bool shuffle = true;           ///< new random order in each epoch; false: as in the corpus
    std::size_t sort_window = 0;   ///< examples that are sorted by cost before they are packed, so a batch has texts of
                                   ///< similar length; its batches then come in random order. 0: no sorting
    bool one_source =
        false;   ///< a batch holds examples of one source alone, so that its negatives do; batches of all sources come in
                 ///< random order, each as often as its source has examples
};

/// The position of a run in its data: enough to resume it.
struct Cursor {
    std::uint64_t epoch = 0;
    std::uint64_t position = 0;   ///< examples of this epoch that have been used

    friend bool operator==(Cursor const&, Cursor const&) = default;
};

/// The examples of one batch.
struct PlannedBatch {
    std::vector<std::size_t> examples = {};   ///< [B]
    std::uint64_t epoch = 0;
    Cursor after = {};   ///< start of the next batch
};

/// An endless sequence of batches over the epochs of a corpus; a function of (examples, costs, sources, seed, options).
///
/// A batch never holds examples of two epochs, so the last one of an epoch may be small; with `one_source` the last one of each source,
/// in each window where there is a `sort_window`. `seek` costs the same at any position.
class BatchPlanner {
public:
    using Cost = std::function<std::size_t(std::size_t example)>;
    using Source = std::function<std::size_t(std::size_t example)>;

    /// \param examples  in one epoch
    /// \param cost      tokens of an example
    /// \param source    number of the source of an example, for `one_source`
    /// Throws InputError for an empty corpus, where both batch sizes are 0, and for `one_source` without sources.
    BatchPlanner(std::size_t examples, Cost cost, std::uint64_t seed, BatchOptions options = {}, Source source = {});

    [[nodiscard]] Cursor cursor() const noexcept { return cursor_; }   ///< start of the next batch

    /// Continues at `cursor`. Throws InputError where it lies outside the corpus or inside a batch of a sorted window.
    void seek(Cursor cursor);

    /// The next batch; the next epoch starts when one is finished.
    PlannedBatch next();

private:
    [[noreturn]] static void refuse(Cursor cursor, std::string expected);

    /// The example at `place` of this epoch's order.
    std::size_t at(std::size_t place);

    /// True where a batch of `count` examples and `tokens` has room for one more; adds its tokens if so.
    bool admits(std::size_t count, std::size_t& tokens, std::size_t example) const;

    /// Examples that are planned together; 0: one batch after another.
    [[nodiscard]] std::size_t window_size() const {
        return options_.sort_window == 0 && options_.one_source ? examples_ : options_.sort_window;
    }

    /// An example of a window, in the order in which it is packed.
    struct Planned {
        std::size_t source = 0;
        std::size_t key = 0;   ///< its cost where the window is sorted, else its place
        std::size_t example = 0;

        friend auto operator<=>(Planned const&, Planned const&) = default;
    };
    [[nodiscard]] std::vector<Planned> sorted_window(std::size_t first, std::size_t size);

    /// Sorts the window that contains the cursor, packs it and shuffles its batches.
    void load_window();

    std::size_t examples_;
    Cost cost_;
    Source source_;
    std::uint64_t seed_;
    BatchOptions options_;
    Permutation order_;
    std::uint64_t order_epoch_ = 0;
    Cursor cursor_ = {};
    std::vector<std::size_t> window_ = {};       ///< examples of the window in processing order
    std::vector<std::size_t> batch_ends_ = {};   ///< in window_
};

}  // namespace bmae

#if BMAE_DEFINITIONS

namespace bmae {

BMAE_INLINE BatchPlanner::BatchPlanner(std::size_t examples, Cost cost, std::uint64_t seed, BatchOptions options, Source source)
    : examples_(examples),
      cost_(std::move(cost)),
      source_(std::move(source)),
      seed_(seed),
      options_(options),
      order_(examples, seed, 0) {
    if (options_.tokens == 0 && options_.examples == 0) {
        throw InputError(Diagnostic{.file = {},
                                    .expected = "a batch size in tokens or in examples",
                                    .found = "neither",
                                    .hint = "Set BatchOptions::tokens or BatchOptions::examples."});
    }
    if (examples_ == 0) {
        throw InputError(Diagnostic{.file = {},
                                    .expected = "a corpus with at least one example",
                                    .found = "an empty one",
                                    .hint = "Check the input of `bmae prepare`."});
    }
    if (options_.one_source && !source_) {
        throw InputError(Diagnostic{
            .file = {}, .expected = "examples that name their source, for batches of one source", .found = "none that does"});
    }
}

BMAE_INLINE void BatchPlanner::seek(Cursor cursor) {
    if (cursor.position > examples_) { refuse(cursor, "a position of at most " + std::to_string(examples_)); }
    cursor_ = cursor;
    window_.clear();
    batch_ends_.clear();
    if (window_size() != 0 && cursor.position != examples_) { load_window(); }
}

BMAE_INLINE PlannedBatch BatchPlanner::next() {
    if (cursor_.position == examples_) { cursor_ = {cursor_.epoch + 1, 0}; }
    PlannedBatch batch{.examples = {}, .epoch = cursor_.epoch, .after = {}};
    if (window_size() == 0) {
        std::size_t tokens = 0;
        for (auto place = static_cast<std::size_t>(cursor_.position); place < examples_; ++place) {
            std::size_t const example = at(place);
            if (!admits(batch.examples.size(), tokens, example)) { break; }
            batch.examples.push_back(example);
        }
    } else {
        if (cursor_.position % window_size() == 0) { load_window(); }
        auto const used = static_cast<std::size_t>(cursor_.position % window_size());
        auto const end = std::ranges::upper_bound(batch_ends_, used);
        auto const taken = std::span(window_).subspan(used, *end - used);
        batch.examples.assign(taken.begin(), taken.end());
    }
    cursor_.position += batch.examples.size();
    batch.after = cursor_;
    return batch;
}

BMAE_INLINE void BatchPlanner::refuse(Cursor cursor, std::string expected) {
    throw InputError(
        Diagnostic{.file = {},
                   .expected = std::move(expected),
                   .found = "position " + std::to_string(cursor.position) + " of epoch " + std::to_string(cursor.epoch),
                   .hint = "Resume with the corpus and the batch options of the first run."});
}

BMAE_INLINE std::size_t BatchPlanner::at(std::size_t place) {
    if (!options_.shuffle) { return place; }
    if (order_epoch_ != cursor_.epoch) {
        order_ = Permutation(examples_, seed_, cursor_.epoch);
        order_epoch_ = cursor_.epoch;
    }
    return order_[place];
}

BMAE_INLINE bool BatchPlanner::admits(std::size_t count, std::size_t& tokens, std::size_t example) const {
    if (options_.examples != 0) { return count < options_.examples; }
    std::size_t const cost = cost_(example);
    if (count != 0 && tokens + cost > options_.tokens) { return false; }
    tokens += cost;
    return true;
}

BMAE_INLINE std::vector<BatchPlanner::Planned> BatchPlanner::sorted_window(std::size_t first, std::size_t size) {
    std::vector<Planned> sorted;
    sorted.reserve(size);
    for (std::size_t place = first; place < first + size; ++place) {
        std::size_t const example = at(place);
        sorted.push_back({.source = options_.one_source ? source_(example) : 0,
                          .key = options_.sort_window == 0 ? place : cost_(example),
                          .example = example});
    }
    std::ranges::sort(sorted);
    return sorted;
}

BMAE_INLINE void BatchPlanner::load_window() {
    auto const position = static_cast<std::size_t>(cursor_.position);
    std::size_t const first = position - position % window_size();
    std::size_t const size = std::min(window_size(), examples_ - first);
    std::vector<std::vector<std::size_t>> batches;
    std::size_t tokens = 0;
    std::size_t source_of_batch = 0;
    for (auto const& [source, key, example] : sorted_window(first, size)) {
        if (batches.empty() || source != source_of_batch || !admits(batches.back().size(), tokens, example)) {
            tokens = 0;
            source_of_batch = source;
            batches.emplace_back();
            admits(0, tokens, example);
        }
        batches.back().push_back(example);
    }
    if (options_.shuffle) {
        Draw draw({.seed = seed_, .epoch = cursor_.epoch, .example = first, .slot = 0x77696e646f77ULL});
        draw.shuffle(std::span(batches));
    }
    window_.clear();
    batch_ends_.clear();
    for (std::vector<std::size_t> const& batch : batches) {
        window_.insert(window_.end(), batch.begin(), batch.end());
        batch_ends_.push_back(window_.size());
    }
    std::size_t const used = position - first;
    if (used != 0 && !std::ranges::binary_search(batch_ends_, used)) { refuse(cursor_, "a cursor at the start of a batch"); }
}

}  // namespace bmae

#endif   // BMAE_DEFINITIONS
