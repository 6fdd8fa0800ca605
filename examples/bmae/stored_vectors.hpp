// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// What `encode` and `search` share: the encoder for inference, and files of vectors.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include <bmae/corpus/record.hpp>
#include <bmae/retrieval/chunk_encoder.hpp>
#include <bmae/retrieval/sentence_encoder.hpp>
#include <bmae/retrieval/vector_folder.hpp>

#include "common.hpp"

namespace bmae::program {

/// The file of ids of a file of vectors.
inline Path ids_path(Path vectors) { return vectors.replace_extension(".ids"); }

/// Key in the file of vectors of what made them: JSON, as in the manifest of a folder.
inline constexpr char const* vector_model_key = "model";
/// Key in the file of vectors of the checksum of its ids.
inline constexpr char const* ids_checksum = "ids_xxh64";
std::string checksum_of(std::string const& ids);

/// The encoder that the options describe, as fast as this processor runs it: with packed weights where it has instructions for them.
/// \throws InputError  where no pooling is known, and for int8 where the processor or the device has none
SentenceEncoder make_inference_encoder(Common const& common, ModelOptions const& options);

/// How close vectors of lower precision are to those of fp32, by cosine over a few texts.
struct PrecisionLoss {
    std::size_t texts = 0;
    double mean = 1;
    double least = 1;
};
/// Encodes the first texts in fp32 too, says the loss, and warns where it is large: a model with outliers.
PrecisionLoss measure_loss(SentenceEncoder const& encoder, std::vector<std::string> const& texts);

/// \param check  called now and then; may throw to stop
at::Tensor encode_texts(SentenceEncoder const& encoder, std::vector<std::string> const& texts, Common const& common,
                        ModelOptions const& options, std::function<void()> const& check, std::string const& title);

/// A text that an encoder was given.
struct NamedText {
    std::string id = {};
    std::string start = {};   ///< the text or its first words
};
/// Calls `encode()`; the error of a vector that is not finite names the text by `text_of(i)`.
template <class TextOf, class Encode>
auto naming_texts(TextOf const& text_of, Encode const& encode) {
    try {
        return encode();
    } catch (NonFiniteVector const& error) {
        NamedText const text = text_of(error.text());
        throw NonFiniteVector(error.text(), "id '" + text.id + "', text " + detail::excerpt(text.start));
    }
}

/// The vectors of documents, or of their chunks where the options ask for them; `offsets` are empty where they do not.
/// \throws InputError  for chunks that the model does not fit
ChunkVectors encode_documents(SentenceEncoder const& encoder, std::vector<std::string> const& texts, Common const& common,
                              ModelOptions const& options, std::function<void()> const& check, std::string const& title);

/// Refuses vectors of another model than that of the queries; --force takes them with a warning.
/// \param made_by  nothing where the file does not say it, which is warned of
/// \param own      of documents
void require_same_model(SearchOptions const& options, std::optional<VectorModel> const& made_by, VectorModel const& own);
/// Refuses vectors of other texts than those of a collection.
void require_collection(SearchOptions const& options, std::vector<std::string> const& ids, Records const& documents);

/// Vectors that `encode` wrote: a file with its ids, or a folder. \throws InputError where they do not fit each other
StoredVectors read_vectors(Path const& path);

}  // namespace bmae::program
