// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Diagnosis of data before a model is trained on it. Free of LibTorch.
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <vector>

#include <bmae/corpus/reading.hpp>
#include <bmae/corpus/record.hpp>

#include "common.hpp"

namespace bmae::program {

struct DiagnoseOptions {
    Path data = {};   ///< BEIR folder, or `inputs`
    std::vector<Path> inputs = {};
    std::vector<Path> held_out = {};   ///< texts that are not trained on
    std::string format = {};           ///< of the inputs; empty: recognized by the content
    std::string layout = {};
    Path tokenizer = {};   ///< empty: nothing is counted in tokens
    std::string lengths = "64,128,256,512";
    double similarity = .8;   ///< of near duplicates
    std::size_t compared = 2'000'000;
    std::size_t depth = 100;   ///< hits of BM25 among which relevant documents are looked for
};
int diagnose(Common const& common, DiagnoseOptions const& options);

/// Calls `use` with every record of the inputs, each read as `prepare` reads it. \returns the reports of the readers
ReadReport for_each_record(PrepareOptions const& options, std::string const& command, std::function<void(Record&&)> const& use);

}  // namespace bmae::program
