// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Context of a forward run: training or not, and the key of dropout.
#pragma once

#include <cstdint>

#include <bmae/values/draw.hpp>

namespace bmae {

/// What decoders read in place of the sentence vector of their text: an ablation that tells whether they use it.
enum class SentenceAblation {
    none,
    shuffled,   ///< the vector of the next text of the batch
    zeroed      ///< zeros
};

/// Passed by reference through one forward run; gives every dropout site its own key, in program order.
struct ForwardContext {
    bool training = false;         ///< dropout is applied only if true
    std::uint64_t seed = 0;        ///< of this step: a hash of the run's seed, the optimizer step and the micro-batch
    std::uint64_t next_site = 0;   ///< number of dropout sites so far
    double progress = 0;           ///< share of the run that is done, 0 to 1: for weight schedules
    bool opens_step = true;        ///< the first micro-batch of an optimizer step: queues drop vectors of a skipped step
    std::uint64_t step = 0;        ///< optimizer steps done before this one: for the alternation of towers
    SentenceAblation ablation = SentenceAblation::none;   ///< of what decoders read; for measuring alone
    bool recompute = false;   ///< encoder layers are computed again in the backward pass, with the same keys: see LayerRuns

    /// Key of the next dropout site.
    std::uint64_t next_key() noexcept { return detail::mix64(seed ^ detail::mix64(++next_site)); }
};

}  // namespace bmae
