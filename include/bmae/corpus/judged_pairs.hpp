// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Judged pairs of query and document with their line in the file, for training and checks of a collection.
///
/// Evaluation uses the denser Qrels of retrieval/qrels.hpp. Both use detail/columns.hpp; this one can skip and report.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include <bmae/corpus/reading.hpp>
#include <bmae/detail/columns.hpp>
#include <bmae/detail/separate.hpp>
#include <bmae/values/error.hpp>

namespace bmae {

/// The judgment of one document for one query.
struct JudgedPair {
    std::string query_id;
    std::string document_id;
    std::int32_t grade = 1;   ///< 0: not relevant; above: degree of relevance
    std::size_t line = 0;     ///< in the file it came from
};

struct JudgedPairs {
    std::vector<JudgedPair> pairs;   ///< in file order
    ReadReport report;
};

/// The layout of a file of judgments.
enum class JudgementLayout {
    beir,      ///< `query-id <tab> corpus-id <tab> score` after a header line of these names, fields quoted as in CSV
    msmarco,   ///< `query <blank> 0 <blank> passage <blank> grade` (also TREC), or `query <blank> passage`
};

namespace detail {

/// Reads one line of judgments at a time, and remembers the pairs so far.
class JudgementParser {
public:
    JudgementParser(RecordLines& lines, JudgementLayout layout) : lines_(lines), layout_(layout) {}

    /// The pair of the line read last; nothing for the header, a duplicate, or a malformed line that is skipped.
    std::optional<JudgedPair> parse(std::string_view line);

private:
    std::optional<JudgedPair> parse_beir(std::string_view line);

    std::optional<JudgedPair> parse_msmarco(std::string_view line);

    std::nullopt_t fault(std::string expected, std::string found, std::string hint);

    RecordLines& lines_;
    JudgementLayout layout_;
    std::string storage_ = {};   // of fields that were quoted
    std::unordered_map<std::uint64_t, std::pair<std::int32_t, std::size_t>> seen_;
};

}  // namespace detail

/// Reads a file of judgments, plain or gzip.
/// \throws InputError  on a malformed line where the policy is to refuse, and for a file without judgments
BMAE_INLINE JudgedPairs read_judged_pairs(std::filesystem::path const& path, JudgementLayout layout, ReadOptions options = {});

}  // namespace bmae

#if BMAE_DEFINITIONS

namespace bmae::detail {

BMAE_INLINE std::optional<JudgedPair> JudgementParser::parse(std::string_view line) {
    auto pair = layout_ == JudgementLayout::beir ? parse_beir(line) : parse_msmarco(line);
    if (!pair) { return std::nullopt; }
    pair->line = lines_.line();
    if (pair->query_id.empty() || pair->document_id.empty()) { return fault("two ids", "an empty one", {}); }
    std::string const key = pair->query_id + '\t' + pair->document_id;
    auto const [first, is_new] = seen_.try_emplace(xxh64(key), std::pair{pair->grade, pair->line});
    if (is_new) { return pair; }
    auto const& [grade, place] = first->second;
    std::string const again = "document " + excerpt(pair->document_id) + " for query " + excerpt(pair->query_id);
    if (grade != pair->grade) {
        return fault("one grade for " + again,
                     std::to_string(pair->grade) + " here and " + std::to_string(grade) + " at line " + std::to_string(place),
                     "Remove one of the two.");
    }
    lines_.report().warn(lines_.file().string() + ':' + std::to_string(pair->line) + ": " + again + " was judged at line " +
                         std::to_string(place) + " already, with the same grade.");
    return std::nullopt;
}

BMAE_INLINE std::optional<JudgedPair> JudgementParser::parse_beir(std::string_view line) {
    auto const fields = split_csv(line, storage_);
    if (!fields || fields->count != 3) {
        return fault("three columns separated by tabs: query-id, corpus-id, score", excerpt(line),
                     "A TREC or MS MARCO file has another layout: read it as such.");
    }
    auto const grade = parse_grade((*fields)[2]);
    if (lines_.line() == 1) {
        if (!grade) { return std::nullopt; }   // the header
        lines_.report().warn(lines_.file().string() +
                             ":1: the header line is missing; the first line is read as a judgment, which BEIR's own reader "
                             "would skip.");
    }
    if (!grade) { return fault("an integer as score", excerpt((*fields)[2]), "Grades are whole numbers."); }
    return JudgedPair{.query_id = std::string((*fields)[0]), .document_id = std::string((*fields)[1]), .grade = *grade};
}

BMAE_INLINE std::optional<JudgedPair> JudgementParser::parse_msmarco(std::string_view line) {
    Columns const fields = split_blanks(line);
    if (fields.count == 2) { return JudgedPair{.query_id = std::string(fields[0]), .document_id = std::string(fields[1])}; }
    if (fields.count != 4) {
        return fault("2 columns (query, passage) or 4 (query, 0, passage, grade)",
                     std::to_string(fields.count) + " in " + excerpt(line), "A BEIR file has another layout: read it as such.");
    }
    auto const grade = parse_grade(fields[3]);
    if (!grade) { return fault("an integer as grade", excerpt(fields[3]), "Grades are whole numbers."); }
    return JudgedPair{.query_id = std::string(fields[0]), .document_id = std::string(fields[2]), .grade = *grade};
}

BMAE_INLINE std::nullopt_t JudgementParser::fault(std::string expected, std::string found, std::string hint) {
    lines_.fault(lines_.diagnostic(std::move(expected), std::move(found), std::move(hint)));
    return std::nullopt;
}

}  // namespace bmae::detail

namespace bmae {

BMAE_INLINE JudgedPairs read_judged_pairs(std::filesystem::path const& path, JudgementLayout layout, ReadOptions options) {
    detail::RecordLines lines(std::span(&path, 1), options);
    detail::JudgementParser parser(lines, layout);
    JudgedPairs result;
    lines.next_file();
    for (std::string_view line; lines.next(line);) {
        if (line.empty()) { continue; }
        if (auto pair = parser.parse(line)) { result.pairs.push_back(std::move(*pair)); }
    }
    if (result.pairs.empty()) {
        throw InputError(Diagnostic{.file = path.string(),
                                    .expected = "at least one judgment",
                                    .found = "none",
                                    .hint = "Check that this is the right file."});
    }
    result.report = lines.report();
    result.report.records = result.pairs.size();
    return result;
}

}  // namespace bmae

#endif   // BMAE_DEFINITIONS
