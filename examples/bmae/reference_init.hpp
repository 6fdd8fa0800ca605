// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// What the program says about weights of others, and the decoders that it takes from them.
#pragma once

#include <filesystem>
#include <string>

#include <bmae/edge/reference_layouts.hpp>
#include <bmae/io/weight_files.hpp>

#include "common.hpp"

namespace bmae::program {

/// The folder with the encoder: RetroMAE's code has it in encoder_model, beside the state with the decoder.
inline Path encoder_folder(Path const& folder) {
    bool const inside =
        !std::filesystem::exists(folder / "config.json") && std::filesystem::exists(folder / "encoder_model" / "config.json");
    return inside ? folder / "encoder_model" : folder;
}

/// Says which file is read where it is not model.safetensors alone.
inline void tell_weights(Path const& folder) {
    if (!holds_weights(folder)) {   // an older sentence-transformers folder; of any other the reader says it
        if (holds_weights(folder / "0_Transformer")) { tell_weights(folder / "0_Transformer"); }
        return;
    }
    WeightFiles const files = find_weights(folder);
    bool const both = !files.pickled && std::filesystem::exists(folder / "pytorch_model.bin");
    if (!files.pickled && !both) { return; }
    say("weights: " + files.file.string() + (files.shards.empty() ? "" : ", " + std::to_string(files.shards.size()) + " shards") +
        (both ? "; pytorch_model.bin beside it is not read" : ""));
}

/// Gives a model the decoders of a folder of the authors' code, if it has any, and says so.
template <class Model>
void load_reference(Model& objective, Path const& folder) {
    auto const found = read_reference_decoders(folder);
    if (!found) { return; }
    ReferenceInit const init =
        load_reference_decoders(*found, objective.description(), [&](auto const& visit) { objective.for_each_parameter(visit); });
    std::string text = "init: " + std::to_string(init.loaded) + " parameters of decoders from " + found->file.string();
    for (std::string const& head : init.unused) { text += "; " + head + " has no decoder here"; }
    for (std::size_t i = 0; i < init.fresh.size(); ++i) { text += (i == 0 ? "; fresh: " : " ") + init.fresh[i]; }
    say(text);
}

}  // namespace bmae::program
