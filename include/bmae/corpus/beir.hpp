// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// A retrieval collection in BEIR's layout (arXiv 2104.08663): corpus.jsonl, queries.jsonl, qrels/{train,dev,test}.tsv.
#pragma once

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <unordered_set>
#include <utility>
#include <vector>

#include <bmae/corpus/beir_folder.hpp>
#include <bmae/corpus/jsonl.hpp>
#include <bmae/corpus/judged_pairs.hpp>
#include <bmae/corpus/reading.hpp>
#include <bmae/corpus/record.hpp>
#include <bmae/values/error.hpp>

namespace bmae {

/// Documents, queries and judgments of a BEIR folder, in memory. Each file may also be gzip, with .gz after its name.
///
/// This reader is stricter than BEIR's own: a duplicate id is refused, where BEIR lets it replace the first; a
/// first line of judgments that is not a header is kept and reported; a judged query without text is named.
class BeirCollection {
public:
    /// \throws InputError  naming file and line
    static BeirCollection open(std::filesystem::path const& folder, ReadOptions options = {}) {
        BeirCollection collection(folder, options);
        collection.documents_ = collection.read(collection.folder_.corpus(), collection.documents_report_);
        collection.queries_ = collection.read(collection.folder_.queries(), collection.queries_report_);
        return collection;
    }

    [[nodiscard]] std::filesystem::path const& path() const noexcept { return folder_.path(); }
    [[nodiscard]] Records const& documents() const noexcept { return documents_; }
    [[nodiscard]] Records const& queries() const noexcept { return queries_; }   ///< of all splits, and unjudged ones
    [[nodiscard]] std::vector<std::string> ids() const { return documents_.ids(); }
    [[nodiscard]] std::vector<std::string> texts() const { return documents_.texts(); }   ///< title and text of each document
    [[nodiscard]] ReadReport const& documents_report() const noexcept { return documents_report_; }
    [[nodiscard]] ReadReport const& queries_report() const noexcept { return queries_report_; }

    [[nodiscard]] std::vector<std::string> splits() const { return folder_.splits(); }   ///< that have judgments, sorted
    /// The file of a split's judgments. \throws InputError listing the splits where there is none of that name
    [[nodiscard]] std::filesystem::path qrels_path(std::string_view split) const { return folder_.qrels(split); }

    /// The judgments of a split. A query that queries.jsonl lacks is malformed; documents that the corpus lacks are reported,
    /// since they affect the measures.
    [[nodiscard]] JudgedPairs judged_pairs(std::string_view split) const {
        std::filesystem::path const file = qrels_path(split);
        JudgedPairs result = read_judged_pairs(file, JudgmentLayout::recognized, options_);
        std::uint64_t missing = 0;
        auto const lacks_query = [&](JudgedPair const& pair) {
            if (queries_.find(pair.query_id)) {
                missing += documents_.find(pair.document_id) ? 0 : 1;
                return false;
            }
            Diagnostic diagnostic = detail::no_query_text(file, pair);
            if (options_.malformed == MalformedLine::refuse) { throw InputError(std::move(diagnostic)); }
            result.report.skip(diagnostic);
            return true;
        };
        std::erase_if(result.pairs, lacks_query);
        if (missing != 0) {
            result.report.warn(file.string() + ": " + std::to_string(missing) + " judged documents are not in the corpus.");
        }
        result.report.records = result.pairs.size();
        return result;
    }

    /// The judgments of a split as a set that has `add(query, document, grade)`, such as bmae::Qrels.
    template <std::default_initializable Set>
        requires requires(Set set, std::string_view id, std::int32_t grade) { set.add(id, id, grade); }
    [[nodiscard]] Set qrels(std::string_view split) const {
        Set set;
        for (JudgedPair const& pair : judged_pairs(split).pairs) { set.add(pair.query_id, pair.document_id, pair.grade); }
        return set;
    }

    /// The judged queries of the split, in the order of queries.jsonl: those that an evaluation runs.
    /// \param report  of the judgments
    [[nodiscard]] Records queries(std::string_view split, ReadReport& report) const {
        std::unordered_set<std::string> judged;
        JudgedPairs pairs = judged_pairs(split);
        report = std::move(pairs.report);
        for (JudgedPair& pair : pairs.pairs) { judged.insert(std::move(pair.query_id)); }
        Records chosen;
        for (Record const& query : queries_) {
            if (judged.contains(query.id)) { chosen.add(query); }
        }
        return chosen;
    }
    [[nodiscard]] Records queries(std::string_view split) const {
        ReadReport report;
        return queries(split, report);
    }

private:
    BeirCollection(std::filesystem::path folder, ReadOptions options) : folder_(std::move(folder)), options_(options) {}

    Records read(std::filesystem::path const& file, ReadReport& report) const {
        JsonlReader reader(file, options_);
        Records records = read_all(reader);
        report = reader.report();
        if (records.size() == 0) { throw detail::no_record(file); }
        return records;
    }

    BeirFolder folder_;
    ReadOptions options_;
    Records documents_;
    Records queries_;
    ReadReport documents_report_;
    ReadReport queries_report_;
};

}  // namespace bmae
