// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Each family of presets is compiled in a separate file, family_*.cpp: all at once would take minutes and gigabytes.
#pragma once

#include <memory>
#include <vector>

#include <bmae/edge/make_pretraining.hpp>

namespace bmae {

extern template std::unique_ptr<AnyModel> make_pretraining_of<PresetFamily::retromae>(PretrainingRequest const&,
                                                                                      AnyEncoder const&, TokenStore const&);
extern template std::vector<PresetDescription> describe_presets_of<PresetFamily::retromae>();
extern template std::unique_ptr<AnyModel> make_pretraining_of<PresetFamily::master>(PretrainingRequest const&, AnyEncoder const&,
                                                                                    TokenStore const&);
extern template std::vector<PresetDescription> describe_presets_of<PresetFamily::master>();
extern template std::unique_ptr<AnyModel> make_pretraining_of<PresetFamily::master_as_released>(PretrainingRequest const&,
                                                                                                AnyEncoder const&,
                                                                                                TokenStore const&);
extern template std::vector<PresetDescription> describe_presets_of<PresetFamily::master_as_released>();
extern template std::unique_ptr<AnyModel> make_pretraining_of<PresetFamily::decoders>(PretrainingRequest const&,
                                                                                      AnyEncoder const&, TokenStore const&);
extern template std::vector<PresetDescription> describe_presets_of<PresetFamily::decoders>();
extern template std::unique_ptr<AnyModel> make_pretraining_of<PresetFamily::contrast>(PretrainingRequest const&,
                                                                                      AnyEncoder const&, TokenStore const&);
extern template std::vector<PresetDescription> describe_presets_of<PresetFamily::contrast>();

}  // namespace bmae
