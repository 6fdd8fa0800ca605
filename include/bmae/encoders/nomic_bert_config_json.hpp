// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// NomicBertConfig from config.json and back. Unknown keys are preserved.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include <bmae/detail/files.hpp>
#include <bmae/encoders/config_keys.hpp>
#include <bmae/encoders/nomic_bert_config.hpp>
#include <bmae/io/json_file.hpp>
#include <bmae/values/error.hpp>

namespace bmae {

namespace detail {

/// Calls `visit(key, key of the first publications, field)` for each option with a plain value.
template <class Config, class Visit>
void visit_nomic_bert_config(Config& config, Visit&& visit) {
    visit("vocab_size", "vocab_size", config.vocab_size);
    visit("hidden_size", "n_embd", config.hidden_size);
    visit("num_hidden_layers", "n_layer", config.num_hidden_layers);
    visit("num_attention_heads", "n_head", config.num_attention_heads);
    visit("intermediate_size", "n_inner", config.intermediate_size);
    visit("max_position_embeddings", "max_trained_positions", config.max_position_embeddings);
    visit("type_vocab_size", "type_vocab_size", config.type_vocab_size);
    visit("hidden_dropout_prob", "resid_pdrop", config.hidden_dropout_prob);
    visit("attention_probs_dropout_prob", "attn_pdrop", config.attention_probs_dropout_prob);
    visit("layer_norm_eps", "layer_norm_epsilon", config.layer_norm_eps);
    visit("initializer_range", "initializer_range", config.initializer_range);
    visit("pad_token_id", "pad_token_id", config.pad_token_id);
}

/// Switches of the first publications' code, which transformers' has as constants.
inline constexpr std::array<FixedSwitch, 9> nomic_switches{{{"prenorm", false},
                                                            {"parallel_block", false},
                                                            {"qkv_proj_bias", false},
                                                            {"mlp_fc1_bias", false},
                                                            {"mlp_fc2_bias", false},
                                                            {"causal", false},
                                                            {"rotary_emb_interleaved", false},
                                                            {"is_decoder", false},
                                                            {"add_cross_attention", false}}};

/// Refuses what this architecture has no code for.
inline void require_plain_nomic_bert(JsonObject const& object, NomicBertConfig const& config) {
    std::string first;
    if (!is_of_classes(object, {"NomicBert"}, first)) {
        throw object.refuse("a class in \"architectures\" that begins with NomicBert", '"' + first + '"');
    }
    require_switches(object, nomic_switches, "NomicBERT");
    for (auto const& [key, only] :
         {std::pair<char const*, char const*>{"hidden_act", "silu"}, {"activation_function", "swiglu"}}) {
        if (auto const name = object.get<std::string>(key, only); name != only) {
            throw object.refuse('"' + std::string(key) + "\": \"" + only + '"', '"' + name + '"',
                                "No other NomicBERT can be read.");
        }
    }
    for (char const* const key : {"rotary_scaling_factor", "rotary_emb_scale_base", "rope_scaling"}) {
        if (!object.has(key) || is_null(object, key)) { continue; }
        throw object.refuse("no \"" + std::string(key) + '"', object.json().at(key).dump(), no_scaled_rotation);
    }
    if (double const share = object.get<double>("rotary_emb_fraction", 1.0); share != 1.0) {
        throw object.refuse("\"rotary_emb_fraction\": 1", std::to_string(share), "No other NomicBERT can be read.");
    }
    std::int64_t const width = config.num_attention_heads > 0 ? config.hidden_size / config.num_attention_heads : 0;
    if (object.has("head_dim") && !is_null(object, "head_dim") && object.require<std::int64_t>("head_dim") != width) {
        throw object.refuse("a head_dim of hidden_size / num_attention_heads, " + std::to_string(width),
                            object.json().at("head_dim").dump());
    }
}

/// The base of the rotary phases: in `rope_parameters`, or as `rotary_emb_base`.
inline double read_nomic_rope(JsonObject const& object, double fallback) {
    double theta = object.get<double>("rotary_emb_base", fallback);
    if (auto const parameters = object.find<JsonObject>("rope_parameters")) {
        require_plain_rotation(*parameters, "rope_parameters");
        theta = parameters->get<double>("rope_theta", theta);
    }
    return theta;
}

}  // namespace detail

/// Reads the text of a config.json, in the form of transformers 5 or of the first publications (`n_embd`, `n_layer` ...), whose length is
/// that of their training, `max_trained_positions`: beyond it their code scales the rotary positions.
/// \param file  its name in messages
/// \throws InputError  another architecture, scaled rotary positions, biases, another activation, keys of both forms that differ
inline NomicBertConfig nomic_bert_config_from_json(std::string_view text, std::string const& file) {
    detail::JsonObject const object(detail::parse_json(text, file), file);
    if (auto const type = object.require<std::string>("model_type"); type != "nomic_bert") {
        throw object.refuse("\"model_type\": \"nomic_bert\"", '"' + type + '"');
    }
    bool const first_form = object.has("n_embd");
    NomicBertConfig config;
    detail::Json extra = object.json();
    detail::visit_nomic_bert_config(config, [&](char const* key, char const* old_key, auto& field) {
        using Field = std::remove_reference_t<decltype(field)>;
        std::string const present = first_form ? old_key : key;
        bool const is_size = std::is_integral_v<Field> && present != "pad_token_id" && present != "type_vocab_size" &&
                             present != "max_trained_positions";
        field = is_size ? object.require<Field>(present) : object.get<Field>(present, field);
        extra.erase(key);
        extra.erase(old_key);
    });
    if (detail::is_null(object, "pad_token_id")) { config.pad_token_id = -1; }
    config.rope_theta = detail::read_nomic_rope(object, config.rope_theta);
    detail::require_plain_nomic_bert(object, config);
    for (char const* const key : {"model_type",
                                  "architectures",
                                  "dtype",
                                  "torch_dtype",
                                  "rope_parameters",
                                  "rotary_emb_base",
                                  "rotary_emb_fraction",
                                  "rotary_scaling_factor",
                                  "rotary_emb_scale_base",
                                  "rope_scaling",
                                  "head_dim",
                                  "hidden_act",
                                  "activation_function",
                                  "auto_map",
                                  "n_positions",
                                  "embd_pdrop",
                                  "use_flash_attn",
                                  "fused_bias_fc",
                                  "fused_dropout_add_ln",
                                  "tie_word_embeddings"}) {
        extra.erase(key);   // rewritten, or settings of another program's code
    }
    for (detail::FixedSwitch const& fixed : detail::nomic_switches) { extra.erase(fixed.key); }
    config.extra_json = extra.dump();
    config.validate(file);
    return config;
}

/// Reads a config.json.
inline NomicBertConfig read_nomic_bert_config(std::filesystem::path const& path) {
    return nomic_bert_config_from_json(detail::read_file(path, detail::largest_config_file), path.string());
}

/// The text of a config.json, in the form of transformers 5.
/// \param architecture  the class of transformers: NomicBertModel, NomicBertForMaskedLM ...
/// \param element_type  what the weights are stored as: float32, bfloat16, float16
inline std::string to_json(NomicBertConfig const& config, std::string const& architecture = "NomicBertModel",
                           std::string const& element_type = "float32") {
    config.validate();
    detail::Json document = {{"architectures", {architecture}}, {"model_type", "nomic_bert"}, {"hidden_act", "silu"}};
    detail::visit_nomic_bert_config(config,
                                    [&document](char const* key, char const*, auto const& field) { document[key] = field; });
    if (config.pad_token_id < 0) { document["pad_token_id"] = nullptr; }
    document["head_dim"] = config.hidden_size / config.num_attention_heads;
    document["rope_parameters"] = {{"rope_type", "default"}, {"rope_theta", config.rope_theta}};
    return detail::finish_config(std::move(document), config.extra_json, element_type);
}

/// What a run and a dumped step record of a config.
inline nlohmann::ordered_json config_json(NomicBertConfig const& config) {
    nlohmann::ordered_json record = detail::recorded_sizes(config);
    record.update({{"type_vocab_size", config.type_vocab_size},
                   {"layer_norm_eps", config.layer_norm_eps},
                   {"hidden_act", "silu"},
                   {"model_type", "nomic_bert"},
                   {"pad_token_id", config.pad_token_id},
                   {"rope_theta", config.rope_theta}});
    return record;
}

}  // namespace bmae
