// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// torch-free
/// \file
/// The options of a training run, kept as run.json in its output folder: `bmae pretrain --resume --output RUN` takes them from there.
#pragma once

#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include "common.hpp"

namespace bmae::program {

/// The options that were given to `command`, as the text of run.json. Paths are absolute, so that the run can be resumed from
/// another working directory.
std::string record_of(CLI::App const& command);

/// The words of a command line with --resume, and the options of the run in its --output that it does not name itself; any other
/// command line as it is.
/// \throws InputError where options are to come from the run, but there is none
std::vector<std::string> with_options_of_run(std::vector<std::string> words, CLI::App& program);

}  // namespace bmae::program
