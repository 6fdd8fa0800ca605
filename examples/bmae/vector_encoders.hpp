// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Encoders of dense vectors, sparse vectors and vectors of tokens as `encode` runs them into a folder.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <bmae/io/tensors.hpp>
#include <bmae/retrieval/encode_run.hpp>
#include <bmae/retrieval/vector_folder.hpp>
#include <bmae/retrieval/vector_manifest.hpp>

#include "common.hpp"
#include "stored_vectors.hpp"

namespace bmae::program {

/// The vectors of some texts.
struct EncodedTexts {
    NamedTensors tensors = {};   ///< of a shard
    std::uint64_t values = 0;    ///< vectors, or weights of sparse ones
    std::string impacts = {};    ///< lines, where they are asked for
};

/// Texts to vectors of one kind.
class VectorEncoder {
public:
    VectorEncoder() = default;
    VectorEncoder(VectorEncoder const&) = delete;
    VectorEncoder& operator=(VectorEncoder const&) = delete;
    virtual ~VectorEncoder() = default;
    /// What makes the vectors.
    [[nodiscard]] virtual VectorModel const& made_by() const = 0;
    [[nodiscard]] virtual bool normalizes() const = 0;
    [[nodiscard]] virtual std::vector<TokenId> tokenize(std::string const& text) const = 0;
    /// \param names  ids of the texts, one per line
    [[nodiscard]] virtual EncodedTexts encode(std::span<std::vector<TokenId> const> ids, std::string const& names,
                                              EncodeRun const& run) const = 0;
    [[nodiscard]] virtual SparseFolderParts parts() const { return {}; }
    /// The loss of int8; nothing of other precisions.
    [[nodiscard]] virtual std::optional<PrecisionLoss> measure(std::vector<std::string> const&) const { return std::nullopt; }
};

/// The dense encoder of a role. \throws InputError  for a role that is none
SentenceEncoder make_role_encoder(Common const& common, EncodeOptions const& options);

/// What the model makes, or --vectors asks for. \throws InputError  where the model does not make it
VectorKind vector_kind(EncodeOptions const& options);

/// The encoder of the options. \throws InputError  for options that its kind does not read
std::unique_ptr<VectorEncoder> make_vector_encoder(Common const& common, EncodeOptions const& options);

}  // namespace bmae::program
