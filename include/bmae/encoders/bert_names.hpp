// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// The names of the tensors of BERT and its relatives, in this library and in Hugging Face files.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <bmae/encoders/bert_config.hpp>
#include <bmae/encoders/model_type.hpp>

namespace bmae {

inline constexpr std::string_view bert_word_embedding = "embeddings.word_embeddings.weight";   ///< [V, E]
inline constexpr std::string_view bert_head_decoder = "cls.predictions.decoder.weight";        ///< [V, E] where it is not tied
inline constexpr std::string_view bert_head_bias = "cls.predictions.bias";                     ///< [V]
inline constexpr std::string_view bert_head_prefix = "cls.predictions.";

/// A tensor that a model must have.
struct BertTensor {
    std::string name = {};   ///< this library's: BERT's without "bert.", for every family
    std::vector<std::int64_t> shape = {};

    friend bool operator==(BertTensor const&, BertTensor const&) = default;
};

/// Every tensor of an encoder, and of its language-model head if requested.
inline std::vector<BertTensor> bert_tensors(BertConfig const& config, bool with_head) {
    std::vector<BertTensor> tensors;
    std::int64_t const hidden = config.hidden_size;
    std::int64_t const embedding = config.embedding_width();
    auto const linear = [&tensors](std::string const& name, std::int64_t out, std::int64_t in) {
        tensors.push_back({name + ".weight", {out, in}});
        tensors.push_back({name + ".bias", {out}});
    };
    auto const norm = [&tensors](std::string const& name, std::int64_t width) {
        tensors.push_back({name + ".weight", {width}});
        tensors.push_back({name + ".bias", {width}});
    };
    tensors.push_back({std::string(bert_word_embedding), {config.vocab_size, embedding}});
    tensors.push_back({"embeddings.position_embeddings.weight", {config.max_position_embeddings, embedding}});
    if (config.type_vocab_size > 0) {
        tensors.push_back({"embeddings.token_type_embeddings.weight", {config.type_vocab_size, embedding}});
    }
    norm("embeddings.LayerNorm", embedding);
    if (embedding != hidden) { linear("embeddings_project", hidden, embedding); }
    for (std::int64_t i = 0; i < config.num_hidden_layers; ++i) {
        std::string const layer = "encoder.layer." + std::to_string(i) + '.';
        for (char const* const part : {"query", "key", "value"}) { linear(layer + "attention.self." + part, hidden, hidden); }
        linear(layer + "attention.output.dense", hidden, hidden);
        norm(layer + "attention.output.LayerNorm", hidden);
        linear(layer + "intermediate.dense", config.intermediate_size, hidden);
        linear(layer + "output.dense", hidden, config.intermediate_size);
        norm(layer + "output.LayerNorm", hidden);
    }
    if (with_head) {
        linear("cls.predictions.transform.dense", embedding, hidden);
        norm("cls.predictions.transform.LayerNorm", embedding);
        tensors.push_back({std::string(bert_head_bias), {config.vocab_size}});
        if (!config.tie_word_embeddings) { tensors.push_back({std::string(bert_head_decoder), {config.vocab_size, embedding}}); }
    }
    return tensors;
}

namespace detail {

using NamePair = std::pair<std::string_view, std::string_view>;   // this library's name, the family's

/// Names of a family that differ from BERT's; the first match is used.
inline std::vector<NamePair> name_pairs(ModelType type) {
    switch (type) {
        case ModelType::roberta:
        case ModelType::xlm_roberta:
        case ModelType::camembert:
            return {{"cls.predictions.transform.dense", "lm_head.dense"},
                    {"cls.predictions.transform.LayerNorm", "lm_head.layer_norm"},
                    {"cls.predictions", "lm_head"}};
        case ModelType::electra:
            return {{"cls.predictions.transform", "generator_predictions"},
                    {"cls.predictions.bias", "generator_lm_head.bias"},
                    {"cls.predictions.decoder", "generator_lm_head"}};
        case ModelType::distilbert:
            return {{"cls.predictions.transform.dense", "vocab_transform"},
                    {"cls.predictions.transform.LayerNorm", "vocab_layer_norm"},
                    {"cls.predictions.bias", "vocab_projector.bias"},
                    {"cls.predictions.decoder", "vocab_projector"}};
        case ModelType::bert:
            break;
    }
    return {};
}

/// The same inside `encoder.layer.N.`, which DistilBERT calls `transformer.layer.N.`.
inline std::vector<NamePair> layer_name_pairs(ModelType type) {
    if (type != ModelType::distilbert) { return {}; }
    return {{"attention.self.query", "attention.q_lin"},
            {"attention.self.key", "attention.k_lin"},
            {"attention.self.value", "attention.v_lin"},
            {"attention.output.dense", "attention.out_lin"},
            {"attention.output.LayerNorm", "sa_layer_norm"},
            {"intermediate.dense", "ffn.lin1"},
            {"output.dense", "ffn.lin2"},
            {"output.LayerNorm", "output_layer_norm"}};
}

/// Translates `name`: `From` 0 = this library's, 1 = the family's. Other names are unchanged.
template <std::size_t From>
std::string translate(ModelType type, std::string_view name) {
    constexpr std::size_t to = 1 - From;
    std::string result;
    NamePair const stack{"encoder.layer.", type == ModelType::distilbert ? "transformer.layer." : "encoder.layer."};
    std::vector<NamePair> pairs = name_pairs(type);
    if (name.starts_with(std::get<From>(stack))) {
        std::size_t const dot = name.find('.', std::get<From>(stack).size());
        if (dot == name.npos) { return std::string(name); }
        std::size_t const number = std::get<From>(stack).size();
        result.append(std::get<to>(stack)).append(name.substr(number, dot + 1 - number));
        name.remove_prefix(dot + 1);
        pairs = layer_name_pairs(type);
    }
    for (NamePair const& pair : pairs) {
        std::string_view const old = std::get<From>(pair);
        if (name.starts_with(old) && (name.size() == old.size() || name[old.size()] == '.')) {
            return result.append(std::get<to>(pair)).append(name.substr(old.size()));
        }
    }
    return result.append(name);
}

}  // namespace detail

/// This library's name for a name found in a file: no "bert.", "roberta." ... in front, weight and bias for the gamma and beta
/// of old files, BERT's names for the family's.
inline std::string canonical_bert_name(std::string_view name, ModelType type = ModelType::bert) {
    std::string_view const prefix = detail::names_of(type).prefix;
    if (name.starts_with(prefix)) { name.remove_prefix(prefix.size()); }
    std::string result(name);
    for (auto const& [old_end, new_end] : {std::pair<std::string_view, std::string_view>{"LayerNorm.gamma", "LayerNorm.weight"},
                                           std::pair<std::string_view, std::string_view>{"LayerNorm.beta", "LayerNorm.bias"}}) {
        if (name.ends_with(old_end)) { result.replace(result.size() - old_end.size(), old_end.size(), new_end); }
    }
    return detail::translate<1>(type, result);
}

/// The family's name for one of this library's, as the bare model of Python has it, without a prefix.
inline std::string bare_bert_name(std::string_view canonical, ModelType type = ModelType::bert) {
    return detail::translate<0>(type, canonical);
}

/// Buffers of some files that no model needs: 0, 1, 2 ...
inline bool is_ignored_bert_name(std::string_view canonical) {
    return canonical == "embeddings.position_ids" || canonical == "embeddings.token_type_ids";
}

/// Parts that are neither encoder nor language-model head and are kept separately: pooler, next-sentence head, ELECTRA's
/// discriminator, classifier.
inline bool is_side_bert_name(std::string_view canonical) {
    return canonical.starts_with("pooler.") || canonical.starts_with("cls.seq_relationship.") ||
           canonical.starts_with("discriminator_predictions.") || canonical.starts_with("pre_classifier.") ||
           canonical.starts_with("classifier.");
}

/// The classification head of a family: the name of each part here, below `shared.score`, and in a folder.
inline std::vector<std::pair<std::string_view, std::string_view>> bert_score_names(ModelType type) {
    if (is_roberta(type) || type == ModelType::electra) {
        return {{"pooler.dense", "classifier.dense"}, {"classifier", "classifier.out_proj"}};
    }
    return {{"pooler.dense", type == ModelType::distilbert ? "pre_classifier" : "pooler.dense"}, {"classifier", "classifier"}};
}

/// The name in transformers of a tensor inside a model with a head: "bert.", "roberta." ... before all of the encoder.
inline std::string prefixed_bert_name(std::string const& canonical, ModelType type = ModelType::bert) {
    bool const outside = canonical.starts_with("cls.") || (is_side_bert_name(canonical) && !canonical.starts_with("pooler."));
    std::string name = bare_bert_name(canonical, type);
    return outside ? name : std::string(detail::names_of(type).prefix) + name;
}

}  // namespace bmae
