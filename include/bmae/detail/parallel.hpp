// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Parallel loops and pipelines whose results do not depend on the number of threads.
#pragma once

#include <algorithm>
#include <atomic>
#include <concepts>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <thread>
#include <utility>
#include <vector>

namespace bmae::detail {

/// The number of threads to use where the user asks for `requested`; 0 means one per processor.
inline unsigned thread_count(unsigned requested) noexcept {
    return requested != 0 ? requested : std::max(1U, std::thread::hardware_concurrency());
}

/// Calls `body(begin, end)` on ranges of at most `grain` indices that cover [0, count) once, on `threads` threads (0: all
/// processors). The calling thread takes part. The first exception stops further ranges and is thrown again here.
template <class Body>
    requires std::invocable<Body&, std::size_t, std::size_t>
void parallel_for(std::size_t count, std::size_t grain, unsigned threads, Body&& body) {
    grain = std::max<std::size_t>(grain, 1);
    std::size_t const ranges = count / grain + (count % grain != 0 ? 1 : 0);
    std::size_t const helpers = std::min<std::size_t>(thread_count(threads), ranges);
    std::atomic<std::size_t> next{0};
    std::atomic<bool> stopped{false};
    std::exception_ptr failure;
    std::mutex failure_mutex;
    auto const work = [&] {
        while (!stopped.load(std::memory_order_relaxed)) {
            std::size_t const range = next.fetch_add(1);
            if (range >= ranges) { return; }
            try {
                body(range * grain, std::min(count, (range + 1) * grain));
            } catch (...) {
                std::lock_guard const lock(failure_mutex);
                if (!failure) { failure = std::current_exception(); }
                stopped = true;
            }
        }
    };
    {
        std::vector<std::jthread> pool;
        for (std::size_t i = 1; i < helpers; ++i) { pool.emplace_back(work); }
        work();
    }
    if (failure) { std::rethrow_exception(failure); }
}

/// A pipeline: items are processed by several threads and consumed in the order of `push`.
///
/// `push` and `finish` belong to one thread, which also runs the consumer; at most `capacity` items are in flight, so a slow
/// consumer blocks the producer. With one thread everything runs in `push`. The first exception of `work`, in item
/// order, is thrown by `push` or `finish`; the pipeline accepts nothing afterwards.
template <class In, class Out>
class OrderedPipeline {
public:
    using Work = std::function<Out(In&&)>;        ///< called from several threads at once
    using Consume = std::function<void(Out&&)>;   ///< called in order, by the thread that pushes

    /// \param threads   working threads; 0 means one per processor
    /// \param capacity  items in flight; 0 means four per thread
    OrderedPipeline(unsigned threads, std::size_t capacity, Work work, Consume consume)
        : work_(std::move(work)), consume_(std::move(consume)) {
        unsigned const count = thread_count(threads);
        if (count == 1) { return; }
        slots_.resize(capacity != 0 ? capacity : std::size_t{4} * count);
        for (unsigned i = 0; i < count; ++i) {
            pool_.emplace_back([this](std::stop_token stop) { run(stop); });
        }
    }
    OrderedPipeline(OrderedPipeline const&) = delete;
    OrderedPipeline& operator=(OrderedPipeline const&) = delete;

    /// Joins the threads; items not yet consumed are dropped (call `finish` first to consume them).
    ~OrderedPipeline() {
        for (std::jthread& thread : pool_) { thread.request_stop(); }
        pool_.clear();
    }

    void push(In item) {
        if (failed_) { throw std::logic_error("OrderedPipeline: push after a failure"); }
        if (slots_.empty()) {
            guarded([&] { consume_(work_(std::move(item))); });
            return;
        }
        while (true) {
            drain();   // consumes what is ready; without waiting unless there is no room
            if (pushed_ - consumed_ < slots_.size()) { break; }
            consume_next();
        }
        {
            std::lock_guard const lock(mutex_);
            slots_[pushed_ % slots_.size()].input.emplace(std::move(item));
            ++pushed_;
        }
        has_input_.notify_one();
    }

    /// Waits until every item has been consumed.
    void finish() {
        while (consumed_ < pushed_) { consume_next(); }
    }

private:
    struct Slot {
        std::optional<In> input;
        std::optional<Out> output;
        std::exception_ptr failure;
        bool done = false;
    };

    void run(std::stop_token const& stop) {
        std::unique_lock lock(mutex_);
        while (has_input_.wait(lock, stop, [this] { return claimed_ < pushed_; })) {
            Slot& slot = slots_[claimed_++ % slots_.size()];   // owned until done: the ring does not reuse it before
            lock.unlock();
            std::optional<Out> output;
            std::exception_ptr failure;
            try {
                output.emplace(work_(std::move(*slot.input)));
            } catch (...) { failure = std::current_exception(); }
            lock.lock();
            slot.output = std::move(output);
            slot.failure = failure;
            slot.done = true;
            has_output_.notify_one();
        }
    }

    void drain() {
        while (consumed_ < pushed_) {
            {
                std::lock_guard const lock(mutex_);
                if (!slots_[consumed_ % slots_.size()].done) { return; }
            }
            consume_next();
        }
    }

    void consume_next() {
        Slot slot;
        {
            std::unique_lock lock(mutex_);
            Slot& next = slots_[consumed_ % slots_.size()];
            has_output_.wait(lock, [&] { return next.done; });
            slot = std::exchange(next, Slot{});
            ++consumed_;
        }
        guarded([&] {
            if (slot.failure) { std::rethrow_exception(slot.failure); }
            consume_(std::move(*slot.output));
        });
    }

    template <class Step>
    void guarded(Step&& step) {
        try {
            step();
        } catch (...) {
            failed_ = true;
            throw;
        }
    }

    Work work_;
    Consume consume_;
    std::mutex mutex_;
    std::condition_variable_any has_input_;
    std::condition_variable has_output_;
    std::vector<Slot> slots_;
    std::uint64_t pushed_ = 0;
    std::uint64_t claimed_ = 0;
    std::uint64_t consumed_ = 0;
    bool failed_ = false;
    std::vector<std::jthread> pool_;
};

}  // namespace bmae::detail
