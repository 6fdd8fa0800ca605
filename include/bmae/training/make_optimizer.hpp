// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// An optimizer by its kind.
#pragma once

#include <cstdint>
#include <memory>

#include <bmae/training/adafactor.hpp>
#include <bmae/training/adamw8.hpp>
#include <bmae/training/flat_parameters.hpp>
#include <bmae/training/lamb.hpp>
#include <bmae/training/optimizer.hpp>
#include <bmae/training/optimizer_kind.hpp>

namespace bmae {

/// \param parameters  must outlive it
/// \param seed        of the rounding of 8-bit states
inline std::unique_ptr<Optimizer> make_optimizer(OptimizerKind kind, FlatParameters& parameters, AdamWOptions const& options,
                                                 std::uint64_t seed) {
    switch (kind) {
        case OptimizerKind::lamb:
            return std::make_unique<Lamb>(parameters, options);
        case OptimizerKind::adafactor:
            return std::make_unique<Adafactor>(parameters, options);
        case OptimizerKind::adamw8:
            return std::make_unique<AdamW8>(parameters, options, seed);
        case OptimizerKind::adamw:
            break;
    }
    return std::make_unique<AdamW>(parameters, options);
}

}  // namespace bmae
