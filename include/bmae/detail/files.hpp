// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Everything about files: memory maps, atomic writes, output folders, lines of plain and gzip text.
#pragma once

#include <bmae/detail/folders.hpp>
#include <bmae/detail/lines.hpp>
#include <bmae/detail/whole_files.hpp>
