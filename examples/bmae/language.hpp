// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// The terms of BM25 by the language of a collection, told or detected. Free of LibTorch.
#pragma once

#include <cstddef>

#include <bmae/retrieval/analyzer_options.hpp>
#include <bmae/retrieval/scripts.hpp>

#include "common.hpp"

namespace bmae::program {

/// The first documents of a collection, whose scripts are counted: as many with an index on disk as without.
inline constexpr std::size_t detected_documents = 1000;

/// What the options say, or where they do not say it the scripts of the texts. Says what was detected.
/// \throws InputError  for an unknown language, a stop-word file that cannot be read, stems or words of a language that this program
///                     was built without
AnalyzerOptions analyzer_by(TermOptions const& options, ScriptCounts const& scripts);

}  // namespace bmae::program
