// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// The hyperparameters of AdamW.
#pragma once

#include <string>

#include <bmae/values/error.hpp>

namespace bmae {

/// Loshchilov, Hutter: Decoupled weight decay regularization (arXiv 1711.05101). Defaults: RetroMAE's.
struct AdamWOptions {
    double beta1 = .9;           ///< decay of the first moment
    double beta2 = .999;         ///< decay of the second moment
    double epsilon = 1e-8;       ///< added to the root of the second moment
    double weight_decay = .01;   ///< times the learning rate; matrices only, biases and layer normalization have none
};

/// \throws InputError if an option is out of range
inline void check(AdamWOptions const& options) {
    auto const demand = [](bool good, char const* what, double value) {
        if (!good) { throw InputError(Diagnostic{{}, 0, what, std::to_string(value)}); }
    };
    demand(options.beta1 >= 0 && options.beta1 < 1, "beta1 in [0, 1)", options.beta1);
    demand(options.beta2 >= 0 && options.beta2 < 1, "beta2 in [0, 1)", options.beta2);
    demand(options.epsilon > 0, "epsilon above 0", options.epsilon);
    demand(options.weight_decay >= 0, "weight_decay of at least 0", options.weight_decay);
}

}  // namespace bmae
