// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// What the trainer needs to know of the other processes that train the same model; one process needs nothing.
#pragma once

#include <cstddef>
#include <functional>

#include <ATen/core/Tensor.h>

namespace bmae {

/// The place of this process among those that share a run.
///
/// All processes see one sequence of micro-batches and take every `ranks`-th. Label counts are summed before the step and
/// gradients after it, so `ranks` processes with accumulation A learn the same as one with accumulation A * ranks.
struct Replicas {
    std::size_t rank = 0;
    std::size_t ranks = 1;
    std::function<void(at::Tensor const&)> sum = {};   ///< adds up a tensor over all ranks, in place, on the parameters' device;
                                                       ///< every rank calls it in the same order

    /// Adds up over all ranks; does nothing if there is one.
    void add_up(at::Tensor const& tensor) const {
        if (ranks > 1) { sum(tensor); }
    }
};

}  // namespace bmae
