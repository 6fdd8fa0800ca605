// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Which parameters are trained, and at which share of the learning rate: frozen parts and a decay by layers.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <bmae/detail/separate.hpp>

namespace bmae {

/// Options of a run; the defaults train all parameters at one rate.
struct ParameterRates {
    /// Parameters that are not trained, each entry one of: `embeddings`; `layers:N`, the first N layers of the encoder; a name, in
    /// which an asterisk stands for any characters. Frozen parameters have neither gradient nor moments.
    std::vector<std::string> frozen = {};
    /// Factor of the learning rate from one layer to that below it: of L layers, layer i (from 0) has decay^(L - 1 - i), the embeddings
    /// decay^L, heads and decoders 1 (Howard, Ruder: ULMFiT, arXiv 1801.06146, section 3.2, discriminative fine-tuning).
    double layer_decay = 1;

    friend bool operator==(ParameterRates const&, ParameterRates const&) = default;
};

/// \throws InputError for a decay outside of (0, 1], and for an entry that is empty or none of its forms
BMAE_INLINE void check(ParameterRates const& rates);

/// "embeddings,layers:6", or empty.
BMAE_INLINE std::string list_text(std::vector<std::string> const& entries);

/// The place of a parameter in its encoder, by its name.
struct EncoderPlace {
    bool embeddings = false;
    std::optional<std::size_t> layer = {};
};

/// Whether `name` is `pattern`, in which `*` stands for any characters.
BMAE_INLINE bool matches(std::string_view name, std::string_view pattern);

/// The place of a parameter of the encoder or of the second one (`second.`); nothing of all others: heads, decoders, projections.
BMAE_INLINE EncoderPlace encoder_place(std::string_view name);

/// How one parameter is trained.
struct ParameterRate {
    bool frozen = false;
    double factor = 1;   ///< of the learning rate
};

/// How each parameter is trained.
/// \param names  all parameters of the model, in its order
/// \throws InputError  naming an entry of `frozen` that is no parameter's, and where none is left to train
BMAE_INLINE std::vector<ParameterRate> rates_of(std::vector<std::string> const& names, ParameterRates const& rates);

}  // namespace bmae

#if BMAE_DEFINITIONS

#include <algorithm>
#include <cmath>

#include <bmae/values/error.hpp>
#include <bmae/values/option.hpp>

namespace bmae::detail {

inline constexpr std::string_view frozen_layers = "layers:";

/// N of "layers:N"; nothing for another entry, or where N is no number.
inline std::optional<std::size_t> layers_of(std::string_view entry) {
    if (!entry.starts_with(frozen_layers)) { return std::nullopt; }
    entry.remove_prefix(frozen_layers.size());
    auto const count = number_from<std::size_t>(entry);
    return count && *count != 0 ? count : std::nullopt;
}

inline bool is_frozen_by(std::string_view entry, std::string_view name, EncoderPlace const& place) {
    if (entry == "embeddings") { return place.embeddings; }
    if (auto const layers = layers_of(entry)) { return place.layer && *place.layer < *layers; }
    return matches(name, entry);
}

}  // namespace bmae::detail

namespace bmae {

BMAE_INLINE void check(ParameterRates const& rates) {
    if (!(rates.layer_decay > 0 && rates.layer_decay <= 1)) {
        throw InputError(Diagnostic{{}, 0, "a layer_decay above 0 and of at most 1", std::to_string(rates.layer_decay)});
    }
    for (std::string const& entry : rates.frozen) {
        bool const bad_count = entry.starts_with(detail::frozen_layers) && !detail::layers_of(entry);
        if (!entry.empty() && !bad_count) { continue; }
        throw InputError(
            Diagnostic{{}, 0, "frozen parts as embeddings, layers:N with N of at least 1, or names with *", '"' + entry + '"'});
    }
}

BMAE_INLINE std::string list_text(std::vector<std::string> const& entries) {
    std::string text;
    for (std::string const& entry : entries) { text += (text.empty() ? "" : ",") + entry; }
    return text;
}

BMAE_INLINE bool matches(std::string_view name, std::string_view pattern) {
    std::size_t const star = pattern.find('*');
    if (star == pattern.npos) { return name == pattern; }
    if (!name.starts_with(pattern.substr(0, star))) { return false; }
    std::string_view const rest = pattern.substr(star + 1);
    for (std::size_t from = star; from <= name.size(); ++from) {
        if (matches(name.substr(from), rest)) { return true; }
    }
    return false;
}

BMAE_INLINE EncoderPlace encoder_place(std::string_view name) {
    for (std::string_view const prefix : {"lora.", "second."}) {
        if (name.starts_with(prefix)) { name.remove_prefix(prefix.size()); }
    }
    constexpr std::string_view encoder = "encoder.";
    if (!name.starts_with(encoder)) { return {}; }
    name.remove_prefix(encoder.size());
    for (std::string_view const prefix : {"embeddings.", "embeddings_project.", "emb_ln."}) {
        if (name.starts_with(prefix)) { return {.embeddings = true}; }
    }
    for (std::string_view const prefix : {"layer.", "layers."}) {
        if (!name.starts_with(prefix)) { continue; }
        std::string_view const number = name.substr(prefix.size(), name.find('.', prefix.size()) - prefix.size());
        if (auto const layer = detail::number_from<std::size_t>(number)) { return {.layer = layer}; }
    }
    return {};
}

BMAE_INLINE std::vector<ParameterRate> rates_of(std::vector<std::string> const& names, ParameterRates const& rates) {
    check(rates);
    std::vector<EncoderPlace> places;
    std::size_t layers = 0;
    for (std::string const& name : names) {
        places.push_back(encoder_place(name));
        if (auto const& layer = places.back().layer) { layers = std::max(layers, *layer + 1); }
    }
    std::vector<ParameterRate> result(names.size());
    for (std::string const& entry : rates.frozen) {
        bool found = false;
        for (std::size_t i = 0; i < names.size(); ++i) {
            bool const frozen = detail::is_frozen_by(entry, names[i], places[i]);
            result[i].frozen = result[i].frozen || frozen;
            found = found || frozen;
        }
        std::size_t const asked = detail::layers_of(entry).value_or(0);
        if (found && asked <= layers) { continue; }
        throw InputError(Diagnostic{{},
                                    0,
                                    "parameters of the model to freeze",
                                    '"' + entry + "\", of a model with " + std::to_string(layers) + " layers",
                                    "`bmae inspect --tensors` lists the names."});
    }
    if (std::ranges::all_of(result, [](ParameterRate const& rate) { return rate.frozen; })) {
        throw InputError(Diagnostic{{}, 0, "at least one parameter to train", "all of them frozen"});
    }
    if (rates.layer_decay == 1) { return result; }
    if (layers == 0) { throw InputError(Diagnostic{{}, 0, "an encoder with layers, for a layer_decay", "none"}); }
    for (std::size_t i = 0; i < names.size(); ++i) {
        std::size_t const below = places[i].embeddings ? layers : places[i].layer ? layers - 1 - *places[i].layer : 0;
        result[i].factor = std::pow(rates.layer_decay, static_cast<double>(below));
    }
    return result;
}

}  // namespace bmae

#endif   // BMAE_DEFINITIONS
