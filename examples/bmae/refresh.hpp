// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// `finetune --refresh-every`: hard negatives that are mined again by the model as it is trained (Xiong et al.: ANCE, arXiv 2007.00808).
#pragma once

#include <cstdint>
#include <string>

#include <bmae/training/objective_wrapper.hpp>

#include "common.hpp"

namespace bmae::program {

/// How many refreshes a run has behind it, by its newest undamaged checkpoint; 0 of a new run.
std::uint64_t refreshes_done(FinetuneOptions const& options);

/// The negatives of a refresh, from 1: the training queries are searched by the checkpoint at its step, and negatives mined from the
/// hits. What an earlier start has mined is kept.
/// \returns  their file in the output folder
Path refreshed_negatives(Common const& common, FinetuneOptions const& options, std::uint64_t refresh);

/// Refuses, before any training, a refresh that could not be done. \param kind  of the folder that the model becomes
void require_refreshable(FinetuneOptions const& options, std::string const& kind);

/// The objective of a refresh, which is the run of its first pairs.
class RefreshedObjective final : public ObjectiveWrapper {
public:
    /// \param first_pairs  checksum of the pairs that the run began with
    RefreshedObjective(Objective& inner, RefreshOptions options, std::uint64_t first_pairs);
    [[nodiscard]] std::string description() const override;

private:
    RefreshOptions options_;
    std::uint64_t first_pairs_;
};

}  // namespace bmae::program
