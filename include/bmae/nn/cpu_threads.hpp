// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// LibTorch's thread pool, without compiling for OpenMP.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include <ATen/Parallel.h>
#include <dlfcn.h>

#include <bmae/detail/parallel.hpp>

namespace bmae::detail {

/// Calls `body(block)` once for each block in [0, blocks), on as many threads as set by at::set_num_threads.
///
/// at::parallel_for is inline and runs on one thread in programs that are not built with -fopenmp. So the OpenMP runtime that
/// LibTorch has loaded is called directly: both share one thread pool. Where there is none, threads are started for the
/// call. The assignment of blocks to threads is unspecified. `body` must not throw.
template <class Body>
void parallel_blocks(std::int64_t blocks, Body const& body) {
    auto const threads = static_cast<unsigned>(at::get_num_threads());
    if (blocks <= 1 || threads <= 1 || at::in_parallel_region()) {
        for (std::int64_t block = 0; block < blocks; ++block) { body(block); }
        return;
    }
    using Start = void (*)(void (*)(void*), void*, unsigned, unsigned);
    static auto const start = reinterpret_cast<Start>(dlsym(RTLD_DEFAULT, "GOMP_parallel"));
    if (start == nullptr) {
        return parallel_for(static_cast<std::size_t>(blocks), 1, threads,
                            [&](std::size_t block, std::size_t) { body(static_cast<std::int64_t>(block)); });
    }
    struct Work {
        Body const& body;
        std::int64_t blocks;
        std::atomic<std::int64_t> next = 0;
    } work{body, blocks};
    start(
        [](void* data) {
            auto& shared = *static_cast<Work*>(data);
            for (std::int64_t block; (block = shared.next.fetch_add(1, std::memory_order_relaxed)) < shared.blocks;) {
                shared.body(block);
            }
        },
        &work, threads, 0);
}

/// Calls `body(first, end)` for parts of `grain` of [0, count).
template <class Body>
void parallel_ranges(std::int64_t count, std::int64_t grain, Body const& body) {
    parallel_blocks((count + grain - 1) / grain, [&](std::int64_t block) {
        body(block * grain, block * grain + grain < count ? block * grain + grain : count);
    });
}

}  // namespace bmae::detail
