// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Files of judgments of TREC, BEIR and MS MARCO, for all commands alike: judged pairs of query and document with their line.
///
/// Evaluation uses the denser Qrels of retrieval/qrels.hpp, which reads by the same parser.
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
enum class JudgmentLayout {
    beir,         ///< `query-id <tab> corpus-id <tab> score` after a header line of any names, fields quoted as in CSV
    msmarco,      ///< `query <blank> 0 <blank> passage <blank> grade` (also TREC), or `query <blank> passage`
    recognized,   ///< one of these, or three columns separated by blanks, as the first line is, with a header or without
};

namespace detail {

struct JudgmentRules {
    JudgmentLayout layout = JudgmentLayout::recognized;
    bool comments = false;              ///< skip lines that start with '#'
    bool first_of_duplicates = false;   ///< of two grades of one document keep the first; false: the second is malformed
};

/// Reads one line of judgments at a time, and remembers the pairs so far.
class JudgmentParser {
public:
    JudgmentParser(RecordLines& lines, JudgmentRules rules) : lines_(lines), rules_(rules) {}

    /// The pair of the line read last; nothing for a blank line, the header, a duplicate, or a malformed line that is skipped.
    std::optional<JudgedPair> parse(std::string_view line);

private:
    /// Takes the layout from the first line. True where that is a header, or of no layout and skipped.
    bool recognize(std::string_view line);

    std::optional<JudgedPair> parse_table(std::string_view line);
    std::optional<JudgedPair> parse_columns(std::string_view line);

    std::nullopt_t fault(std::string expected, std::string found, std::string hint);

    RecordLines& lines_;
    JudgmentRules rules_;
    std::size_t columns_ = 0;   // separated by blanks; 3 also: a table with tabs; 0 before the first line
    bool table_ = false;
    std::string storage_ = {};   // of fields that were quoted
    std::unordered_map<std::uint64_t, std::pair<std::int32_t, std::size_t>> seen_;
};

/// Calls `add(pair)` with every judgment of a file. \returns the report of the reader
template <class Add>
ReadReport for_each_judgment(std::filesystem::path const& path, JudgmentRules rules, ReadOptions options, Add&& add) {
    static_cast<void>(open_for_reading(path));   // one file, not a folder of them
    RecordLines lines(std::span(&path, 1), options);
    JudgmentParser parser(lines, rules);
    std::uint64_t count = 0;
    lines.next_file();
    for (std::string_view line; lines.next(line);) {
        if (auto pair = parser.parse(line)) {
            add(std::move(*pair));
            ++count;
        }
    }
    if (count == 0) {
        throw InputError(Diagnostic{.file = path.string(),
                                    .expected = "at least one judgment",
                                    .found = "none",
                                    .hint = "Check that this is the right file."});
    }
    lines.report().records = count;
    return lines.report();
}

}  // namespace detail

/// Reads a file of judgments, plain or gzip. A judgment that stands twice with the same grade is read once, with a warning.
/// \throws InputError  on a malformed line where the policy is to refuse (another number of columns, a grade that is no integer, an
///                     empty id, two grades of one document), and for a file without judgments
BMAE_INLINE JudgedPairs read_judged_pairs(std::filesystem::path const& path, JudgmentLayout layout = JudgmentLayout::recognized,
                                          ReadOptions options = {});

}  // namespace bmae

#if BMAE_DEFINITIONS

