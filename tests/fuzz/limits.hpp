// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// What reading one input may take: seconds of the processor, since tests run side by side, and memory in relation to its size.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <ctime>
#include <string>

// Of the sanitizers' run-time library; g++ comes without the header that declares them.
extern "C" {
int __sanitizer_install_malloc_and_free_hooks(void (*allocated)(void const volatile*, std::size_t),
                                              void (*freed)(void const volatile*));
std::size_t __sanitizer_get_allocated_size(void const volatile* block);
}

namespace fuzz {

inline constexpr double most_seconds = 10;
inline constexpr std::size_t free_bytes = std::size_t{64} << 20;

inline std::atomic<std::ptrdiff_t> held{0}, peak{0};

inline void watch_memory() {
    auto const allocated = [](void const volatile*, std::size_t size) {
        std::ptrdiff_t const now = held.fetch_add(static_cast<std::ptrdiff_t>(size)) + static_cast<std::ptrdiff_t>(size);
        if (now > peak.load(std::memory_order_relaxed)) { peak = now; }   // a reader of one thread
    };
    auto const freed = [](void const volatile* block) {
        if (block == nullptr) { return; }
        held -= static_cast<std::ptrdiff_t>(__sanitizer_get_allocated_size(block));
    };
    __sanitizer_install_malloc_and_free_hooks(allocated, freed);
}

/// Measures from here on.
class Usage {
public:
    Usage() : start_(std::clock()), before_(held.load()) { peak = before_; }

    /// What is wrong; empty where nothing is.
    [[nodiscard]] std::string complaint(std::size_t input) const {
        double const seconds = static_cast<double>(std::clock() - start_) / CLOCKS_PER_SEC;
        auto const taken = static_cast<std::size_t>(std::max<std::ptrdiff_t>(0, peak.load() - before_));
        if (seconds > most_seconds) { return "took " + std::to_string(seconds) + " s"; }
        if (taken > 4 * input + free_bytes) { return "took " + std::to_string(taken) + " bytes for " + std::to_string(input); }
        return {};
    }

private:
    std::clock_t start_;
    std::ptrdiff_t before_;
};

}  // namespace fuzz
