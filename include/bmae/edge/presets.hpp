// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// The closed list of presets, and the one place where a name at run time becomes a type.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <bmae/presets/masked_language_model.hpp>
#include <bmae/presets/retromae.hpp>
#include <bmae/values/error.hpp>

namespace bmae {

/// A paper's model by name.
template <class ModelT>
struct Preset {
    using Model = ModelT;
    std::string_view name;
    std::string_view citation;
    typename PresetNumbers<ModelT>::type numbers = {};   ///< the paper's own
};

namespace detail {

inline constexpr std::string_view retromae_citation = "Liu, Shao: RetroMAE, arXiv 2205.12035";

/// Calls `visit(preset)` for each preset until one returns true.
template <class Visit>
bool any_preset(Visit&& visit) {
    return visit(Preset<PlainMaskedLanguageModel>{"mlm", "Devlin et al.: BERT, arXiv 1810.04805", {}}) ||
           visit(Preset<RetroMae>{"retromae", retromae_citation, {}}) ||
           visit(Preset<RetroMaeLayerNormQuery>{"retromae-layernorm-query", "Xiao, Liu: RetroMAE v2, arXiv 2211.08769 (code)", {}}) ||
           visit(Preset<RetroMaeBasic>{"retromae-basic", retromae_citation, {}}) ||
           visit(Preset<RetroMae>{"retromae-deep", "RetroMAE with a deeper decoder: FlagEmbedding's note, bottleneck kept", {.decoder_layers = 2}});
}

}  // namespace detail

/// Calls `visit(preset)` with every preset of the list, in order.
template <class Visit>
void for_each_preset(Visit&& visit) {
    detail::any_preset([&](auto const& preset) {
        visit(preset);
        return false;
    });
}

/// Names of all presets.
inline std::vector<std::string> preset_names() {
    std::vector<std::string> names;
    for_each_preset([&](auto const& preset) { names.emplace_back(preset.name); });
    return names;
}

/// Calls `visit` with the preset called `name`; an unknown name throws InputError and lists the known ones.
template <class Visit>
void with_preset(std::string_view name, Visit&& visit) {
    bool const found = detail::any_preset([&](auto const& preset) {
        if (preset.name != name) { return false; }
        visit(preset);
        return true;
    });
    if (found) { return; }
    std::string known;
    for (std::string const& candidate : preset_names()) { known += (known.empty() ? "" : ", ") + candidate; }
    throw InputError(Complaint{.file = {}, .expected = "a preset name", .found = '"' + std::string(name) + '"', .remedy = "Known: " + known + '.'});
}

/// Sets the number called `name` of a preset's numbers from text; an unknown name throws InputError and lists the known ones.
template <class Numbers>
void set_number(Numbers& numbers, std::string_view name, std::string const& text) {
    bool found = false;
    std::string known;
    numbers.for_each_number([&]<class Number>(std::string_view candidate, Number& number, std::string_view) {
        known += (known.empty() ? "" : ", ") + std::string(candidate);
        if (candidate != name) { return; }
        found = true;
        try {
            std::size_t used = 0;
            if constexpr (std::is_floating_point_v<Number>) {
                number = std::stod(text, &used);
            } else {
                number = static_cast<Number>(std::stoll(text, &used));
            }
            if (used != text.size()) { throw std::invalid_argument(text); }
        } catch (std::exception const&) {
            throw InputError(Complaint{.file = {}, .expected = "a number for " + std::string(name), .found = '"' + text + '"',
                                       .remedy = "Write for example " + std::string(name) + "=" + (std::is_floating_point_v<Number> ? "0.3." : "2.")});
        }
    });
    if (!found) {
        throw InputError(Complaint{.file = {}, .expected = "a number of this preset", .found = '"' + std::string(name) + '"',
                                   .remedy = "It has: " + known + '.'});
    }
}

}  // namespace bmae
