// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// The encoders of `encode`, by the kind of their vectors.
#include "vector_encoders.hpp"

#include <algorithm>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include <bmae/edge/sparse_encoder_folder.hpp>
#include <bmae/edge/token_encoder_folder.hpp>
#include <bmae/io/lexical_files.hpp>
#include <bmae/retrieval/sentence_encoder.hpp>
#include <bmae/retrieval/sparse_encoder.hpp>
#include <bmae/retrieval/sparse_token_folder.hpp>
#include <bmae/retrieval/token_encoder.hpp>
#include <bmae/training/precision.hpp>
#include <bmae/values/error.hpp>

#include "computed_model.hpp"
#include "folder_kind.hpp"
#include "models.hpp"
#include "option_text.hpp"
#include "prompts.hpp"

namespace bmae::program {

namespace {

/// An encoder of vectors with prompts, as it reads texts of the role.
template <class Encoder>
Encoder in_role(Encoder encoder, EncodeOptions const& options) {
    Prompts const prompts = encoder.options().prompts;
    PromptOptions const& given = options.model.prompts;
    if (options.role == "query") { encoder = encoder.for_queries(); }
    if (!given.name.empty()) {
        encoder = encoder.with_prompt(prompts.texts.at(given.name));
    } else if (!options.by_role && !given.document && prompts.standard) {
        encoder = encoder.with_prompt(prompts.of_texts());
    }
    say_prompts("encode", encoder.prompt());
    return encoder;
}

void check_role(EncodeOptions const& options) {
    if (options.role != "document" && options.role != "query") {
        throw refuse("--role document or query", '"' + options.role + '"');
    }
    if (options.role == "query" && options.model.chunk_tokens != 0) {
        throw refuse("--chunks with --role document", "--role query");
    }
}

class DenseVectors final : public VectorEncoder {
public:
    DenseVectors(Common const& common, EncodeOptions const& options)
        : encoder_(make_role_encoder(common, options)),
          made_by_(describe_vectors(encoder_, options.model.precision, options.role)) {}
    [[nodiscard]] VectorModel const& made_by() const override { return made_by_; }
    [[nodiscard]] bool normalizes() const override { return encoder_.options().normalize; }
    [[nodiscard]] std::vector<TokenId> tokenize(std::string const& text) const override { return encoder_.tokenize(text); }
    [[nodiscard]] EncodedTexts encode(std::span<std::vector<TokenId> const> ids, std::string const&,
                                      EncodeRun const& run) const override {
        return {.tensors = {{"embeddings", encoder_.encode_ids(ids, run)}}, .values = ids.size()};
    }
    [[nodiscard]] std::optional<PrecisionLoss> measure(std::vector<std::string> const& texts) const override {
        if (made_by_.precision != "int8" || texts.empty()) { return std::nullopt; }
        return measure_loss(encoder_, texts);
    }

private:
    SentenceEncoder encoder_;
    VectorModel made_by_;
};

/// What the encoders beside dense ones have in common: a model that is described before its weights are converted.
template <class Encoder>
class ConvertedVectors : public VectorEncoder {
public:
    ConvertedVectors(Common const& common, EncodeOptions const& options, Encoder encoder)
        : made_by_(describe_vectors(encoder, options.model.precision, options.role)),
          encoder_(computed_by(
              {.device = device_from(common.device), .precision = compute_type_from(options.model.precision), .max_length = {}},
              std::move(encoder))) {}
    [[nodiscard]] VectorModel const& made_by() const override { return made_by_; }
    [[nodiscard]] bool normalizes() const override { return made_by_.normalize; }
    [[nodiscard]] std::vector<TokenId> tokenize(std::string const& text) const override { return encoder_.tokenize(text); }

protected:
    [[nodiscard]] Encoder const& encoder() const noexcept { return encoder_; }

private:
    VectorModel made_by_;
    Encoder encoder_;
};

SparseEncoder load_sparse(EncodeOptions const& options) {
    ModelOptions const& model = options.model;
    SparseEncoder encoder =
        load_sparse_encoder(model_folder(model.model), model.max_length == 0 ? std::nullopt : std::optional(model.max_length));
    encoder = encoder.with_prompts(prompts_by(encoder.options().prompts, model.prompts));
    return in_role(model.query_length == 0 ? encoder : encoder.with_query_length(model.query_length), options);
}

class SparseTexts final : public ConvertedVectors<SparseEncoder> {
public:
    SparseTexts(Common const& common, EncodeOptions const& options)
        : ConvertedVectors(common, options, load_sparse(options)),
          parts_{.vocabulary = terms_of(encoder()), .impact_scale = options.impact_scale} {}
    [[nodiscard]] EncodedTexts encode(std::span<std::vector<TokenId> const> ids, std::string const& names,
                                      EncodeRun const& run) const override {
        SparseVectors const vectors = encoder().encode_sparse_ids(ids, run);
        EncodedTexts encoded{.tensors = shard_tensors(vectors), .values = vectors.weights.size()};
        if (parts_.impact_scale != 0) { encoded.impacts = impact_lines(vectors, names, parts_.vocabulary, parts_.impact_scale); }
        return encoded;
    }
    [[nodiscard]] SparseFolderParts parts() const override { return parts_; }

private:
    SparseFolderParts parts_;
};

TokenEncoder load_tokens(EncodeOptions const& options) {
    ModelOptions const& model = options.model;
    TokenEncoder const encoder = load_token_encoder(model_folder(model.model));
    TokenEncoderOptions lengths = encoder.options();
    if (model.max_length != 0) {
        lengths = {.query_length = std::min(lengths.query_length, model.max_length), .document_length = model.max_length};
    }
    if (model.query_length != 0) { lengths.query_length = model.query_length; }
    TokenEncoder const read = encoder.with_options(lengths);
    return options.role == "query" ? read.for_queries() : read;
}

class TokenTexts final : public ConvertedVectors<TokenEncoder> {
public:
    TokenTexts(Common const& common, EncodeOptions const& options) : ConvertedVectors(common, options, load_tokens(options)) {}
    [[nodiscard]] EncodedTexts encode(std::span<std::vector<TokenId> const> ids, std::string const&,
                                      EncodeRun const& run) const override {
        MultiVectors const vectors = encoder().encode_ids(ids, run);
        return {.tensors = shard_tensors(vectors), .values = static_cast<std::uint64_t>(vectors.rows.size(0))};
    }
};

/// The kind of vectors that a model was trained for.
VectorKind own_kind(Path const& model) {
    if (std::filesystem::is_directory(model / "sparse-encoder")) { return VectorKind::sparse; }
    if (std::filesystem::is_directory(model / "token-encoder")) { return VectorKind::tokens; }
    bool const laid_out =
        std::filesystem::exists(model / "modules.json") || std::filesystem::exists(model / detail::lexical_file);
    if (!laid_out) { return VectorKind::dense; }
    FolderKind const folder = kind_of_folder(model);
    if (folder == FolderKind::sparse_encoder) { return VectorKind::sparse; }
    return folder == FolderKind::token_encoder ? VectorKind::tokens : VectorKind::dense;
}

/// Refuses what encoders of the kind do not read.
void check_options(EncodeOptions const& options, VectorKind kind) {
    std::string const with = "--vectors " + std::string(to_string(kind));
    if (options.impact_scale != 0 && kind != VectorKind::sparse) { throw refuse("--impacts with sparse vectors", with); }
    if (kind == VectorKind::dense) { return; }
    ModelOptions const& model = options.model;
    PromptOptions const& prompts = model.prompts;
    bool const prompted = prompts.query || prompts.document || !prompts.name.empty();
    std::pair<bool, char const*> const unread[] = {{!model.pooling.empty(), "--pooling"},
                                                   {model.normalize, "--normalize"},
                                                   {model.chunk_tokens != 0, "--chunks"},
                                                   {model.precision == "int8", "--precision int8"},
                                                   {kind == VectorKind::tokens && prompted, "a prompt"}};
    for (auto const& [given, name] : unread) {
        if (given) { throw refuse("encoding without " + std::string(name) + " with " + with, name); }
    }
}

}  // namespace

SentenceEncoder make_role_encoder(Common const& common, EncodeOptions const& options) {
    check_role(options);
    return in_role(make_inference_encoder(common, options.model), options);
}

VectorKind vector_kind(EncodeOptions const& options) {
    VectorKind const own = own_kind(options.model.model);
    // Only dense vectors have a pooling.
    if (options.vectors.empty()) { return options.model.pooling.empty() ? own : VectorKind::dense; }
    auto const asked = named_value<VectorKind>("--vectors", options.vectors);
    bool const bare = own == VectorKind::dense && !std::filesystem::exists(options.model.model / "modules.json");
    if (asked == own || asked == VectorKind::dense || (asked == VectorKind::sparse && bare)) { return asked; }
    throw InputError(Diagnostic{
        .file = options.model.model.string(),
        .expected = "a model of " + std::string(to_string(asked)) + " vectors with --vectors " + options.vectors,
        .found = "one of " + std::string(to_string(own)) + " vectors",
        .hint = "Fine-tune one: bmae finetune --preset " + std::string(asked == VectorKind::sparse ? "splade." : "colbert.")});
}

std::unique_ptr<VectorEncoder> make_vector_encoder(Common const& common, EncodeOptions const& options) {
    VectorKind const kind = vector_kind(options);
    check_options(options, kind);
    check_role(options);
    if (kind == VectorKind::sparse) { return std::make_unique<SparseTexts>(common, options); }
    if (kind == VectorKind::tokens) { return std::make_unique<TokenTexts>(common, options); }
    return std::make_unique<DenseVectors>(common, options);
}

}  // namespace bmae::program
