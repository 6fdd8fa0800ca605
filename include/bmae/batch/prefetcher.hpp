// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Threads that prefetch batches and deliver them in order.
#pragma once

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <bmae/batch/packed_batch.hpp>
#include <bmae/batch/planner.hpp>
#include <bmae/detail/separate.hpp>
#include <bmae/values/draw.hpp>
#include <bmae/values/error.hpp>

namespace bmae {

/// Number of prefetched batches and of threads.
struct PrefetchOptions {
    std::size_t threads = 2;   ///< that build batches; 0: the caller builds each batch when requested
    std::size_t depth = 4;     ///< batches that wait or are being built, at most
    std::size_t rank = 0;      ///< of this process
    std::size_t ranks = 1;     ///< processes that share the sequence: rank r takes batches r, r + ranks, ...
};

/// An ordered stream of batches. The batches and their order do not depend on the number of threads.
///
/// One consumer. The destructor waits for batches that are being built and drops them.
class Prefetcher {
public:
    /// Builds one batch; called from several threads at once. The key holds seed and epoch.
    using Collate = std::function<HostBatch(std::span<std::size_t const> examples, DrawKey key)>;

    /// \param planner  positioned where the first batch starts
    /// Throws InputError where options are out of range.
    Prefetcher(BatchPlanner planner, std::uint64_t seed, Collate collate, PrefetchOptions options = {});

    Prefetcher(Prefetcher const&) = delete;
    Prefetcher& operator=(Prefetcher const&) = delete;
    ~Prefetcher() { stop(); }

    /// The next batch. Rethrows what planning or collating it threw; every call after that throws the same.
    HostBatch next();

    /// Start of the batch after the last one that `next` returned, for a checkpoint.
    [[nodiscard]] Cursor cursor() const noexcept { return cursor_; }

    /// Seconds that `next` has waited for threads: steadily above zero means that data loading is the bottleneck.
    [[nodiscard]] double waited() const noexcept { return waited_; }

private:
    struct Slot {
        std::optional<HostBatch> batch = {};
        std::exception_ptr failure = {};
        Cursor after = {};

        [[nodiscard]] bool ready() const noexcept { return batch.has_value() || failure; }
    };

    struct Plan {
        PlannedBatch own = {};
        std::exception_ptr failure = {};
        Cursor after = {};   ///< after the batches of all ranks
    };

    /// The batch of this rank in the next round of all ranks.
    Plan plan() noexcept;

    Slot build(Plan const& plan) const noexcept;

    Slot take();

    void work();

    void stop() noexcept;

    BatchPlanner planner_;
    std::uint64_t seed_;
    Collate collate_;
    PrefetchOptions options_;
    Cursor cursor_;
    std::exception_ptr failure_ = {};
    double waited_ = 0;

    std::mutex mutex_;   // guards the members below, and planner_ while threads run
    std::condition_variable ready_;
    std::condition_variable free_;
    std::vector<Slot> queue_;
    std::size_t planned_ = 0;
    std::size_t consumed_ = 0;
    bool stopping_ = false;
    std::vector<std::thread> threads_ = {};
};

}  // namespace bmae

#if BMAE_DEFINITIONS

namespace bmae {

BMAE_INLINE Prefetcher::Prefetcher(BatchPlanner planner, std::uint64_t seed, Collate collate, PrefetchOptions options)
    : planner_(std::move(planner)), seed_(seed), collate_(std::move(collate)), options_(options), cursor_(planner_.cursor()) {
    if (options_.rank >= options_.ranks || (options_.threads != 0 && options_.depth == 0)) {
        std::string const found = "rank " + std::to_string(options_.rank) + " of " + std::to_string(options_.ranks) + ", depth " +
                                  std::to_string(options_.depth);
        throw InputError(Diagnostic{.file = {},
                                    .expected = "PrefetchOptions with rank < ranks and depth of at least 1",
                                    .found = found,
                                    .hint = "Use depth 4, or threads 0 to build batches without a queue."});
    }
    queue_.resize(std::max<std::size_t>(options_.depth, 1));
    try {
        for (std::size_t k = 0; k < options_.threads; ++k) {
            threads_.emplace_back([this] { work(); });
        }
    } catch (...) {
        stop();
        throw;
    }
}

BMAE_INLINE HostBatch Prefetcher::next() {
    if (failure_) { std::rethrow_exception(failure_); }
    Slot slot = options_.threads == 0 ? build(plan()) : take();
    if (slot.failure) {
        failure_ = slot.failure;
        stop();
        std::rethrow_exception(failure_);
    }
    cursor_ = slot.after;
    return std::move(*slot.batch);
}

BMAE_INLINE Prefetcher::Plan Prefetcher::plan() noexcept {
    Plan plan;
    try {
        for (std::size_t rank = 0; rank < options_.ranks; ++rank) {
            PlannedBatch batch = planner_.next();
            plan.after = batch.after;
            if (rank == options_.rank) { plan.own = std::move(batch); }
        }
    } catch (...) { plan.failure = std::current_exception(); }
    return plan;
}

BMAE_INLINE Prefetcher::Slot Prefetcher::build(Plan const& plan) const noexcept {
    Slot slot{.batch = {}, .failure = plan.failure, .after = plan.after};
    if (slot.failure) { return slot; }
    try {
        slot.batch = collate_(plan.own.examples, DrawKey{.seed = seed_, .epoch = plan.own.epoch, .example = 0, .slot = 0});
    } catch (...) { slot.failure = std::current_exception(); }
    return slot;
}

BMAE_INLINE Prefetcher::Slot Prefetcher::take() {
    std::unique_lock lock(mutex_);
    Slot& front = queue_[consumed_ % queue_.size()];
    if (!front.ready()) {
        auto const start = std::chrono::steady_clock::now();
        ready_.wait(lock, [&] { return front.ready(); });
        waited_ += std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    }
    Slot slot = std::exchange(front, Slot{});
    ++consumed_;
    lock.unlock();
    free_.notify_all();
    return slot;
}

BMAE_INLINE void Prefetcher::work() {
    std::unique_lock lock(mutex_);
    while (true) {
        free_.wait(lock, [&] { return stopping_ || planned_ - consumed_ < queue_.size(); });
        if (stopping_) { return; }
        std::size_t const ticket = planned_++;
        Plan const plan = this->plan();
        lock.unlock();
        Slot slot = build(plan);
        lock.lock();
        queue_[ticket % queue_.size()] = std::move(slot);
        ready_.notify_one();
    }
}

BMAE_INLINE void Prefetcher::stop() noexcept {
    {
        std::lock_guard const lock(mutex_);
        stopping_ = true;
    }
    free_.notify_all();
    for (std::thread& thread : threads_) { thread.join(); }
    threads_.clear();
}

}  // namespace bmae

#endif   // BMAE_DEFINITIONS
