// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// From the name of a preset to something that a trainer can train.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <bmae/edge/presets.hpp>
#include <bmae/edge/pretraining_objective.hpp>

namespace bmae {

/// What a program asks for by name.
struct PretrainingRequest {
    std::string preset = "retromae";
    std::map<std::string, std::string> numbers = {};   ///< the preset's own number names -> text: {"encoder_mask", "0.3"}
    ViewSettings settings = {};
    std::uint64_t seed = 42;                           ///< of fresh decoder parameters
    std::function<void(std::filesystem::path const&)> sidecars = {};
    std::shared_ptr<TokenGenerator const> generator = {};   ///< where a corruptor needs one: see EncoderGenerator
};

/// Builds one preset around `encoder`, on `corpus`, which must outlive the result.
/// Throws InputError for an unknown number, and where corpus and encoder do not fit.
template <class Model>
std::unique_ptr<AnyPretraining> make_pretraining(Preset<Model> preset, PretrainingRequest const& request, BertEncoder encoder, TokenStore const& corpus) {
    for (auto const& [name, text] : request.numbers) { set_number(preset.numbers, name, text); }
    auto model = std::make_shared<Model>(std::move(encoder), PresetNumbers<Model>::options(preset.numbers), request.seed);
    return std::make_unique<PretrainingObjective<Model>>(std::move(model), corpus, request.settings, request.preset, request.sidecars, request.generator);
}

/// Builds the preset called `request.preset` if it belongs to `family`; otherwise nothing is made.
template <PresetFamily family>
std::unique_ptr<AnyPretraining> make_pretraining_of(PretrainingRequest const& request, BertEncoder const& encoder, TokenStore const& corpus) {
    std::unique_ptr<AnyPretraining> result;
    for_each_preset_of<family>([&](auto const& preset) {
        if (preset.name == request.preset) { result = make_pretraining(preset, request, encoder, corpus); }
    });
    return result;
}

/// Builds a preset by name around `encoder`, on `corpus`, which must outlive the result. A program that calls this compiles all
/// models at once; one that declares `extern template` for `make_pretraining_of` compiles the families in files of their own.
/// Throws InputError for an unknown preset or number, and where corpus and encoder do not fit.
inline std::unique_ptr<AnyPretraining> make_pretraining(PretrainingRequest const& request, BertEncoder const& encoder, TokenStore const& corpus) {
    require_preset(request.preset);
    using enum PresetFamily;
    for (auto const make : {make_pretraining_of<retromae>, make_pretraining_of<master>, make_pretraining_of<master_as_released>,
                            make_pretraining_of<decoders>, make_pretraining_of<contrast>}) {
        if (auto result = make(request, encoder, corpus)) { return result; }
    }
    return nullptr;
}

/// What there is to know of a preset without running it.
struct PresetDescription {
    /// A number that `--set` reaches.
    struct Number {
        std::string name = {};
        double value = 0;
        std::string meaning = {};
    };
    std::string name = {};
    std::string citation = {};
    std::string composition = {};
    std::vector<Number> numbers = {};
};

/// Describes the presets of a family, in order.
template <PresetFamily family>
std::vector<PresetDescription> describe_presets_of() {
    std::vector<PresetDescription> list;
    for_each_preset_of<family>([&]<class Model>(Preset<Model> preset) {
        BertConfig config = BertConfig::of_size(2, 8);   // only to ask the composition for its words
        config.vocab_size = 16;
        Model const model(BertEncoder(config), PresetNumbers<Model>::options(preset.numbers), 0);
        PresetDescription entry{.name = std::string(preset.name), .citation = std::string(preset.citation), .composition = model.composition()};
        preset.numbers.for_each_number([&](std::string_view name, auto const& value, std::string_view meaning) {
            entry.numbers.push_back({.name = std::string(name), .value = static_cast<double>(value), .meaning = std::string(meaning)});
        });
        list.push_back(std::move(entry));
    });
    return list;
}

/// Describes all presets, in order.
inline std::vector<PresetDescription> describe_presets() {
    using enum PresetFamily;
    std::vector<PresetDescription> list;
    for (auto const describe : {describe_presets_of<retromae>, describe_presets_of<master>, describe_presets_of<master_as_released>,
                                describe_presets_of<decoders>, describe_presets_of<contrast>}) {
        for (PresetDescription& entry : describe()) { list.push_back(std::move(entry)); }
    }
    return list;
}

}  // namespace bmae
