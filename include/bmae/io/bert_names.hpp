// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// The names of the tensors of a BERT model, as this library says them and as the many files out there say them.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <bmae/io/bert_config.hpp>

namespace bmae {

inline constexpr std::string_view bert_word_embedding = "embeddings.word_embeddings.weight";   ///< [V, H]
inline constexpr std::string_view bert_head_decoder = "cls.predictions.decoder.weight";        ///< [V, H] where it is not tied
inline constexpr std::string_view bert_head_bias = "cls.predictions.bias";                     ///< [V]
inline constexpr std::string_view bert_head_prefix = "cls.predictions.";

/// A tensor that a model must have.
struct BertTensor {
    std::string name = {};                  ///< without "bert."
    std::vector<std::int64_t> shape = {};

    friend bool operator==(BertTensor const&, BertTensor const&) = default;
};

/// Every tensor of an encoder, and of its language-model head if asked for.
inline std::vector<BertTensor> bert_tensors(BertConfig const& config, bool with_head) {
    std::vector<BertTensor> tensors;
    std::int64_t const hidden = config.hidden_size;
    auto const linear = [&tensors](std::string const& name, std::int64_t out, std::int64_t in) {
        tensors.push_back({name + ".weight", {out, in}});
        tensors.push_back({name + ".bias", {out}});
    };
    auto const norm = [&tensors, hidden](std::string const& name) {
        tensors.push_back({name + ".weight", {hidden}});
        tensors.push_back({name + ".bias", {hidden}});
    };
    tensors.push_back({std::string(bert_word_embedding), {config.vocab_size, hidden}});
    tensors.push_back({"embeddings.position_embeddings.weight", {config.max_position_embeddings, hidden}});
    tensors.push_back({"embeddings.token_type_embeddings.weight", {config.type_vocab_size, hidden}});
    norm("embeddings.LayerNorm");
    for (std::int64_t i = 0; i < config.num_hidden_layers; ++i) {
        std::string const layer = "encoder.layer." + std::to_string(i) + '.';
        for (char const* const part : {"query", "key", "value"}) { linear(layer + "attention.self." + part, hidden, hidden); }
        linear(layer + "attention.output.dense", hidden, hidden);
        norm(layer + "attention.output.LayerNorm");
        linear(layer + "intermediate.dense", config.intermediate_size, hidden);
        linear(layer + "output.dense", hidden, config.intermediate_size);
        norm(layer + "output.LayerNorm");
    }
    if (with_head) {
        linear("cls.predictions.transform.dense", hidden, hidden);
        norm("cls.predictions.transform.LayerNorm");
        tensors.push_back({std::string(bert_head_bias), {config.vocab_size}});
        if (!config.tie_word_embeddings) { tensors.push_back({std::string(bert_head_decoder), {config.vocab_size, hidden}}); }
    }
    return tensors;
}

/// This library's name for a name found in a file: no "bert." in front, weight and bias for the gamma and beta of old files.
inline std::string canonical_bert_name(std::string_view name) {
    if (name.starts_with("bert.")) { name.remove_prefix(5); }
    std::string result(name);
    for (auto const& [old_end, new_end] : {std::pair<std::string_view, std::string_view>{"LayerNorm.gamma", "LayerNorm.weight"},
                                           std::pair<std::string_view, std::string_view>{"LayerNorm.beta", "LayerNorm.bias"}}) {
        if (name.ends_with(old_end)) { result.replace(result.size() - old_end.size(), old_end.size(), new_end); }
    }
    return result;
}

/// Buffers that some files hold and no model needs: 0, 1, 2 ...
inline bool is_ignored_bert_name(std::string_view canonical) {
    return canonical == "embeddings.position_ids" || canonical == "embeddings.token_type_ids";
}

/// Parts that are neither encoder nor language-model head and are kept aside: pooler, next-sentence head, classifier.
inline bool is_side_bert_name(std::string_view canonical) {
    return canonical.starts_with("pooler.") || canonical.starts_with("cls.seq_relationship.") ||
           canonical.starts_with("classifier.");
}

/// The name that Python gives a tensor inside a model with a head: "bert." before all that belongs to the encoder.
inline std::string prefixed_bert_name(std::string const& canonical) {
    bool const outside = canonical.starts_with("cls.") || canonical.starts_with("classifier.");
    return outside ? canonical : "bert." + canonical;
}

}  // namespace bmae
