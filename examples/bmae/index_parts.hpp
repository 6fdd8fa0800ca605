// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// What makes indexes of all kinds: documents, the options of vectors, and the result. Free of LibTorch.
#pragma once

#include <chrono>
#include <cstddef>
#include <optional>
#include <string>
#include <utility>

#include <bmae/corpus/beir_folder.hpp>
#include <bmae/corpus/jsonl.hpp>
#include <bmae/retrieval/dense_index_builder.hpp>
#include <bmae/retrieval/run_file.hpp>
#include <bmae/values/vector_similarity.hpp>

#include "index.hpp"

namespace bmae::program {

using IndexClock = std::chrono::steady_clock;

/// The keys of `index`, of which a kind fills its own.
Json index_result(IndexOptions const& options, IndexClock::time_point began, std::size_t documents);
int print_dense_index(Common const& common, IndexOptions const& options, IndexClock::time_point began,
                      DenseIndexBuilder const& builder, std::size_t dimension);

/// --rows and --finer-rows. \throws InputError  a word that is none of theirs
DenseIndexOptions dense_options(IndexOptions const& options, VectorSimilarity similarity, Json model);
/// --similarity; nothing where it is not given. \throws InputError  a word that is none of its
std::optional<VectorSimilarity> given_similarity(IndexOptions const& options);

/// Calls `use(id, text)` for each document of a collection.
template <class Use>
void for_each_document(IndexOptions const& options, Use&& use) {
    Path const file = BeirFolder(options.data).corpus();
    JsonlReader reader(file, {.malformed = options.skip_malformed ? MalformedLine::skip : MalformedLine::refuse});
    std::size_t count = 0;
    for (Record record; reader.next(record); ++count) {
        detail::require_column(record.id, "an id", record.file->string(), record.line);   // no run could contain it
        use(record.id, joined_text(record));
        record = {};
    }
    say_report(reader.report(), "corpus");
    if (count == 0) { throw detail::no_record(file); }
}

}  // namespace bmae::program
