// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// BertConfig from config.json and back. Unknown keys are preserved.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include <bmae/detail/files.hpp>
#include <bmae/encoders/bert_config.hpp>
#include <bmae/encoders/config_keys.hpp>
#include <bmae/io/json_file.hpp>
#include <bmae/values/error.hpp>

namespace bmae {

namespace detail {

/// Calls `visit(key, field, required)` for each option of a BertConfig that its family stores, by the family's own key. Where a
/// key that is not required is missing, the default of the struct is used: it is the constant of files older than that key.
template <class Config, class Visit>
void visit_bert_config(Config& config, Visit&& visit) {
    bool const distilled = config.model_type == ModelType::distilbert;
    visit("vocab_size", config.vocab_size, true);
    visit(distilled ? "dim" : "hidden_size", config.hidden_size, true);
    if (config.model_type == ModelType::electra) { visit("embedding_size", config.embedding_size, true); }
    visit(distilled ? "n_layers" : "num_hidden_layers", config.num_hidden_layers, true);
    visit(distilled ? "n_heads" : "num_attention_heads", config.num_attention_heads, true);
    visit(distilled ? "hidden_dim" : "intermediate_size", config.intermediate_size, true);
    visit(distilled ? "activation" : "hidden_act", config.hidden_act, true);
    visit(distilled ? "dropout" : "hidden_dropout_prob", config.hidden_dropout_prob, false);
    visit(distilled ? "attention_dropout" : "attention_probs_dropout_prob", config.attention_probs_dropout_prob, false);
    visit("max_position_embeddings", config.max_position_embeddings, true);
    if (!distilled) {   // which has no token types, and 1e-12 fixed
        visit("type_vocab_size", config.type_vocab_size, true);
        visit("layer_norm_eps", config.layer_norm_eps, false);
    }
    visit("initializer_range", config.initializer_range, false);
    visit("pad_token_id", config.pad_token_id, false);
    visit("tie_word_embeddings", config.tie_word_embeddings, false);
}

/// The kernels of attention that transformers names: all compute the same function, so a file may name any of them.
inline constexpr std::array<std::string_view, 5> attention_kernels{"eager", "sdpa", "flash_attention_2", "flash_attention_3",
                                                                   "flex_attention"};
inline constexpr std::array<char const*, 3> attention_keys{"attn_implementation", "_attn_implementation",
                                                           "_attn_implementation_internal"};

/// Drops the name of an attention kernel from `extra`: another library's choice of how to compute the same results.
/// \throws InputError  a name that is none of those kernels
inline void drop_attention_kernel(JsonObject const& object, Json& extra) {
    for (char const* const key : attention_keys) {
        extra.erase(key);
        auto const kernel = object.find<std::string>(key);
        if (!kernel || std::ranges::find(attention_kernels, *kernel) != attention_kernels.end()) { continue; }
        throw object.refuse('"' + std::string(key) + "\" eager, sdpa, flash_attention_2, flash_attention_3 or flex_attention",
                            '"' + *kernel + '"', "Another attention may give other results: remove the key if it does not.");
    }
}

/// The family that a config.json names, with the defaults of keys that its files may lack.
inline BertConfig config_of_type(JsonObject const& object) {
    auto const text = object.require<std::string>("model_type", "Add \"model_type\": \"bert\" if this is a BERT model.");
    auto const type = model_type_from(text);
    if (!type) {
        throw object.refuse("\"model_type\" " + known_model_types(), '"' + text + '"', "Only these encoders can be read.");
    }
    auto const classes = object.get<std::vector<std::string>>("architectures", {});
    if (!classes.empty() &&
        std::none_of(classes.begin(), classes.end(), [&](auto const& name) { return name.starts_with(class_name(*type, "")); })) {
        throw object.refuse("a class in \"architectures\" that begins with " + class_name(*type, ""), '"' + classes.front() + '"',
                            "Check that the file is complete and of one model.");
    }
    BertConfig config{.model_type = *type};
    if (is_roberta(*type)) { config.pad_token_id = 1; }
    if (*type == ModelType::distilbert) { config.type_vocab_size = 0; }
    return config;
}

}  // namespace detail

/// Reads the text of a config.json.
/// \param file  its name in messages
/// \throws InputError  another architecture, positions that are not absolute, an unknown activation, invalid values
inline BertConfig bert_config_from_json(std::string_view text, std::string const& file) {
    detail::JsonObject const object(detail::parse_json(text, file), file);
    BertConfig config = detail::config_of_type(object);
    if (auto const kind = object.get<std::string>("position_embedding_type", "absolute"); kind != "absolute") {
        throw object.refuse("\"position_embedding_type\": \"absolute\"", '"' + kind + '"',
                            "Relative positions are not supported: results would be wrong.");
    }
    for (char const* const key : {"is_decoder", "add_cross_attention"}) {
        if (object.get<bool>(key, false)) {
            throw object.refuse('"' + std::string(key) + "\": false", "true", "Only encoders can be read.");
        }
    }
    detail::Json extra = object.json();
    detail::visit_bert_config(config, [&](char const* key, auto& field, bool required) {
        using Field = std::remove_reference_t<decltype(field)>;
        field = required ? object.require<Field>(key) : object.get<Field>(key, field);
        extra.erase(key);
    });
    if (detail::is_null(object, "pad_token_id")) { config.pad_token_id = -1; }
    if (config.model_type == ModelType::electra && config.embedding_size < 1) {
        throw object.refuse("an \"embedding_size\" of at least 1", std::to_string(config.embedding_size));
    }
    if (config.embedding_size == config.hidden_size) { config.embedding_size = 0; }
    // Always rewritten; the type of the weights depends on the weights file.
    for (char const* const key : {"model_type", "architectures", "position_embedding_type", "is_decoder", "add_cross_attention",
                                  "dtype", "torch_dtype"}) {
        extra.erase(key);
    }
    detail::drop_attention_kernel(object, extra);
    config.extra_json = extra.dump();
    config.validate(file);
    return config;
}

/// Reads a config.json.
inline BertConfig read_bert_config(std::filesystem::path const& path) {
    return bert_config_from_json(detail::read_file(path, detail::largest_config_file), path.string());
}

/// The text of a config.json.
/// \param architecture  the class of transformers: BertForMaskedLM ...; empty for the bare model, as BertModel
/// \param element_type  what the weights are stored as: float32, bfloat16, float16
inline std::string to_json(BertConfig const& config, std::string const& architecture = {},
                           std::string const& element_type = "float32") {
    config.validate();
    detail::Json document = {{"architectures", {architecture.empty() ? class_name(config.model_type, "Model") : architecture}},
                             {"model_type", to_string(config.model_type)}};
    if (config.model_type != ModelType::distilbert) { document["position_embedding_type"] = "absolute"; }
    detail::visit_bert_config(config, [&document](char const* key, auto const& field, bool) { document[key] = field; });
    if (config.model_type == ModelType::electra) { document["embedding_size"] = config.embedding_width(); }
    if (config.pad_token_id < 0) { document["pad_token_id"] = nullptr; }
    return detail::finish_config(std::move(document), config.extra_json, element_type);
}

/// What a run and a dumped step record of a config.
inline nlohmann::ordered_json config_json(BertConfig const& config) {
    nlohmann::ordered_json record = detail::recorded_sizes(config);
    record.update({{"type_vocab_size", config.type_vocab_size},
                   {"layer_norm_eps", config.layer_norm_eps},
                   {"hidden_act", config.hidden_act},
                   {"model_type", to_string(config.model_type)},
                   {"pad_token_id", config.pad_token_id},
                   {"embedding_size", config.embedding_width()}});
    return record;
}

}  // namespace bmae
