// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Files by which folders are known that no other library has a form of.
#pragma once

namespace bmae::detail {

/// Of an encoder of sparse vectors whose bottleneck leaves rows out, as LexMAE's: SpladePooling reads all.
inline constexpr char const* lexical_file = "lexical.json";
/// Of DupMAE's two representations.
inline constexpr char const* dense_lexical_file = "dense_lexical.json";

}  // namespace bmae::detail
