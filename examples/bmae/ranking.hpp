// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Search and reranking with models that make no single vector per text: cross-encoders, sparse vectors, vectors of tokens.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include <bmae/corpus/record.hpp>
#include <bmae/retrieval/run.hpp>

#include "common.hpp"

namespace bmae::program {

struct RerankOptions {
    Path model = {};
    Path run = {};
    Path negatives = {};   ///< in place of `run`: what fine-tuning reads of it, and the relevant documents
    Path data = {};
    std::string split = "test";
    std::size_t depth = 100;
    bool as_teacher = false;
    std::size_t max_length = 0;   ///< 0: the folder's
    std::string precision = "fp32";
    std::size_t batch_tokens = 4096;
    std::size_t batch_examples = 0;   ///< texts of a batch; 0: by tokens
    std::string tag = "rerank";
    bool skip_malformed = false;
    Path output = {};
    bool resume = false;
};
int rerank(Common const& common, RerankOptions const& options);

/// An index over one collection.
class CollectionSearcher {
public:
    CollectionSearcher() = default;
    CollectionSearcher(CollectionSearcher const&) = delete;
    CollectionSearcher& operator=(CollectionSearcher const&) = delete;
    virtual ~CollectionSearcher() = default;
    [[nodiscard]] virtual Run search(std::vector<std::string> const& queries, std::vector<std::string> const& ids,
                                     std::size_t k) const = 0;
    /// The key `token_vectors` of results; null of sparse vectors.
    [[nodiscard]] virtual Json token_vectors() const { return nullptr; }
};

/// The index of --method sparse, dense-lexical or maxsim. \throws InputError where the model is of another kind
std::unique_ptr<CollectionSearcher> make_collection_searcher(Common const& common, SearchOptions const& options,
                                                             Records const& documents);

}  // namespace bmae::program
