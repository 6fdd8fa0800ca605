// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// The figure of a preset. Free of LibTorch.
#pragma once

#include <string>

#include "common.hpp"

namespace bmae::program {

/// Draws the composition of a preset, with its values, as an SVG file.
/// \returns `done`
int draw_preset(std::string const& preset, Path const& file);

}  // namespace bmae::program
