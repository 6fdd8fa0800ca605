// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// What evaluations of one collection and of many share. Free of LibTorch.
#pragma once

#include <string>
#include <vector>

#include <bmae/corpus/reading.hpp>
#include <bmae/evaluation/evaluator.hpp>
#include <bmae/evaluation/run_comparison.hpp>
#include <bmae/retrieval/run_file.hpp>

#include "common.hpp"

namespace bmae::program {

/// The reports of the runs under `options`, in their order; says what is left out of the means.
/// \param read  receives the reports of all files
std::vector<NamedReport> measure(Common const& common, EvaluateOptions const& options, std::vector<std::string> const& measures,
                                 ReadReport& read);

/// Counts and means of one report.
Json json_of(Report const& report, bool per_query);

/// Profile, missing queries and level. \throws InputError for an unknown name; so does the next
bmae::EvaluateOptions rules_of(Common const& common, EvaluateOptions const& options);
RunFormat run_format(EvaluateOptions const& options);

/// Names of runs: those of their files, or their paths where two files have one name.
std::string name_of_run(Path const& path, std::vector<Path> const& all);

/// Refuses, before the work, options of the tables, and outputs that exist.
void check_tables(Common const& common, EvaluateOptions const& options);
/// Writes tables, comparisons and the result of the command.
int publish(Common const& common, EvaluateOptions const& options, std::vector<NamedReport> const& runs, ReadReport const& read);

}  // namespace bmae::program
