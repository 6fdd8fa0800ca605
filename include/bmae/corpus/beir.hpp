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
#include <system_error>
#include <unordered_set>
#include <utility>
#include <vector>

#include <bmae/corpus/jsonl.hpp>
#include <bmae/corpus/judged_pairs.hpp>
#include <bmae/corpus/reading.hpp>
#include <bmae/corpus/record.hpp>
#include <bmae/values/error.hpp>

namespace bmae {

/// Documents, queries and judgements of a BEIR folder, in memory. Each file may also be gzip, with .gz after its name.
///
/// Where this reader is stricter than BEIR's own: an id that comes twice is refused, where BEIR lets it replace the first; a
/// first line of judgements that is no header is kept and reported; a judged query without text is named.
class BeirCollection {
public:
    /// \throws InputError  naming file and line
    static BeirCollection open(std::filesystem::path const& folder, ReadOptions options = {}) {
        BeirCollection collection(folder, options);
        collection.documents_ = collection.read("corpus.jsonl", collection.documents_report_);
        collection.queries_ = collection.read("queries.jsonl", collection.queries_report_);
        return collection;
    }

    [[nodiscard]] std::filesystem::path const& path() const noexcept { return folder_; }
    [[nodiscard]] Records const& documents() const noexcept { return documents_; }
    [[nodiscard]] Records const& queries() const noexcept { return queries_; }   ///< of all splits, and some of none
    [[nodiscard]] std::vector<std::string> ids() const { return documents_.ids(); }
    [[nodiscard]] std::vector<std::string> texts() const { return documents_.texts(); }   ///< title and text of each document
    [[nodiscard]] ReadReport const& documents_report() const noexcept { return documents_report_; }
    [[nodiscard]] ReadReport const& queries_report() const noexcept { return queries_report_; }

    /// Names of the splits that have judgements, sorted.
    [[nodiscard]] std::vector<std::string> splits() const {
        std::vector<std::string> names;
        std::error_code code;
        for (auto const& entry : std::filesystem::directory_iterator(folder_ / "qrels", code)) {
            std::string name = entry.path().filename().string();
            if (name.ends_with(".gz")) { name.resize(name.size() - 3); }
            if (name.ends_with(".tsv")) { names.push_back(name.substr(0, name.size() - 4)); }
        }
        std::sort(names.begin(), names.end());
        return names;
    }

    /// The file of a split's judgements. \throws InputError listing the splits where there is none of that name
    [[nodiscard]] std::filesystem::path qrels_path(std::string_view split) const {
        std::vector<std::string> const names = splits();
        if (std::find(names.begin(), names.end(), split) == names.end()) {
            std::string known;
            for (std::string const& name : names) { known += (known.empty() ? "" : ", ") + name; }
            throw InputError(Diagnostic{.file = (folder_ / "qrels").string(),
                                        .expected = "judgements of the split '" + std::string(split) + "'",
                                        .found = known.empty() ? "no split" : "the splits " + known,
                                        .hint = "Choose one of them, or add qrels/" + std::string(split) + ".tsv."});
        }
        return plain_or_gzip(folder_ / "qrels" / (std::string(split) + ".tsv"));
    }

    /// The judgements of a split. A query that queries.jsonl lacks is malformed; documents that the corpus lacks are reported,
    /// since they count for the measures.
    [[nodiscard]] JudgedPairs judged_pairs(std::string_view split) const {
        std::filesystem::path const file = qrels_path(split);
        JudgedPairs result = read_judged_pairs(file, JudgementLayout::beir, options_);
        std::uint64_t missing = 0;
        auto const lacks_query = [&](JudgedPair const& pair) {
            if (queries_.find(pair.query_id)) {
                missing += documents_.find(pair.document_id) ? 0 : 1;
                return false;
            }
            Diagnostic diagnostic{.file = file.string(),
                                  .line = pair.line,
                                  .expected = "a query of queries.jsonl",
                                  .found = "query " + detail::excerpt(pair.query_id) + ", which it lacks",
                                  .hint = "Are both files of the same release?"};
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

    /// The judgements of a split as a set that has `add(query, document, grade)`, such as bmae::Qrels.
    template <std::default_initializable Set>
        requires requires(Set set, std::string_view id, std::int32_t grade) { set.add(id, id, grade); }
    [[nodiscard]] Set qrels(std::string_view split) const {
        Set set;
        for (JudgedPair const& pair : judged_pairs(split).pairs) { set.add(pair.query_id, pair.document_id, pair.grade); }
        return set;
    }

    /// The queries that the split judges, in the order of queries.jsonl: those that an evaluation runs.
    [[nodiscard]] Records queries(std::string_view split) const {
        std::unordered_set<std::string> judged;
        for (JudgedPair& pair : judged_pairs(split).pairs) { judged.insert(std::move(pair.query_id)); }
        Records chosen;
        for (Record const& query : queries_) {
            if (judged.contains(query.id)) { chosen.add(query); }
        }
        return chosen;
    }

private:
    BeirCollection(std::filesystem::path folder, ReadOptions options) : folder_(std::move(folder)), options_(options) {}

    Records read(char const* name, ReadReport& report) const {
        JsonlReader reader(plain_or_gzip(folder_ / name), options_);
        Records records = read_all(reader);
        report = reader.report();
        if (records.size() == 0) {
            throw InputError(Diagnostic{.file = (folder_ / name).string(),
                                        .expected = "at least one record",
                                        .found = "none",
                                        .hint = "Is this the folder of a BEIR data set, unpacked?"});
        }
        return records;
    }

    /// `path`, or `path` with .gz; both at once could differ, so that is refused.
    static std::filesystem::path plain_or_gzip(std::filesystem::path const& path) {
        std::filesystem::path packed = path;
        packed += ".gz";
        std::error_code code;
        bool const has_packed = std::filesystem::exists(packed, code);
        if (has_packed && std::filesystem::exists(path, code)) {
            throw InputError(Diagnostic{.file = path.string(),
                                        .expected = "one file",
                                        .found = "a plain and a gzip one",
                                        .hint = "Remove one of the two."});
        }
        return has_packed ? packed : path;
    }

    std::filesystem::path folder_;
    ReadOptions options_;
    Records documents_;
    Records queries_;
    ReadReport documents_report_;
    ReadReport queries_report_;
};

}  // namespace bmae
