// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
#include "finetuning_family.hpp"

namespace bmae {

template std::unique_ptr<AnyModel> make_finetuning_of<FinetuningFamily::dense, PairStore>(PretrainingRequest const&,
                                                                                          AnyEncoder const&, PairStore const&);
template std::vector<PresetDescription> describe_finetuning_presets_of<FinetuningFamily::dense>();

}  // namespace bmae
