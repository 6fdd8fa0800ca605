// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// bmae pipeline: a recipe, stage by stage. Free of LibTorch.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include "common.hpp"

namespace bmae::program {

struct PipelineOptions {
    Path recipe = {};
    std::vector<std::string> settings = {};   ///< NAME=VALUE
    bool dry_run = false;
    Path output = {};
};

/// A command line that was parsed and not run.
struct ParsedStage {
    CLI::App const* command;
    std::vector<std::string> inputs;   ///< paths that it reads
};
using ParseStage = std::function<ParsedStage(std::vector<std::string> const&)>;

/// \param parse  parses the command line of a stage; throws InputError
int pipeline(Common const& common, PipelineOptions const& options, ParseStage const& parse);

}  // namespace bmae::program
