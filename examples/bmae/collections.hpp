// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// What the commands over a collection share: reports of its files, and ids that runs cannot hold. Free of LibTorch.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include <bmae/corpus/beir.hpp>
#include <bmae/corpus/recognize.hpp>
#include <bmae/retrieval/columns.hpp>
#include <bmae/retrieval/run.hpp>

#include "common.hpp"

namespace bmae::program {

/// Says what was skipped of corpus and queries. \returns both reports in one
inline ReadReport say_reports(BeirCollection const& collection) {
    say_report(collection.documents_report(), "corpus");
    say_report(collection.queries_report(), "queries");
    ReadReport all = collection.documents_report();
    all.add(collection.queries_report());
    return all;
}

/// Refuses judgments, runs and fine-tuning data where texts are read.
/// \param or_else  ends the hint
inline void require_corpus(CorpusFormat const& found, Path const& file, std::string const& or_else) {
    if (found.foreign.empty()) { return; }
    throw InputError(Diagnostic{
        .file = file.string(),
        .line = 1,
        .expected = "the texts of a corpus",
        .found = found.foreign,
        .hint = "Queries with their texts are read by `bmae finetune --data` and `bmae pairs --input`" + or_else + '.'});
}

/// Refuses, before hours of work, ids that a run cannot contain.
inline void check_run_ids(Records const& records) {
    for (Record const& record : records) { detail::require_column(record.id, "an id", record.file->string(), record.line); }
}
inline void check_run_ids(Run const& run, Path const& file) {
    for (std::size_t i = 0; i < run.size(); ++i) { detail::require_column(run.query(i), "a query id", file.string()); }
    for (std::uint32_t i = 0; i < run.documents()->size(); ++i) {
        detail::require_column(run.document(i), "a document id", file.string());
    }
}

}  // namespace bmae::program
