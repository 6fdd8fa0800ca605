// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Builds an objective by the name of a preset.
#pragma once

#include <memory>
#include <utility>
#include <vector>

#include <bmae/edge/preset_request.hpp>
#include <bmae/edge/presets.hpp>

namespace bmae {

/// Builds the preset called `request.preset` if it belongs to `family`; otherwise nothing is made.
template <PresetFamily family>
std::unique_ptr<AnyModel> make_pretraining_of(PretrainingRequest const& request, AnyEncoder const& encoder,
                                              TokenStore const& corpus) {
    std::unique_ptr<AnyModel> result;
    for_each_preset_of<family>([&](auto const& preset) {
        if (preset.name == request.preset) { result = make_pretraining(preset, request, encoder, corpus); }
    });
    return result;
}

/// Describes the presets of a family, in order.
template <PresetFamily family>
std::vector<PresetDescription> describe_presets_of() {
    std::vector<PresetDescription> list;
    for_each_preset_of<family>([&]<class M>(Preset<M> const& preset) { list.push_back(describe_preset(preset)); });
    return list;
}

#if defined(BMAE_SEPARATE_COMPILATION)   // in the library `bmae::compiled`
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
#endif

/// Builds a preset by name around `encoder`, on `corpus`, which must outlive the result. The library
/// `bmae::compiled` holds the models; a header-only program that calls this compiles all of them at once, unless it declares
/// `extern template` for `make_pretraining_of` and compiles the families in files of their own.
/// Throws InputError for an unknown preset or option, and where corpus and encoder do not fit.
inline std::unique_ptr<AnyModel> make_pretraining(PretrainingRequest const& request, AnyEncoder const& encoder,
                                                  TokenStore const& corpus) {
    require_preset(request.preset);
    using enum PresetFamily;
    for (auto const make : {make_pretraining_of<retromae>, make_pretraining_of<master>, make_pretraining_of<master_as_released>,
                            make_pretraining_of<decoders>, make_pretraining_of<contrast>}) {
        if (auto result = make(request, encoder, corpus)) { return result; }
    }
    return nullptr;
}

/// Describes all presets, in order.
inline std::vector<PresetDescription> describe_presets() {
    using enum PresetFamily;
    std::vector<PresetDescription> list;
    for (auto const describe :
         {describe_presets_of<retromae>, describe_presets_of<master>, describe_presets_of<master_as_released>,
          describe_presets_of<decoders>, describe_presets_of<contrast>}) {
        for (PresetDescription& entry : describe()) { list.push_back(std::move(entry)); }
    }
    return list;
}

}  // namespace bmae
