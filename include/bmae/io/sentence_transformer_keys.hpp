// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// The keys in the files of a folder of sentence-transformers, versions 2 to 6: which are obeyed, which have no effect on vectors, and
/// which are refused.
#pragma once

#include <algorithm>
#include <span>
#include <string>
#include <string_view>

#include <bmae/io/json_file.hpp>

namespace bmae::detail {

enum class KeyUse {
    obeyed,
    irrelevant,   ///< changes no vector and no score
    refused,      ///< unless it says what is done anyway
};

/// A key of one file.
struct FolderKey {
    std::string_view key;
    KeyUse use;
    std::string_view note;           ///< what it sets, or why it is irrelevant or refused
    std::string_view neutral = {};   ///< of a refused key: the value, as JSON, that is taken; null and empty ones always are
};

// The table of docs/formats.md is made from these lines.
inline constexpr FolderKey model_keys[] = {
    {"__version__", KeyUse::irrelevant, "the versions that wrote the folder"},
    {"model_type", KeyUse::refused, "another kind of model than a SentenceTransformer", "\"SentenceTransformer\""},
    {"prompts", KeyUse::obeyed, "prompts by name: query, document (passage, corpus) and others by --prompt"},
    {"default_prompt_name", KeyUse::obeyed, "the prompt of texts without a role, and of roles without a prompt of their own"},
    {"similarity_fn_name", KeyUse::obeyed, "by what search ranks: cosine, dot, euclidean, manhattan; absent: cosine"},
    {"truncate_dim", KeyUse::obeyed, "the first numbers of a vector, behind all modules"},
};
inline constexpr FolderKey module_keys[] = {
    {"idx", KeyUse::irrelevant, "the order is that of the list"},
    {"name", KeyUse::irrelevant, "a name for Python"},
    {"path", KeyUse::obeyed, "the folder of the module"},
    {"type", KeyUse::obeyed, "its class; classes other than those below are refused"},
    {"kwargs", KeyUse::refused, "arguments of encode that a module reads"},
};
inline constexpr FolderKey transformer_keys[] = {
    {"max_seq_length", KeyUse::obeyed, "tokens of a text"},
    {"do_lower_case", KeyUse::obeyed, "true with a tokenizer that keeps capitals is refused"},
    {"query_length", KeyUse::obeyed, "tokens of a query"},
    {"document_length", KeyUse::obeyed, "tokens of a document"},
    {"query_expansion", KeyUse::refused, "queries filled with [MASK], of token vectors"},
    {"transformer_task", KeyUse::refused, "another head than that of the module", "\"feature-extraction\""},
    {"modality_config", KeyUse::refused, "another output than the last hidden states of a text",
     R"({"text":{"method":"forward","method_output_name":"last_hidden_state"}})"},
    {"module_output_name", KeyUse::refused, "another output than the token vectors", "\"token_embeddings\""},
    {"processing_kwargs", KeyUse::refused, "another way to call the tokenizer"},
    {"unpad_inputs", KeyUse::irrelevant, "speed alone"},
    {"model_args", KeyUse::refused, "arguments of the model's class"},
    {"tokenizer_args", KeyUse::refused, "arguments of the tokenizer's class"},
    {"config_args", KeyUse::refused, "changes of config.json"},
    {"cache_dir", KeyUse::irrelevant, "where downloads are kept"},
    {"backend", KeyUse::irrelevant, "what runs the network there", "\"torch\""},
};
/// The same of folders of other kinds, whose head is that of their kind.
inline constexpr FolderKey other_transformer_keys[] = {
    {"max_seq_length", KeyUse::obeyed, "tokens of a text"},
    {"do_lower_case", KeyUse::obeyed, "true with a tokenizer that keeps capitals is refused"},
    {"query_length", KeyUse::obeyed, "tokens of a query"},
    {"document_length", KeyUse::obeyed, "tokens of a document"},
    {"query_expansion", KeyUse::obeyed, "refused, by the reader of token vectors alone"},
    {"transformer_task", KeyUse::irrelevant, "the kind of the folder says it"},
    {"modality_config", KeyUse::irrelevant, "the kind of the folder says it"},
    {"module_output_name", KeyUse::irrelevant, "the kind of the folder says it"},
    {"processing_kwargs", KeyUse::refused, "another way to call the tokenizer"},
    {"unpad_inputs", KeyUse::irrelevant, "speed alone"},
    {"model_args", KeyUse::refused, "arguments of the model's class"},
    {"tokenizer_args", KeyUse::refused, "arguments of the tokenizer's class"},
    {"config_args", KeyUse::refused, "changes of config.json"},
    {"cache_dir", KeyUse::irrelevant, "where downloads are kept"},
    {"backend", KeyUse::irrelevant, "what runs the network there", "\"torch\""},
};
inline constexpr FolderKey pooling_keys[] = {
    {"word_embedding_dimension", KeyUse::obeyed, "width of the token vectors, up to version 5"},
    {"embedding_dimension", KeyUse::obeyed, "the same from version 6"},
    {"pooling_mode", KeyUse::obeyed, "a name, or several whose vectors are joined in this order, from version 6"},
    {"pooling_mode_cls_token", KeyUse::obeyed, "[CLS]"},
    {"pooling_mode_max_tokens", KeyUse::obeyed, "maximum over the tokens"},
    {"pooling_mode_mean_tokens", KeyUse::obeyed, "mean over the tokens"},
    {"pooling_mode_mean_sqrt_len_tokens", KeyUse::obeyed, "sum over the tokens / sqrt(length)"},
    {"pooling_mode_weightedmean_tokens", KeyUse::obeyed, "mean weighted by the position"},
    {"pooling_mode_lasttoken", KeyUse::obeyed, "the last token"},
    {"include_prompt", KeyUse::obeyed, "false: the tokens of a prompt are not pooled"},
};
inline constexpr FolderKey dense_keys[] = {
    {"in_features", KeyUse::obeyed, "numbers before the map"},
    {"out_features", KeyUse::obeyed, "numbers behind it"},
    {"bias", KeyUse::obeyed, "whether the map has one"},
    {"activation_function", KeyUse::obeyed, "sixteen classes of torch.nn; others are refused"},
    {"module_input_name", KeyUse::refused, "another input than the sentence vector", "\"sentence_embedding\""},
    {"module_output_name", KeyUse::refused, "another output than the sentence vector", "\"sentence_embedding\""},
    {"use_residual", KeyUse::refused, "a residual beside the map", "false"},
};
inline constexpr FolderKey normalize_keys[] = {
    {"module_input_name", KeyUse::refused, "another input than the sentence vector", "\"sentence_embedding\""},
    {"module_output_name", KeyUse::refused, "another output than the sentence vector", "\"sentence_embedding\""},
};
inline constexpr FolderKey layer_norm_keys[] = {
    {"dimension", KeyUse::obeyed, "numbers of a vector"},
};
inline constexpr FolderKey dropout_keys[] = {
    {"dropout", KeyUse::irrelevant, "encoding drops nothing"},
};
/// Of router_config.json, and of its object "parameters".
inline constexpr FolderKey router_keys[] = {
    {"types", KeyUse::obeyed, "the class of each module, whose name is its folder"},
    {"structure", KeyUse::obeyed, "the modules of the routes query and document; other routes are refused"},
    {"parameters", KeyUse::obeyed, "as below"},
};
inline constexpr FolderKey route_keys[] = {
    {"default_route", KeyUse::irrelevant, "texts without a role are documents"},
    {"allow_empty_key", KeyUse::irrelevant, "texts without a role are documents"},
    {"route_mappings", KeyUse::refused, "routes by other words than query and document"},
};
inline constexpr FolderKey sparse_model_keys[] = {
    {"__version__", KeyUse::irrelevant, "the versions that wrote the folder"},
    {"model_type", KeyUse::refused, "another kind of model than a SparseEncoder", "\"SparseEncoder\""},
    {"prompts", KeyUse::obeyed, "as of a SentenceTransformer"},
    {"default_prompt_name", KeyUse::obeyed, "as of a SentenceTransformer"},
    {"similarity_fn_name", KeyUse::refused, "sparse search ranks by dot products", "\"dot\""},
    {"max_active_dims", KeyUse::obeyed, "the largest weights of a vector alone"},
};
/// Of a SparseStaticEmbedding: the weights of the tokens of queries, which no encoder reads.
inline constexpr FolderKey static_embedding_keys[] = {
    {"frozen", KeyUse::irrelevant, "training alone"},
    {"path", KeyUse::refused, "weights from another file than model.safetensors"},
};
inline constexpr FolderKey splade_keys[] = {
    {"pooling_strategy", KeyUse::refused, "sum over the tokens", "\"max\""},
    {"activation_function", KeyUse::refused, "log1p_relu", "\"relu\""},
    {"word_embedding_dimension", KeyUse::irrelevant, "the vocabulary of the model"},
    {"embedding_dimension", KeyUse::irrelevant, "the vocabulary of the model"},
    {"chunk_size", KeyUse::irrelevant, "memory alone"},
};
inline constexpr FolderKey cross_model_keys[] = {
    {"__version__", KeyUse::irrelevant, "the versions that wrote the folder"},
    {"model_type", KeyUse::refused, "another kind of model than a CrossEncoder", "\"CrossEncoder\""},
    {"activation_fn", KeyUse::obeyed,
     "torch.nn's Identity or Sigmoid of the score, before those of config.json; others are refused"},
    {"prompts", KeyUse::irrelevant, "read where the caller names one, or by default_prompt_name"},
    {"default_prompt_name", KeyUse::obeyed, "refused where that prompt is not empty: pairs are read without one"},
    {"keep_in_fp32_modules", KeyUse::irrelevant, "scores are computed in fp32"},
};
/// Of config.json, which has all the keys of the transformer beside: no others are refused there.
inline constexpr FolderKey classifier_keys[] = {
    {"architectures", KeyUse::obeyed, "a class ForSequenceClassification"},
    {"num_labels", KeyUse::obeyed, "1, as many as the head has; others are refused"},
    {"id2label", KeyUse::obeyed, "the same by its size"},
    {"label2id", KeyUse::irrelevant, "names for Python"},
    {"problem_type", KeyUse::irrelevant, "the loss of training alone"},
    {"classifier_dropout", KeyUse::irrelevant, "scoring drops nothing"},
    {"classifier_pooling", KeyUse::obeyed, "cls or mean, of ModernBERT"},
    {"sentence_transformers", KeyUse::obeyed,
     "activation_fn, as written by versions 4 and 5; its version is irrelevant, other keys are refused"},
    {"sbert_ce_default_activation_function", KeyUse::obeyed, "the same, as written by versions before 4"},
    {"bmae_query_length", KeyUse::obeyed, "tokens of a query, which Python does not read"},
};
/// Of the object "sentence_transformers" in config.json.
inline constexpr FolderKey classifier_inner_keys[] = {
    {"activation_fn", KeyUse::obeyed, "the activation of the score"},
    {"version", KeyUse::irrelevant, "the version that wrote the folder"},
};

/// Refuses, by name, a key whose value would change vectors or scores and is not obeyed: one marked so, and one that is not known.
inline void require_known_keys(JsonObject const& object, std::span<FolderKey const> keys) {
    for (auto const& [key, value] : object.json().items()) {
        bool const says_nothing = value.is_null() || value == false ||
                                  (!value.is_number() && !value.is_boolean() && value.empty()) ||
                                  (value.is_string() && value == "");
        auto const known = std::ranges::find(keys, key, [](FolderKey const& one) { return std::string(one.key); });
        if (known != keys.end() && known->use != KeyUse::refused) { continue; }
        if (says_nothing) { continue; }
        if (known != keys.end() && !known->neutral.empty() && value == parse_json(known->neutral, object.file())) { continue; }
        std::string found = value.dump();
        if (found.size() > 80) { found = found.substr(0, 77) + "..."; }
        if (known == keys.end()) {
            throw object.refuse("no key that is unknown to this version", '"' + key + "\": " + found,
                                "It may change the vectors. Remove it if it does not.");
        }
        std::string const wanted =
            known->neutral.empty() ? "no \"" + key + '"' : '"' + key + "\": " + std::string(known->neutral);
        throw object.refuse(wanted, found,
                            "That is not supported: " + std::string(known->note) + ". The vectors would be others.");
    }
}

}  // namespace bmae::detail
