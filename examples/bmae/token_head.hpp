// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Whether the language-model head that a training depends on comes from the model's files.
#pragma once

#include <algorithm>
#include <filesystem>
#include <set>
#include <string>

#include <bmae/edge/composed_objective.hpp>
#include <bmae/encoders/any_encoder.hpp>
#include <bmae/encoders/encoder_folder.hpp>
#include <bmae/io/sentence_transformer.hpp>
#include <bmae/io/tensors.hpp>

#include "common.hpp"
#include "models.hpp"

namespace bmae::program {

/// Names of the parameters of an encoder's language-model head.
inline std::set<std::string> token_head_names(AnyEncoder encoder) {
    std::set<std::string> names;
    encoder.for_each_parameter("", [&](std::string const& name, at::Tensor&, bool) { names.insert(name); });
    for_each_body_parameter(encoder, "encoder", [&](std::string const& name, at::Tensor&, auto) { names.erase(name); });
    return names;
}

/// Tells that the head which a preset trains is new: a checkpoint of dense vectors and most published sentence encoders have none.
inline void warn_of_new_token_head(Path const& path, AnyModel& objective) {
    std::set<std::string> const head = token_head_names(objective.encoder());
    bool trained = false;
    objective.for_each_parameter([&](std::string const& name, at::Tensor&, bool) { trained = trained || head.contains(name); });
    if (!trained) { return; }
    auto const is_stored = [&] {
        if (auto const checkpoint = find_checkpoint(path)) {
            NamedTensors const stored = checkpoint_tensors(*checkpoint);
            return std::ranges::all_of(head, [&](std::string const& name) { return stored.contains(name); });
        }
        bool const laid_out = std::filesystem::exists(path / "modules.json");
        return stores_token_head(laid_out ? path / read_sentence_transformer(path).transformer_folder : path);
    };
    if (is_stored()) { return; }
    warn(
        path.string() +
        " has no language-model head: a new one is initialized, and this training is all that it learns from. Sparse vectors and "
        "reconstruction depend on it; a folder of a masked language model has one");
}

}  // namespace bmae::program
