// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Models with heads of lexical weights and token vectors beside their dense vector (bge-m3): where training starts from, what is said.
#pragma once

#include <string>

#include <bmae/bottlenecks/hybrid_vectors.hpp>
#include <bmae/edge/hybrid_heads.hpp>
#include <bmae/io/tensors.hpp>

#include "common.hpp"
#include "models.hpp"

namespace bmae::program {

inline constexpr std::string_view hybrid_preset = "bge-m3";

/// The heads of a folder of FlagEmbedding or of a checkpoint, where training goes on from them; else nothing: new heads are trained. Says
/// that another preset drops them.
inline NamedTensors hybrid_heads_of(std::string const& preset, LoadedModel const& model) {
    bool const in_folder = holds_hybrid_heads(model.path);
    bool const in_checkpoint = model.bottleneck == HybridVectors::name;
    std::string const heads = "the heads of lexical weights and token vectors of " + model.path.string();
    if (preset != hybrid_preset) {
        if (in_folder || in_checkpoint) { say(heads + " are not read by --preset " + preset); }
        return {};
    }
    if (!in_folder && !in_checkpoint) {
        say("new heads of lexical weights and token vectors");
        return {};
    }
    say("training goes on from " + heads);
    if (in_folder) { return load_hybrid_heads(model.path); }
    NamedTensors found;
    for (auto const& [name, tensor] : checkpoint_tensors(model.path)) {
        if (name.starts_with("shared.")) { found[name] = tensor; }
    }
    return found;
}

}  // namespace bmae::program
