// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// torch-free
/// \file
/// What tells one model folder from another: work that was stopped goes on with the model that began it, or not at all.
#pragma once

#include <string>
#include <vector>

#include "common.hpp"

namespace bmae::program {

/// Relative paths of the regular files of a folder and its subfolders, sorted. Links are followed.
std::vector<Path> files_below(Path const& folder);

/// A checksum over the names and bytes of a folder's weights, configuration and tokenizer, which together decide what its model computes. Reads
/// subfolders too: a Router has its encoders there.
/// \throws InputError for a file that cannot be read
std::string model_checksum(Path const& folder);

}  // namespace bmae::program
