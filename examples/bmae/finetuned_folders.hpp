// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Saves a fine-tuned model as a sentence-transformers folder, by its bottleneck.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <variant>

#include <ATen/core/Tensor.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/relu.h>

#include <bmae/bottlenecks/dual.hpp>
#include <bmae/bottlenecks/hybrid_vectors.hpp>
#include <bmae/bottlenecks/term_presence.hpp>
#include <bmae/edge/composed_objective.hpp>
#include <bmae/edge/cross_encoder_folder.hpp>
#include <bmae/edge/dense_lexical_folder.hpp>
#include <bmae/edge/hybrid_heads.hpp>
#include <bmae/edge/sentence_transformer_folder.hpp>
#include <bmae/edge/sparse_encoder_folder.hpp>
#include <bmae/edge/token_encoder_folder.hpp>
#include <bmae/io/tensors.hpp>
#include <bmae/retrieval/sentence_encoder.hpp>
#include <bmae/values/prompts.hpp>

#include "common.hpp"
#include "two_encoders.hpp"

namespace bmae::program {

/// Name of the folder, and its key in the result of the command.
struct FinetunedFolder {
    char const* name = "sentence-transformer";
    char const* key = "sentence_transformer";
};

inline FinetunedFolder finetuned_folder(AnyModel const& model) {
    std::string const bottleneck = model.passes().front().bottleneck;
    if (bottleneck == "scored") { return {"cross-encoder", "cross_encoder"}; }
    if (bottleneck == "lexical" || bottleneck == TermPresence::name) { return {"sparse-encoder", "sparse_encoder"}; }
    if (bottleneck == DualBottleneck::name) { return {"dense-lexical-encoder", "dense_lexical_encoder"}; }
    if (bottleneck == "token_vectors") { return {"token-encoder", "token_encoder"}; }
    return {};
}

/// An option by its path; nothing where the composition has none.
inline std::optional<OptionValue> option_at(AnyModel const& model, std::string const& path) {
    for (auto& [name, value] : model.option_values()) {
        if (name == path) { return value; }
    }
    return std::nullopt;
}

/// An integer option; `otherwise` where the composition has none.
inline std::size_t count_option(AnyModel const& model, std::string const& path, std::size_t otherwise) {
    std::optional<OptionValue> const value = option_at(model, path);
    return value ? std::get<std::uint64_t>(*value) : otherwise;   // lengths and counts are all of this kind
}

/// Tokens of a text that a fine-tuned encoder reads: those of the model that it started from, and at least those that it was trained
/// with. Training reads short texts for speed; a longer document is no worse to search for its end.
inline std::size_t finetuned_length(AnyModel const& model, std::size_t before) {
    std::size_t const query = count_option(model, "passes.0.view.source.max_length", before);
    return std::max({before, query, count_option(model, "passes.1.view.source.max_length", query)});
}

/// Tokens of a query that a fine-tuned encoder reads: those that it was trained with; 0 where that is the length of a text, too.
inline std::size_t own_query_length(AnyModel const& model, std::size_t length) {
    std::size_t const query = count_option(model, "passes.0.view.source.max_length", length);
    return query < length ? query : 0;
}

/// Its dense vector is one of three representations.
inline bool is_hybrid(AnyModel const& model) { return model.passes().front().bottleneck == HybridVectors::name; }

/// How a fine-tuned sentence encoder makes its vectors.
/// \param truncate_dim  the first numbers of a vector, which are then not scaled to length 1; 0: all
inline SentenceEncoderOptions sentence_options(AnyModel const& model, std::size_t length, Prompts const& prompts,
                                               std::size_t truncate_dim = 0) {
    std::optional<OptionValue> const compared = option_at(model, "terms.0.similarity");
    bool const cosine = compared == OptionValue(std::string("cosine")) || is_hybrid(model);
    bool const euclidean = compared == OptionValue(std::string("euclidean"));
    bool const cut = truncate_dim != 0;
    SentenceBottleneck pooling = model.pooling();
    if (cut) { pooling = pooling.followed_by(TruncateStep{.width = static_cast<std::int64_t>(truncate_dim)}); }
    return {.pooling = std::move(pooling),
            .normalize = cosine && !cut,
            .max_length = length,
            .query_length = own_query_length(model, length),
            .similarity = euclidean       ? std::optional(VectorSimilarity::euclidean)
                          : cosine && cut ? std::optional(VectorSimilarity::cosine)
                                          : std::nullopt,
            .prompts = prompts};
}

/// The weights of tokens in queries of a model that counts them; undefined: it encodes its queries.                       [V]
inline at::Tensor query_weights_of(AnyModel& model, AnyTokenizer const& tokenizer) {
    if (model.passes().front().bottleneck != TermPresence::name) { return {}; }
    at::Tensor weights = at::ones({model.encoder().shape().vocabulary}, at::kFloat);
    model.for_each_parameter([&](std::string const& name, at::Tensor& value, bool) {
        if (name == "passes.0.bottleneck.weights") { weights = at::relu(value.detach().to(at::kCPU, at::kFloat)).contiguous(); }
    });
    SpecialIds const special = tokenizer.traits().special();
    for (TokenId const id : {special.cls, special.sep, special.pad}) { weights.mutable_data_ptr<float>()[id] = 0; }
    return weights;
}

/// Writes the folder.
/// \param length  `finetuned_length`, of a sentence encoder and a sparse one; the others read what they were trained with
/// \param prompts  those of training, of the same two
/// \param truncate_dim  of a sentence encoder: as of `sentence_options`
inline void save_finetuned(AnyModel& model, AnyTokenizer const& tokenizer, std::size_t length, Prompts const& prompts,
                           Path const& folder, std::size_t truncate_dim = 0) {
    auto const positions = static_cast<std::size_t>(model.encoder().shape().positions);
    std::size_t const query = count_option(model, "passes.0.view.source.max_length", positions);
    std::size_t const passage = count_option(model, "passes.1.view.source.max_length", query);
    std::string const kind = finetuned_folder(model).name;
    if (kind == "cross-encoder") {
        save_cross_encoder(folder, model.encoder(), tokenizer, shared_tensors(model),
                           {.query_length = count_option(model, "passes.0.view.source.query_length", 0), .max_length = query},
                           model.passes().front().projection);
        return;
    }
    if (kind == "token-encoder") {
        save_token_encoder(folder, model.encoder(), tokenizer, shared_tensors(model),
                           {.query_length = query, .document_length = passage});
        return;
    }
    if (kind == "dense-lexical-encoder") {
        save_dense_lexical_encoder(
            folder, model.encoder(), tokenizer, shared_tensors(model),
            {.terms = count_option(model, "passes.1.bottleneck.parts.1.terms", 0), .query_length = query, .max_length = passage});
        return;
    }
    if (query != length || passage != length) {
        say(kind + ": reads queries of up to " + std::to_string(std::min(query, length)) + " tokens and texts of up to " +
            std::to_string(length) + "; trained on passages of up to " + std::to_string(passage));
    }
    if (kind == "sparse-encoder") {
        save_sparse_encoder(folder, model.encoder(), tokenizer,
                            {.lexical = lexical_options(model.option_values(), "passes.1.bottleneck"),
                             .max_length = length,
                             .query_length = own_query_length(model, length),
                             .prompts = prompts,
                             .query_weights = query_weights_of(model, tokenizer)});
        return;
    }
    save_sentence_transformer(sentence_encoder_of(model, tokenizer, sentence_options(model, length, prompts, truncate_dim)),
                              folder);
    if (!is_hybrid(model)) { return; }
    save_hybrid_heads(folder, shared_tensors(model));
    say("sentence-transformer: the folder also holds sparse_linear.pt and colbert_linear.pt, the heads of lexical weights and "
        "token "
        "vectors, as FlagEmbedding reads them");
}

}  // namespace bmae::program
