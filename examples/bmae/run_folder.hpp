// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// What the folder of a training run, or of a pipeline, tells of it, for reports. Free of LibTorch.
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "common.hpp"

namespace bmae::program {

/// One number over the steps of a run.
struct Curve {
    std::string name = {};
    std::vector<std::pair<double, double>> points = {};   ///< step and value, by step; only finite values
};

/// A training run.
struct RunFolder {
    std::string name = {};   ///< as the report calls it
    Path path = {};
    std::vector<Curve> curves = {};                        ///< loss, terms, gradient norm, learning rate, figures ... in order
    std::vector<std::pair<double, double>> seconds = {};   ///< step and training time until then, by step
    std::map<std::string, std::string> settings = {};      ///< everything that decides the result, by name
    std::map<std::string, std::string> composition = {};   ///< options of the composition by path
    std::string preset = {};
    std::string text = {};   ///< of the composition; empty where no checkpoint tells it

    [[nodiscard]] Curve const* find(std::string const& curve) const;
    /// Seconds of training at a step: those of the last line of the log up to it.
    [[nodiscard]] double seconds_at(double step) const;
};

/// One finished stage of a pipeline.
struct ReportedStage {
    std::string name = {};
    std::string command = {};
    std::uint64_t outputs = 0;   ///< files
    std::uint64_t bytes = 0;
    std::vector<std::pair<std::string, double>> figures = {};
};

struct PipelineFolder {
    std::string name = {};
    std::string recipe = {};
    std::vector<ReportedStage> stages = {};
};

/// What was read, and what could not be.
struct ReportedFolders {
    std::vector<RunFolder> runs = {};
    std::vector<PipelineFolder> pipelines = {};
    std::vector<std::string> problems = {};   ///< FILE:LINE: what is wrong, one sentence each
};

/// Reads output folders of runs, of `glue` with a run per task and seed, and of pipelines with the runs of their stages.
/// \throws InputError  a folder that is missing, or is of neither kind
ReportedFolders read_folders(std::vector<Path> const& folders);

}  // namespace bmae::program
