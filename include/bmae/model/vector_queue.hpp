// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Vectors of earlier batches, the newest over the oldest.
#pragma once

#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

#include <ATen/core/Tensor.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros.h>
#include <c10/core/GradMode.h>

namespace bmae::detail {

/// A ring of vectors: the keys of earlier batches. The micro-batches of a step `hold` their vectors, so that all of them
/// read the ring as it was before the step; after the update they are stored, or dropped where the step was skipped.
struct VectorQueue {
    at::Tensor rows;                              ///< [Q, D] fp32
    at::Tensor next = at::zeros({}, at::kLong);   ///< [] int64 row that the next vector takes
    std::vector<at::Tensor> pending = {};         ///< [micro-batches] of [B, D], detached: of the open step

    explicit VectorQueue(at::Tensor start) : rows(std::move(start)) {}

    void hold(at::Tensor vectors) { pending.push_back(std::move(vectors)); }
    void forget() { pending.clear(); }

    /// Stores the pending vectors in the ring, in the order in which they were held.
    void take_in() {
        for (at::Tensor const& vectors : pending) { push(vectors); }
        pending.clear();
    }

    /// Writes `vectors` to the oldest rows, in place; of more than Q the last ones stay. One that is not finite leaves the old
    /// row as it is. A backward pass that still needs the old rows fails after this, as autograd checks.
    void push(at::Tensor const& vectors) {
        c10::AutoGradMode const no_grad(false);
        std::int64_t const places = rows.size(0);
        auto place = next.item<std::int64_t>();
        for (std::int64_t i = std::max<std::int64_t>(0, vectors.size(0) - places); i < vectors.size(0);) {
            std::int64_t const run = std::min(vectors.size(0) - i, places - place);
            at::Tensor const given = vectors.narrow(0, i, run);
            at::Tensor const old = rows.narrow(0, place, run);
            old.copy_(at::where(given.isfinite().all(1, true), given, old));
            place = (place + run) % places;
            i += run;
        }
        next.fill_(place);
    }
};

}  // namespace bmae::detail
