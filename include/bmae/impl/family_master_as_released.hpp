// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Compiles the family of presets of MASTER as released, once in a program: see detail/separate.hpp.
#pragma once

#include <memory>
#include <vector>

#include <bmae/edge/make_pretraining.hpp>

namespace bmae {

template std::unique_ptr<AnyModel> make_pretraining_of<PresetFamily::master_as_released>(PretrainingRequest const&,
                                                                                         AnyEncoder const&, TokenStore const&);
template std::vector<PresetDescription> describe_presets_of<PresetFamily::master_as_released>();

}  // namespace bmae
