// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Compiles the family of presets of losses over scored texts, once in a program: see detail/separate.hpp.
#pragma once

#include <memory>
#include <vector>

#include <bmae/edge/finetuning_presets.hpp>

namespace bmae {

template std::unique_ptr<AnyModel> make_finetuning_of<FinetuningFamily::scored, PairStore>(PretrainingRequest const&,
                                                                                           AnyEncoder const&, PairStore const&);
template std::vector<PresetDescription> describe_finetuning_presets_of<FinetuningFamily::scored>();

}  // namespace bmae
