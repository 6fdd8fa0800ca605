// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// The presets of fine-tuning, compiled in family_finetuning_dense.cpp and family_finetuning_others.cpp.
#pragma once

#include <memory>
#include <vector>

#include <bmae/edge/finetuning_presets.hpp>

namespace bmae {

extern template std::unique_ptr<AnyModel> make_finetuning_of<FinetuningFamily::dense, PairStore>(PretrainingRequest const&,
                                                                                                 AnyEncoder const&,
                                                                                                 PairStore const&);
extern template std::vector<PresetDescription> describe_finetuning_presets_of<FinetuningFamily::dense>();
extern template std::unique_ptr<AnyModel> make_finetuning_of<FinetuningFamily::others, PairStore>(PretrainingRequest const&,
                                                                                                  AnyEncoder const&,
                                                                                                  PairStore const&);
extern template std::vector<PresetDescription> describe_finetuning_presets_of<FinetuningFamily::others>();

}  // namespace bmae
