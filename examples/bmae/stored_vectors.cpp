// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
// Whether stored vectors are those of a model and of a collection.
#include "stored_vectors.hpp"

#include <string>
#include <unordered_set>
#include <vector>

#include "common.hpp"

namespace bmae::program {

void require_same_model(SearchOptions const& options, std::optional<VectorModel> const& made_by, VectorModel const& own) {
    if (!made_by) {
        warn(options.embeddings.string() + " does not say which model made its vectors: encode again to be sure");
        return;
    }
    if (own.matches(*made_by)) { return; }
    if (options.force) {
        warn("vectors of another model are searched: " + to_string(*made_by) + "; the queries' is " + to_string(own));
        return;
    }
    throw InputError(
        Diagnostic{.file = options.embeddings.string(),
                   .expected = "vectors of the model of the queries, " + to_string(own),
                   .found = to_string(*made_by),
                   .hint = "Name the model, the pooling, the normalization and the prompt that the documents were encoded with; "
                           "--force compares them nevertheless."});
}

void require_collection(SearchOptions const& options, std::vector<std::string> const& ids, Records const& documents) {
    std::unordered_set<std::string> known;
    for (std::string const& id : ids) {
        known.insert(id);
        if (!documents.find(id)) {
            throw InputError(Diagnostic{.file = options.embeddings.string(),
                                        .expected = "vectors of this collection",
                                        .found = "id '" + id + "', which its corpus lacks",
                                        .hint = "Encode the corpus.jsonl of --data."});
        }
    }
    if (known.size() != documents.size()) {
        throw InputError(Diagnostic{.file = options.embeddings.string(),
                                    .expected = "a vector of each of the " + std::to_string(documents.size()) + " texts",
                                    .found = std::to_string(known.size()),
                                    .hint = "Encode the corpus.jsonl of --data."});
    }
}

}  // namespace bmae::program
