// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Models that score the relevance of texts to a query, each from its folder.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include <bmae/retrieval/encode_run.hpp>

#include "common.hpp"

namespace bmae::program {

/// Scores the relevance of texts to a query.
class Scorer {
public:
    Scorer() = default;
    Scorer(Scorer const&) = delete;
    Scorer& operator=(Scorer const&) = delete;
    virtual ~Scorer() = default;
    [[nodiscard]] virtual char const* kind() const = 0;
    /// \returns fp32 on the CPU                                                                                         [N]
    [[nodiscard]] virtual at::Tensor score(std::string const& query, std::vector<std::string> const& texts,
                                           EncodeRun const& run) const = 0;
};

/// How a scorer reads texts and computes.
struct ScorerOptions {
    std::size_t max_length = 0;       ///< tokens of a text, of a cross-encoder those of a pair; 0: the folder's
    std::string precision = "fp32";   ///< fp32 or bf16; scores are fp32
};

/// The scorer of a folder, on the device of the options; on a CPU with packed weights, where the processor has instructions for them.
/// \throws InputError  for a model without a score, a length that it has no place for, another precision, a missing GPU
std::unique_ptr<Scorer> load_scorer(Common const& common, Path const& folder, ScorerOptions const& options);

}  // namespace bmae::program
