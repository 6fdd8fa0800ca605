// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// The scorers of `rerank`, by the kind of a folder.
#include "scorers.hpp"

#include <optional>
#include <span>
#include <utility>

#include <bmae/edge/cross_encoder_folder.hpp>
#include <bmae/edge/sentence_transformer_folder.hpp>
#include <bmae/edge/sparse_encoder_folder.hpp>
#include <bmae/edge/token_encoder_folder.hpp>
#include <bmae/retrieval/similarity.hpp>
#include <bmae/training/precision.hpp>
#include <bmae/values/error.hpp>

#include "computed_model.hpp"
#include "folder_kind.hpp"
#include "models.hpp"
#include "stored_vectors.hpp"

namespace bmae::program {

namespace {

class PairScorer final : public Scorer {
public:
    PairScorer(Path const& folder, Computing const& how) : model_(computed_by(how, load_cross_encoder(folder, how.max_length))) {}
    [[nodiscard]] char const* kind() const override { return "cross-encoder"; }
    [[nodiscard]] at::Tensor score(std::string const& query, std::vector<std::string> const& texts,
                                   EncodeRun const& run) const override {
        return model_.score(query, texts, run);
    }

private:
    CrossEncoder model_;
};

class TokenScorer final : public Scorer {
public:
    TokenScorer(Path const& folder, Computing const& how) : model_(computed_by(how, load_token_encoder(folder))) {
        if (how.max_length) {
            throw InputError(Diagnostic{.file = folder.string(),
                                        .expected = "the lengths of the folder, of an encoder of token vectors",
                                        .found = "--max-length",
                                        .hint = "Queries and texts have lengths of their own there; leave it out."});
        }
    }
    [[nodiscard]] char const* kind() const override { return "token-encoder"; }
    [[nodiscard]] at::Tensor score(std::string const& query, std::vector<std::string> const& texts,
                                   EncodeRun const& run) const override {
        return max_sim(model_.encode_queries(std::span(&query, 1), run), model_.encode_documents(texts, run)).squeeze(0);
    }

private:
    TokenEncoder model_;
};

/// Vectors of texts, one each: sparse ones and dense ones.
template <class Model>
class VectorScorer final : public Scorer {
public:
    VectorScorer(Model model, char const* kind) : model_(std::move(model)), kind_(kind) {}
    [[nodiscard]] char const* kind() const override { return kind_; }
    [[nodiscard]] at::Tensor score(std::string const& query, std::vector<std::string> const& texts,
                                   EncodeRun const& run) const override {
        at::Tensor const asked = model_.encode_queries(std::span(&query, 1), run);
        VectorSimilarity similarity = VectorSimilarity::dot;   // of sparse vectors, always
        if constexpr (requires { model_.options().ranks_by(); }) { similarity = model_.options().ranks_by(); }
        return similarity_scores(asked, model_.encode(texts, run), similarity).squeeze(0);
    }

private:
    Model model_;
    char const* kind_;
};

}  // namespace

std::unique_ptr<Scorer> load_scorer(Common const& common, Path const& folder, ScorerOptions const& options) {
    Computing const how{.device = device_from(common.device),
                        .precision = compute_type_from(options.precision),
                        .max_length = options.max_length == 0 ? std::nullopt : std::optional(options.max_length)};
    switch (kind_of_folder(folder)) {
        case FolderKind::cross_encoder:
            return std::make_unique<PairScorer>(folder, how);
        case FolderKind::token_encoder:
            return std::make_unique<TokenScorer>(folder, how);
        case FolderKind::sparse_encoder:
            return std::make_unique<VectorScorer<SparseEncoder>>(computed_by(how, load_sparse_encoder(folder, how.max_length)),
                                                                 "sparse-encoder");
        case FolderKind::sentence_encoder:
            return std::make_unique<VectorScorer<SentenceEncoder>>(
                make_inference_encoder(common,
                                       {.model = folder, .max_length = options.max_length, .precision = options.precision}),
                "sentence-transformer");
        case FolderKind::dense_lexical_encoder:
        case FolderKind::other:
            break;
    }
    throw InputError(
        Diagnostic{.file = folder.string(),
                   .expected = "a cross-encoder, or a sentence-transformers folder of token, sparse or dense vectors",
                   .found = "a model without such a head",
                   .hint = "Fine-tune it: bmae finetune --preset reranker."});
}

}  // namespace bmae::program
