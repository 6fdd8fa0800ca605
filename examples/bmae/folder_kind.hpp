// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// What a folder of a model is, by its files. Free of LibTorch.
#pragma once

#include "common.hpp"

namespace bmae::program {

enum class FolderKind { cross_encoder, sparse_encoder, token_encoder, dense_lexical_encoder, sentence_encoder, other };

/// The folder of a model: itself, or what `finetune` wrote into its output folder.
/// \throws InputError  where it is neither
Path model_folder(Path const& path);

/// The kind of a folder; `other` is a bare encoder, and a folder without a model.
FolderKind kind_of_folder(Path const& folder);

}  // namespace bmae::program
