// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Sparse vectors and vectors of tokens in folders of shards: what made them, their tensors, and all of them again.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <iterator>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>

#include <bmae/batch/to_tensors.hpp>
#include <bmae/detail/hash.hpp>
#include <bmae/io/json_file.hpp>
#include <bmae/io/tensors.hpp>
#include <bmae/retrieval/impact_index.hpp>
#include <bmae/retrieval/postings.hpp>
#include <bmae/retrieval/sparse_encoder.hpp>
#include <bmae/retrieval/token_encoder.hpp>
#include <bmae/retrieval/vector_folder.hpp>
#include <bmae/retrieval/vector_manifest.hpp>
#include <bmae/text/any_tokenizer.hpp>

namespace bmae {

/// What makes the vectors of an encoder.
/// \param encoder    as it encodes texts of the role, before its weights are converted: `for_queries()` of queries
/// \param precision  of its arithmetic
/// \param role       document or query
[[nodiscard]] inline VectorModel describe_vectors(SparseEncoder const& encoder, std::string precision,
                                                  std::string role = "document") {
    detail::Xxh64 hash;   // of the language-model head, too
    AnyEncoder network = encoder.model().any_encoder();
    network.for_each_parameter("", [&](std::string const& name, at::Tensor const& value, auto const&) {
        hash.update(name);
        detail::hash_tensor(hash, value);
    });
    LexicalBottleneck::Options const& lexical = encoder.options().lexical;
    std::string const rows = std::string(lexical.first_row_counts ? " [CLS]" : "") + (lexical.separator_counts ? " [SEP]" : "");
    return {.weights = detail::to_hex(hash.digest()),
            .tokenizer = detail::to_hex(encoder.tokenizer().fingerprint()),
            .pooling = std::string(LexicalBottleneck::name) + (lexical.saturated ? " saturated" : "") + rows,
            .normalize = false,
            .max_length = encoder.options().max_length,
            .precision = std::move(precision),
            .dimension = encoder.model().width(),
            .role = std::move(role),
            .prompt = encoder.prompt(),
            .similarity = "dot",
            .kind = VectorKind::sparse};
}

/// The same of vectors of tokens.
[[nodiscard]] inline VectorModel describe_vectors(TokenEncoder const& encoder, std::string precision,
                                                  std::string role = "document") {
    return {.weights = detail::to_hex(encoder.model().fingerprint()),
            .tokenizer = detail::to_hex(encoder.tokenizer().fingerprint()),
            .pooling = "token_vectors",
            .normalize = true,
            .max_length = encoder.options().document_length,
            .precision = std::move(precision),
            .dimension = encoder.model().width(),
            .role = std::move(role),
            .prompt = {},
            .similarity = "maxsim",
            .kind = VectorKind::tokens};
}

/// The tensors of a shard: see `VectorShard`.
[[nodiscard]] inline NamedTensors shard_tensors(SparseVectors const& vectors) {
    auto const count = static_cast<std::int64_t>(vectors.weights.size());
    at::Tensor ids = at::empty({count}, at::kInt);
    at::Tensor weights = at::empty({count}, at::kFloat);
    for (std::size_t i = 0; i < vectors.weights.size(); ++i) {
        ids.mutable_data_ptr<std::int32_t>()[i] = static_cast<std::int32_t>(vectors.weights[i].term);
        weights.mutable_data_ptr<float>()[i] = vectors.weights[i].weight;
    }
    std::vector<std::int64_t> const offsets(vectors.begins.begin(), vectors.begins.end());
    return {{"offsets", detail::int64_tensor(offsets, at::kCPU)}, {"ids", ids}, {"weights", weights}};
}
[[nodiscard]] inline NamedTensors shard_tensors(MultiVectors const& vectors) {
    return {{"offsets", detail::int64_tensor(vectors.offsets, at::kCPU)}, {"embeddings", vectors.rows}};
}

/// The terms of an encoder by their ids: the tokens, and "[term 30522]" for numbers of the vocabulary without a token.        [V]
[[nodiscard]] inline std::vector<std::string> terms_of(SparseEncoder const& encoder) {
    std::vector<std::string> terms;
    for (std::int64_t id = 0; id < encoder.model().width(); ++id) {
        bool const known = id < static_cast<std::int64_t>(encoder.tokenizer().size());
        std::string_view const token = known ? encoder.tokenizer().token(static_cast<TokenId>(id)) : std::string_view();
        terms.push_back(known ? std::string(token) : "[term " + std::to_string(id) + ']');
    }
    return terms;
}

/// A line of JSON per text, as impact collections read it: {"id": "d1", "contents": "", "vector": {"bread": 143, "##s": 12}}, by
/// ascending id of the terms. An impact is a weight times the scale, rounded to the nearest whole number, of a tie the even one; terms of
/// impact 0 are left out.
/// \param ids    one per line                                                                                            [N]
/// \param terms  by their ids                                                                                           [V]
[[nodiscard]] inline std::string impact_lines(SparseVectors const& vectors, std::string_view ids,
                                              std::span<std::string const> terms, std::uint64_t scale) {
    std::string lines;
    for (std::size_t text = 0; text < vectors.size(); ++text) {
        std::size_t const end = ids.find('\n');
        lines += "{\"id\": " + detail::Json(ids.substr(0, end)).dump() + ", \"contents\": \"\", \"vector\": {";
        ids.remove_prefix(end == ids.npos ? ids.size() : end + 1);
        bool first = true;
        for (WeightedTerm const& weight : vectors[text]) {
            auto const impact = static_cast<std::uint64_t>(std::nearbyint(weight.weight * static_cast<float>(scale)));
            if (impact == 0) { continue; }
            lines += (first ? "" : ", ") + detail::Json(terms[weight.term]).dump() + ": " + std::to_string(impact);
            first = false;
        }
        lines += "}}\n";
    }
    return lines;
}

/// Sparse vectors with the ids of their texts.
struct StoredSparseVectors {
    SparseVectors vectors = {};
    std::vector<std::string> ids = {};   ///< [N]
    VectorModel model = {};
};

/// All shards of a folder.
/// \throws InputError  an unfinished folder, a shard that is missing, damaged or of another model; vectors of another kind
[[nodiscard]] inline StoredSparseVectors read_sparse_folder(std::filesystem::path const& folder) {
    auto [manifest, shards] = detail::open_folder(folder, VectorKind::sparse);
    StoredSparseVectors all{.model = manifest.model};
    auto const vocabulary = static_cast<std::uint64_t>(manifest.model.dimension);
    for (detail::OpenShard& shard : shards) {
        auto const offsets = shard.offsets();
        auto const terms = shard.values<std::uint32_t>("ids");   // checked as int32: one below 0 is too large here
        auto const weights = shard.values<float>("weights");
        for (std::size_t i = 0; i < terms.size(); ++i) {
            if (terms[i] >= vocabulary || !(weights[i] > 0) || std::isinf(weights[i])) {
                throw detail::unfit_shard(shard.file.name(),
                                          "terms below " + std::to_string(vocabulary) + " with finite weights above 0",
                                          "the term " + std::to_string(terms[i]) + " with " + std::to_string(weights[i]));
            }
            all.vectors.weights.push_back({terms[i], weights[i]});
        }
        std::size_t const before = all.vectors.begins.back();
        for (std::int64_t const offset : offsets.subspan(1)) {
            all.vectors.begins.push_back(before + static_cast<std::size_t>(offset));
        }
        std::move(shard.ids.begin(), shard.ids.end(), std::back_inserter(all.ids));
    }
    return all;
}

/// Vectors of tokens with the ids of their texts.
struct StoredTokenVectors {
    MultiVectors vectors = {};
    std::vector<std::string> ids = {};   ///< [N]
    VectorModel model = {};
};

/// The same of vectors of tokens.
[[nodiscard]] inline StoredTokenVectors read_token_folder(std::filesystem::path const& folder) {
    auto [manifest, shards] = detail::open_folder(folder, VectorKind::tokens);
    StoredTokenVectors all{.model = manifest.model};
    std::int64_t count = 0;
    for (detail::OpenShard const& shard : shards) { count += shard.offsets().back(); }
    all.vectors.rows = at::empty({count, manifest.model.dimension}, at::kFloat);
    for (detail::OpenShard& shard : shards) {
        std::int64_t const before = all.vectors.offsets.back();
        at::Tensor const rows = to_tensor(shard.file, shard.rows(), Loading::mapped);
        all.vectors.rows.narrow(0, before, rows.size(0)).copy_(rows);
        for (std::int64_t const offset : shard.offsets().subspan(1)) { all.vectors.offsets.push_back(before + offset); }
        std::move(shard.ids.begin(), shard.ids.end(), std::back_inserter(all.ids));
    }
    return all;
}

}  // namespace bmae
