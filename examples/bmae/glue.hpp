// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Fine-tuning on tasks of language understanding: `glue`.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "common.hpp"

namespace bmae::program {

/// The figures of a run on the development rows, in its folder.
inline constexpr char const* run_figures_file = "result.json";

struct GlueOptions {
    Path model = {};
    std::vector<std::string> tasks = {};
    Path data = {};
    std::string seeds = "1,2,3";
    std::size_t max_length = 128;
    bool skip_malformed = false;
    TrainingOptions training = {};   ///< of each run; `output` is the folder above them
};
int glue(Common const& common, GlueOptions const& options);

}  // namespace bmae::program
