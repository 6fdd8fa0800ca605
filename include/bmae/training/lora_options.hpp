// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Options of low-rank adaptation.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include <bmae/values/error.hpp>

namespace bmae {

/// Hu et al.: LoRA, arXiv 2106.09685. A chosen weight W of the encoder's layers stays as it is and is read as W + alpha / rank U D,
/// of which U [out, rank] and D [rank, in] are trained.
struct LoraOptions {
    std::size_t rank = 0;   ///< 0: the weights themselves are trained
    double alpha = 16;
    /// Linear maps by the end of their names: `query` is every `...attention.self.query.weight`. With `*` a whole name.
    std::vector<std::string> targets = {"query", "value"};

    [[nodiscard]] bool is_used() const noexcept { return rank != 0; }
    [[nodiscard]] double scale() const noexcept { return alpha / static_cast<double>(rank); }
};

/// \throws InputError for an alpha that is not above 0, and for no or empty targets
inline void check(LoraOptions const& options) {
    if (!options.is_used()) { return; }
    if (!(options.alpha > 0 && options.alpha < 1e9)) {
        throw InputError(Diagnostic{{}, 0, "an alpha of LoRA above 0", std::to_string(options.alpha)});
    }
    bool empty = options.targets.empty();
    for (std::string const& target : options.targets) { empty = empty || target.empty(); }
    if (empty) { throw InputError(Diagnostic{{}, 0, "names of linear maps as targets of LoRA", "an empty one"}); }
}

}  // namespace bmae
