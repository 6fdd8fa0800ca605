// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// One preset built on request, and described: what the lists of presets share. It names no preset, so it compiles fast.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <bmae/edge/composed_objective.hpp>
#include <bmae/edge/preset.hpp>
#include <bmae/encoders/any_encoder.hpp>
#include <bmae/encoders/bert.hpp>
#include <bmae/model/rebind.hpp>
#include <bmae/values/option.hpp>

namespace bmae {

/// A request for a preset by name.
struct PretrainingRequest {
    std::string preset = "retromae";
    /// Values of `--set`, name -> text: the preset's own names, {"encoder_mask", "0.3"}, and paths of its composition,
    /// {"passes.0.view.masker.rate", "0.4"}, which are set after them.
    std::map<std::string, std::string> overrides = {};
    std::string bottleneck = {};   ///< fine-tuning: cls or mean in place of the preset's [CLS]; empty: the preset's
    bool two_encoders = false;     ///< fine-tuning: passages are read by an encoder of their own, see `TwoEncoders`
    ViewSettings settings = {};
    std::uint64_t seed = 42;   ///< of new decoder parameters
    std::function<void(std::filesystem::path const&)> sidecars = {};
    std::shared_ptr<TokenGenerator const> generator = {};   ///< for corruptors that need one: see EncoderGenerator
    std::shared_ptr<WordWeights const> words = {};          ///< word counts for keyword maskers; none: those of the corpus
};

/// Options of `Model` with options set by either name: see `PretrainingRequest::overrides`.
/// Throws InputError for a name that is neither, for an invalid value, and for a hyperparameter that no option of `Model` depends on
/// (papers of one family share theirs: `row_pool` of RetroMAE means nothing to its basic decoder).
/// \tparam Preset_  whose hyperparameters they are, where `Model` is a variant of a preset
template <class Model, class Preset_ = Model>
typename Model::Options options_of(typename PresetHyperparameters<Preset_>::type hyperparameters,
                                   std::map<std::string, std::string> const& texts) {
    auto const composed_options = [&]() -> typename Model::Options {
        if constexpr (std::is_same_v<Model, Preset_>) {
            return PresetHyperparameters<Model>::options(hyperparameters);
        } else {
            return PresetHyperparameters<Preset_>::template options<Model>(hyperparameters);
        }
    };
    std::vector<OptionEntry> known = option_entries(hyperparameters);
    std::vector<std::pair<std::string, std::string>> paths;
    for (auto const& [name, text] : texts) {
        OptionEntry const* const own = find_option(known, name);
        if (own == nullptr) {
            paths.emplace_back(name, text);
            continue;
        }
        OptionValue const value = own->number.value();
        detail::NamedNumbers const before = detail::numbers_of(composed_options());
        own->number.set(name, text);
        if (own->number.value() != value && before == detail::numbers_of(composed_options())) {
            throw InputError(Diagnostic{.file = {},
                                        .expected = "an option that has an effect on this preset",
                                        .found = name + ", which belongs to a relative of it alone",
                                        .hint = "Leave it out."});
        }
    }
    typename Model::Options options = composed_options();
    std::vector<OptionEntry> const composed = option_entries(options);
    known.insert(known.end(), composed.begin(), composed.end());   // the message for an unknown name lists both kinds
    for (auto const& [path, text] : paths) { set_option(known, path, text); }
    return options;
}

/// Builds one preset around `encoder`, of any family, on `corpus`, which must outlive the result.
/// Throws InputError for an unknown option, for one that its slot refuses, for an encoder that lacks what a part of the preset needs,
/// and where corpus and encoder do not fit.
template <class M>
std::unique_ptr<AnyModel> make_pretraining(Preset<M> preset, PretrainingRequest const& request, AnyEncoder encoder,
                                           TokenStore const& corpus) {
    using Erased = WithEncoder<M, AnyEncoder>;   // compiled once for all families
    auto model = std::make_shared<Erased>(std::move(encoder), options_of<Erased, M>(preset.hyperparameters, request.overrides),
                                          request.seed);
    auto objective = std::make_unique<ComposedObjective<Erased>>(std::move(model), corpus, request.settings, request.preset,
                                                                 request.sidecars, request.generator, request.words);
    if (!request.overrides.empty() && corpus.size() != 0) {   // a slot checks its options when it draws: here, not in the run
        std::size_t const first = 0;
        static_cast<void>(objective->collate(std::span(&first, 1), {.seed = request.seed}));
    }
    return objective;
}

/// Description of a preset.
struct PresetDescription {
    /// An option that `--set` can set.
    struct Option {
        std::string name = {};
        OptionValue value = 0.0;
        std::string meaning = {};
    };
    std::string name = {};
    std::string citation = {};
    std::string composition = {};
    std::vector<Option> hyperparameters = {};   ///< by the paper's names
    std::vector<Option> paths = {};             ///< of the composition: all options
};

/// Describes one preset.
template <class M>
PresetDescription describe_preset(Preset<M> preset) {
    BertConfig config = BertConfig::of_size(2, 8);   // only for the text of the composition
    config.vocab_size = 16;
    using Erased = WithEncoder<M, AnyEncoder>;
    auto options = PresetHyperparameters<M>::template options<Erased>(preset.hyperparameters);
    Erased const model(BertEncoder(config), options, 0);
    PresetDescription entry{
        .name = std::string(preset.name), .citation = std::string(preset.citation), .composition = model.composition()};
    auto const describe = [](std::vector<OptionEntry> const& entries) {
        std::vector<PresetDescription::Option> described;
        for (OptionEntry const& option : entries) {
            described.push_back({.name = option.path, .value = option.number.value(), .meaning = std::string(option.meaning)});
        }
        return described;
    };
    entry.hyperparameters = describe(option_entries(preset.hyperparameters));
    entry.paths = describe(option_entries(options));
    return entry;
}

}  // namespace bmae
