// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Vectors of earlier batches, the newest over the oldest.
#pragma once

#include <algorithm>
#include <cstdint>
#include <utility>

#include <ATen/core/Tensor.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros.h>
#include <c10/core/GradMode.h>

namespace bmae::detail {

/// A ring of vectors: what a contrast has seen before.
struct VectorQueue {
    at::Tensor rows;                              ///< [Q, D] fp32
    at::Tensor next = at::zeros({}, at::kLong);   ///< [] int64 row that the next vector takes

    explicit VectorQueue(at::Tensor start) : rows(std::move(start)) {}

    /// Puts `vectors` over the oldest rows; of more than Q the last ones stay. One that is not finite leaves the old row as it
    /// is, so that a step which the trainer leaves out spoils no later one.
    ///
    /// Matrix products keep what they read for the backward pass, so the ring is copied and not written in place.
    void push(at::Tensor const& vectors) {
        c10::AutoGradMode const no_grad(false);
        std::int64_t const places = rows.size(0);
        auto place = next.item<std::int64_t>();
        at::Tensor ring = rows.clone();
        for (std::int64_t i = std::max<std::int64_t>(0, vectors.size(0) - places); i < vectors.size(0);) {
            std::int64_t const run = std::min(vectors.size(0) - i, places - place);
            at::Tensor const given = vectors.narrow(0, i, run);
            at::Tensor const old = ring.narrow(0, place, run);
            old.copy_(at::where(given.isfinite().all(1, true), given, old));
            place = (place + run) % places;
            i += run;
        }
        rows.set_data(ring);
        next.fill_(place);
    }
};

}  // namespace bmae::detail
