// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Model cards: README.md in the folder of a model, with the metadata that Hugging Face's Hub reads. Free of LibTorch.
#pragma once

#include <functional>
#include <string>

#include "common.hpp"

namespace bmae::program {

/// What a folder was made of. The card has no times and no paths, so that the same run makes the same bytes anywhere.
struct CardOrigin {
    Path checkpoint = {};      ///< its composition, options and step are told, and the figures beside it; empty: none
    Path model = {};           ///< the model that was changed, where there is no checkpoint
    std::string change = {};   ///< one sentence about a change without training; empty: none
};

/// Writes README.md into the finished folder of a model, in place of one that tells of another model.
void write_model_card(Path const& folder, CardOrigin const& origin);

/// A folder of a model with its card: it appears when both are complete.
/// \param output  must not exist, or be empty
/// \param write   writes the model into the new folder that it is given, and tells what it was made of
/// \throws InputError  as `detail::AtomicFolder` does
void write_with_card(Path const& output, std::function<CardOrigin(Path const&)> const& write);

}  // namespace bmae::program
