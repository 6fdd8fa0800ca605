// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// ModernBertConfig from config.json and back. Unknown keys are preserved.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <bmae/detail/files.hpp>
#include <bmae/encoders/config_keys.hpp>
#include <bmae/encoders/modern_bert_config.hpp>
#include <bmae/io/json_file.hpp>
#include <bmae/values/error.hpp>

namespace bmae {

namespace detail {

/// Calls `visit(key, field, required)` for each option that has a key of its own with a plain value.
template <class Config, class Visit>
void visit_modern_bert_config(Config& config, Visit&& visit) {
    visit("vocab_size", config.vocab_size, true);
    visit("hidden_size", config.hidden_size, true);
    visit("num_hidden_layers", config.num_hidden_layers, true);
    visit("num_attention_heads", config.num_attention_heads, true);
    visit("intermediate_size", config.intermediate_size, true);
    visit("hidden_activation", config.hidden_activation, true);
    visit("classifier_activation", config.classifier_activation, false);
    visit("max_position_embeddings", config.max_position_embeddings, true);
    visit("local_attention", config.local_attention, true);
    visit("embedding_dropout", config.embedding_dropout, false);
    visit("attention_dropout", config.attention_dropout, false);
    visit("mlp_dropout", config.mlp_dropout, false);
    visit("norm_eps", config.norm_eps, false);
    visit("initializer_range", config.initializer_range, false);
    visit("initializer_cutoff_factor", config.initializer_cutoff_factor, false);
    visit("pad_token_id", config.pad_token_id, false);
    visit("tie_word_embeddings", config.tie_word_embeddings, false);
}

/// Switches of the architecture that ModernBERT models leave as they are.
inline constexpr std::array<FixedSwitch, 7> modern_bert_switches{{{"attention_bias", false},
                                                                  {"mlp_bias", false},
                                                                  {"norm_bias", false},
                                                                  {"classifier_bias", false},
                                                                  {"decoder_bias", true},
                                                                  {"is_decoder", false},
                                                                  {"add_cross_attention", false}}};

/// The base of one kind of layers, written as `key` before transformers 5, since then in `rope_parameters`; both must agree.
inline double read_rope_theta(JsonObject const& object, std::string const& kind, std::string const& key, double fallback) {
    std::optional<double> theta = object.find<double>(key);
    auto const parameters = object.find<JsonObject>("rope_parameters");
    auto const of_kind = parameters ? parameters->find<JsonObject>(kind) : std::nullopt;
    if (of_kind) {
        require_plain_rotation(*of_kind, "rope_parameters." + kind);
        auto const newer = of_kind->find<double>("rope_theta");
        if (newer && theta && *newer != *theta) {
            throw object.refuse(key + " equal to rope_parameters." + kind + ".rope_theta, " + std::to_string(*newer),
                                std::to_string(*theta), "Remove the wrong one of both.");
        }
        if (newer) { theta = newer; }
    }
    return theta.value_or(fallback);
}

inline void read_rope(JsonObject const& object, ModernBertConfig& config) {
    if (object.find<JsonObject>("rope_scaling")) { throw object.refuse("no \"rope_scaling\"", "one", no_scaled_rotation); }
    config.global_rope_theta = read_rope_theta(object, "full_attention", "global_rope_theta", config.global_rope_theta);
    // Where the key is null, layers with a window have the base of the others (transformers 4).
    bool const none = is_null(object, "local_rope_theta");
    config.local_rope_theta = read_rope_theta(object, "sliding_attention", "local_rope_theta",
                                              none ? config.global_rope_theta : config.local_rope_theta);
}

/// Which layers have a window: every n-th has none, or `layer_types` names each; both must agree.
inline void read_layer_types(JsonObject const& object, ModernBertConfig& config) {
    auto const every = object.find<std::int64_t>("global_attn_every_n_layers");
    config.global_attn_every_n_layers = every.value_or(config.global_attn_every_n_layers);
    auto const types = object.find<std::vector<std::string>>("layer_types");
    if (!types) { return; }
    if (types->size() != static_cast<std::size_t>(std::max<std::int64_t>(config.num_hidden_layers, 0))) {
        throw object.refuse("layer_types of num_hidden_layers, " + std::to_string(config.num_hidden_layers),
                            std::to_string(types->size()));
    }
    for (std::string const& type : *types) {
        if (type != "full_attention" && type != "sliding_attention") {
            throw object.refuse("layer_types full_attention or sliding_attention", '"' + type + '"');
        }
        config.local_layers.push_back(type == "sliding_attention");
    }
    auto const regular = [&](std::int64_t n) {
        for (std::size_t i = 0; i < config.local_layers.size(); ++i) {
            if (config.local_layers[i] != (static_cast<std::int64_t>(i) % n != 0)) { return false; }
        }
        return true;
    };
    if (every && *every > 0 && !regular(*every)) {
        throw object.refuse("layer_types that have full_attention in every layer that global_attn_every_n_layers, " +
                                std::to_string(*every) + ", divides, and in no other",
                            "others", "Remove the wrong one of both keys.");
    }
    std::int64_t const most = every ? *every : std::max<std::int64_t>(config.num_hidden_layers, 1);
    for (std::int64_t n = every.value_or(1); n >= 1 && n <= most; ++n) {
        if (!regular(n)) { continue; }
        config.global_attn_every_n_layers = n;
        config.local_layers.clear();
        return;
    }
}

/// Refuses what this architecture has no code for, and keys that contradict each other.
inline void require_plain_modern_bert(JsonObject const& object) {
    auto const type = object.require<std::string>("model_type");
    if (type != "modernbert") { throw object.refuse("\"model_type\": \"modernbert\"", '"' + type + '"'); }
    std::string first;
    if (!is_of_classes(object, {"ModernBertModel", "ModernBertFor"}, first)) {
        throw object.refuse("a class in \"architectures\" that begins with ModernBert", '"' + first + '"',
                            "ModernBertDecoder and other architectures cannot be read.");
    }
    require_switches(object, modern_bert_switches, "ModernBERT");
    auto const older = object.find<double>("layer_norm_eps");
    if (older && *older != object.get<double>("norm_eps", 1e-5)) {
        throw object.refuse("a layer_norm_eps equal to norm_eps, which alone is used", std::to_string(*older),
                            "Remove \"layer_norm_eps\".");
    }
    auto const reach = object.find<std::int64_t>("sliding_window");
    if (reach && *reach != object.get<std::int64_t>("local_attention", 128) / 2) {
        throw object.refuse("a sliding_window of half of local_attention", std::to_string(*reach), "Remove \"sliding_window\".");
    }
}

}  // namespace detail

/// Reads the text of a config.json, in the form of transformers 4 (`global_rope_theta`, `global_attn_every_n_layers`) or 5
/// (`rope_parameters`, `layer_types`). Keys of classifiers, `sparse_prediction`, `reference_compile` and `deterministic_flash_attn`
/// do not change hidden states or losses: they are kept and written back.
/// \param file  its name in messages
/// \throws InputError  another architecture, scaled rotary positions, biases, an unknown activation, keys that contradict each other
inline ModernBertConfig modern_bert_config_from_json(std::string_view text, std::string const& file) {
    detail::JsonObject const object(detail::parse_json(text, file), file);
    detail::require_plain_modern_bert(object);
    ModernBertConfig config;
    detail::Json extra = object.json();
    detail::visit_modern_bert_config(config, [&](char const* key, auto& field, bool required) {
        using Field = std::remove_reference_t<decltype(field)>;
        field = required ? object.require<Field>(key) : object.get<Field>(key, field);
        extra.erase(key);
    });
    if (detail::is_null(object, "pad_token_id")) { config.pad_token_id = -1; }
    if (detail::is_null(object, "initializer_cutoff_factor")) {
        config.initializer_cutoff_factor = 3;
    }   // as transformers reads it
    detail::read_rope(object, config);
    detail::read_layer_types(object, config);
    for (char const* const key : {"model_type", "architectures", "dtype", "torch_dtype", "rope_parameters", "rope_scaling",
                                  "layer_types", "global_rope_theta", "local_rope_theta", "global_attn_every_n_layers"}) {
        extra.erase(key);   // always rewritten; the type of the weights depends on the weights file
    }
    for (detail::FixedSwitch const& fixed : detail::modern_bert_switches) { extra.erase(fixed.key); }
    config.extra_json = extra.dump();
    config.validate(file);
    return config;
}

/// Reads a config.json.
inline ModernBertConfig read_modern_bert_config(std::filesystem::path const& path) {
    return modern_bert_config_from_json(detail::read_file(path, detail::largest_config_file), path.string());
}

/// The text of a config.json, with the keys of transformers 4 and 5.
/// \param architecture  the class of transformers: ModernBertModel, ModernBertForMaskedLM ...
/// \param element_type  what the weights are stored as: float32, bfloat16, float16
inline std::string to_json(ModernBertConfig const& config, std::string const& architecture = "ModernBertModel",
                           std::string const& element_type = "float32") {
    config.validate();
    detail::Json document = {{"architectures", {architecture}}, {"model_type", "modernbert"}};
    detail::visit_modern_bert_config(config, [&document](char const* key, auto const& field, bool) { document[key] = field; });
    if (config.pad_token_id < 0) { document["pad_token_id"] = nullptr; }
    document["global_rope_theta"] = config.global_rope_theta;
    document["local_rope_theta"] = config.local_rope_theta;
    document["rope_parameters"] = {{"full_attention", {{"rope_type", "default"}, {"rope_theta", config.global_rope_theta}}},
                                   {"sliding_attention", {{"rope_type", "default"}, {"rope_theta", config.local_rope_theta}}}};
    if (config.local_layers.empty()) { document["global_attn_every_n_layers"] = config.global_attn_every_n_layers; }
    document["layer_types"] = detail::Json::array();
    for (std::int64_t i = 0; i < config.num_hidden_layers; ++i) {
        document["layer_types"].push_back(config.is_local(i) ? "sliding_attention" : "full_attention");
    }
    for (detail::FixedSwitch const& fixed : detail::modern_bert_switches) {
        if (std::string_view(fixed.key).ends_with("_bias")) { document[fixed.key] = fixed.value; }
    }
    return detail::finish_config(std::move(document), config.extra_json, element_type);
}

/// What a run and a dumped step record of a config.
inline nlohmann::ordered_json config_json(ModernBertConfig const& config) {
    nlohmann::ordered_json layers = nlohmann::ordered_json::array();
    for (std::int64_t i = 0; i < config.num_hidden_layers; ++i) { layers.push_back(config.is_local(i) ? "local" : "global"); }
    nlohmann::ordered_json record = detail::recorded_sizes(config);
    record.update({{"layer_norm_eps", config.norm_eps},
                   {"hidden_act", config.hidden_activation},
                   {"head_act", config.classifier_activation},
                   {"model_type", "modernbert"},
                   {"pad_token_id", config.pad_token_id},
                   {"layers", std::move(layers)},
                   {"local_attention", config.local_attention},
                   {"global_rope_theta", config.global_rope_theta},
                   {"local_rope_theta", config.local_rope_theta},
                   {"embedding_dropout", config.embedding_dropout}});
    return record;
}

}  // namespace bmae
