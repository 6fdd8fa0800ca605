// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// What the readers and writers of every family's config.json share.
#pragma once

#include <algorithm>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <bmae/io/json_file.hpp>

namespace bmae::detail {

/// A switch of the architecture that the models of a family leave as it is.
struct FixedSwitch {
    char const* key;
    bool value;
};

/// \param title  "ModernBERT"
inline void require_switches(JsonObject const& object, std::span<FixedSwitch const> switches, std::string const& title) {
    for (FixedSwitch const& fixed : switches) {
        if (object.get<bool>(fixed.key, fixed.value) == fixed.value) { continue; }
        throw object.refuse('"' + std::string(fixed.key) + "\": " + (fixed.value ? "true" : "false"),
                            fixed.value ? "false" : "true", "No other " + title + " can be read.");
    }
}

/// Whether "architectures" is missing, or has a class whose name begins in one of these ways.
inline bool is_of_classes(JsonObject const& object, std::initializer_list<std::string_view> beginnings, std::string& first) {
    auto const classes = object.get<std::vector<std::string>>("architectures", {});
    first = classes.empty() ? std::string() : classes.front();
    return classes.empty() || std::ranges::any_of(classes, [&](std::string const& name) {
               return std::ranges::any_of(beginnings, [&](std::string_view beginning) { return name.starts_with(beginning); });
           });
}

inline constexpr char const* no_scaled_rotation = "Scaled rotary positions are not supported: results would be wrong.";

/// \param place  of the object in config.json
inline void require_plain_rotation(JsonObject const& parameters, std::string const& place) {
    if (auto const type = parameters.get<std::string>("rope_type", "default"); type != "default") {
        throw parameters.refuse("\"rope_type\": \"default\" in " + place, '"' + type + '"', no_scaled_rotation);
    }
}

/// Whether a key is there with null in place of a value.
inline bool is_null(JsonObject const& object, char const* key) { return object.has(key) && object.json().at(key).is_null(); }

/// The beginning of what a run and a dumped step record of a config: the sizes that every family has.
template <class Config>
Json recorded_sizes(Config const& config) {
    return {{"vocab_size", config.vocab_size},
            {"hidden_size", config.hidden_size},
            {"num_hidden_layers", config.num_hidden_layers},
            {"num_attention_heads", config.num_attention_heads},
            {"intermediate_size", config.intermediate_size},
            {"max_position_embeddings", config.max_position_embeddings}};
}

/// The text of a config.json: the document, then keys that were kept when it was read, then the type of the weights.
inline std::string finish_config(Json document, std::string const& extra_json, std::string const& element_type) {
    JsonObject const extra(parse_json(extra_json, "extra_json"), "extra_json");
    for (auto const& [key, value] : extra.json().items()) {
        if (!document.contains(key)) { document[key] = value; }
    }
    document["torch_dtype"] = element_type;
    return json_document(document);
}

}  // namespace bmae::detail
