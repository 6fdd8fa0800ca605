// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// How a network is being run: training or not, and from which key dropout draws.
#pragma once

#include <cstdint>

#include <bmae/values/draw.hpp>

namespace bmae {

/// Passed by reference through one forward run; hands every dropout site its own key, in program order.
struct ForwardContext {
    bool training = false;         ///< dropout is applied only if true
    std::uint64_t seed = 0;        ///< of this step: a hash of the run's seed, the optimizer step and the micro-batch
    std::uint64_t next_site = 0;   ///< how many dropout sites have drawn so far
    double progress = 0;           ///< share of the run that is done, 0 to 1: what weight schedules follow
    bool opens_step = true;        ///< the first micro-batch of an optimizer step: queues forget what an earlier one held back
    std::uint64_t step = 0;        ///< optimizer steps done before this one: whose turn it is where towers alternate

    /// Key of the next dropout site.
    std::uint64_t next_key() noexcept { return detail::mix64(seed ^ detail::mix64(++next_site)); }
};

}  // namespace bmae