namespace bmae::detail {

BMAE_INLINE std::optional<JudgedPair> JudgmentParser::parse(std::string_view line) {
    bool const comment = line.starts_with('#');
    if ((rules_.comments && comment) || line.find_first_not_of(" \t") == line.npos) { return std::nullopt; }
    if (columns_ == 0 && recognize(line)) { return std::nullopt; }
    auto pair = table_ ? parse_table(line) : parse_columns(line);
    if (!pair) { return std::nullopt; }
    pair->line = lines_.line();
    if (pair->query_id.empty() || pair->document_id.empty()) { return fault("two ids", "an empty one in " + excerpt(line), {}); }
    std::string const key = pair->query_id + '\t' + pair->document_id;
    auto const [first, is_new] = seen_.try_emplace(xxh64(key), std::pair{pair->grade, pair->line});
    if (is_new) { return pair; }
    auto const& [grade, place] = first->second;
    std::string const again = "document " + excerpt(pair->document_id) + " for query " + excerpt(pair->query_id);
    if (grade != pair->grade && !rules_.first_of_duplicates) {
        return fault("one grade of a document for a query",
                     again + ": " + std::to_string(pair->grade) + " here and " + std::to_string(grade) + " at line " +
                         std::to_string(place),
                     "Remove one of the two.");
    }
    lines_.report().warn(lines_.file().string() + ':' + std::to_string(pair->line) + ": " + again + " was judged at line " +
                         std::to_string(place) + " already" + (grade == pair->grade ? ", with the same grade." : "."));
    return std::nullopt;
}

BMAE_INLINE bool JudgmentParser::recognize(std::string_view line) {
    Columns const fields = split_blanks(line);
    bool const any = rules_.layout == JudgmentLayout::recognized;
    table_ = any ? split_tabs(line).count == 3 : rules_.layout == JudgmentLayout::beir;
    columns_ = table_ ? 3 : fields.count;
    if (table_) {
        auto const cells = split_csv(line, storage_);
        if (!cells || cells->count != 3) { return false; }   // refused as every line
        if (!parse_score((*cells)[2])) { return true; }      // a header, whatever its names
        lines_.report().warn(lines_.file().string() + ':' + std::to_string(lines_.line()) +
                             ": the header line is missing; the first line is read as a judgment, which BEIR's own reader "
                             "would skip.");
        return false;
    }
    bool const known = columns_ == 2 || columns_ == 4 || (any && columns_ == 3);
    if (!known || line.starts_with('#')) {
        columns_ = 0;
        fault(any ? "2, 3 or 4 columns '[query document]', '[query document grade]' or '[query iteration document grade]'"
                  : "2 columns (query, passage) or 4 (query, 0, passage, grade)",
              std::to_string(fields.count) + " in " + excerpt(line),
              line.starts_with('#') ? "Set `comments` to skip lines that start with '#'."
                                    : "Check that this is the right file, and that its ids hold no blanks.");
        return true;   // skipped
    }
    for (std::string_view const name : {"query-id", "query_id", "qid", "query", "topic"}) {
        if (fields[0] == name && (columns_ == 2 || !parse_grade(fields[columns_ - 1]))) { return true; }
    }
    return false;
}

BMAE_INLINE std::optional<JudgedPair> JudgmentParser::parse_table(std::string_view line) {
    auto const fields = split_csv(line, storage_);
    if (!fields) { return fault("a closing quote for each opening one", excerpt(line), "Columns are quoted as in CSV files."); }
    if (fields->count != 3) {
        return fault("three columns separated by tabs: query-id, corpus-id, score", excerpt(line),
                     "A TREC or MS MARCO file has another layout, in all of its lines.");
    }
    auto const grade = parse_grade((*fields)[2]);
    if (!grade) { return fault("an integer as grade in column 3", excerpt((*fields)[2]), "Grades are whole numbers."); }
    return JudgedPair{.query_id = std::string((*fields)[0]), .document_id = std::string((*fields)[1]), .grade = *grade};
}

BMAE_INLINE std::optional<JudgedPair> JudgmentParser::parse_columns(std::string_view line) {
    Columns const fields = split_blanks(line);
    if (fields.count != columns_) {
        return fault(std::to_string(columns_) + " columns, as on the first line",
                     std::to_string(fields.count) + " columns: " + excerpt(line), "Ids must not contain blanks.");
    }
    JudgedPair pair{.query_id = std::string(fields[0]), .document_id = std::string(fields[columns_ == 4 ? 2 : 1])};
    if (columns_ == 2) { return pair; }
    auto const grade = parse_grade(fields[columns_ - 1]);
    if (!grade) {
        return fault("an integer as grade in column " + std::to_string(columns_), excerpt(fields[columns_ - 1]),
                     "Grades are whole numbers: 0 not relevant, 1 or more relevant.");
    }
    pair.grade = *grade;
    return pair;
}

BMAE_INLINE std::nullopt_t JudgmentParser::fault(std::string expected, std::string found, std::string hint) {
    lines_.fault(lines_.diagnostic(std::move(expected), std::move(found), std::move(hint)));
    return std::nullopt;
}

}  // namespace bmae::detail

namespace bmae {

BMAE_INLINE JudgedPairs read_judged_pairs(std::filesystem::path const& path, JudgmentLayout layout, ReadOptions options) {
    JudgedPairs result;
    result.report = detail::for_each_judgment(path, {.layout = layout}, options,
                                              [&](JudgedPair&& pair) { result.pairs.push_back(std::move(pair)); });
    return result;
}

}  // namespace bmae

#endif   // BMAE_DEFINITIONS
