// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Data parallelism: the trainer's interface to the other processes that train the same model.
#pragma once

#include <cstddef>
#include <functional>

#include <ATen/core/Tensor.h>

namespace bmae {

/// Rank of this process and number of processes of a run.
///
/// All processes see one sequence of micro-batches and take every `ranks`-th. Label counts are summed before the step and
/// gradients after it, so `ranks` processes with accumulation A compute the same as one with accumulation A * ranks.
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
