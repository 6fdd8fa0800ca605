// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Judged pairs of query and document with their place in the file: what training and checks of a collection read.
///
/// Evaluation uses the denser Qrels of retrieval/qrels.hpp.
#pragma once

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <unordered_map>
#include <utility>
#include <vector>

#include <bmae/corpus/reading.hpp>
#include <bmae/values/error.hpp>

namespace bmae {

/// What a judge said about one document for one query.
struct JudgedPair {
    std::string query_id;
    std::string document_id;
    std::int32_t grade = 1;   ///< 0 not relevant, above: the more the better
    std::size_t line = 0;     ///< in the file it came from
};

struct JudgedPairs {
    std::vector<JudgedPair> pairs;   ///< in file order
    ReadReport report;
};

/// How a file of judgements is laid out.
enum class JudgementLayout {
    beir,      ///< `query-id <tab> corpus-id <tab> score` after a header line of these names, fields quoted as in CSV
    msmarco,   ///< `query <blank> 0 <blank> passage <blank> grade` (also TREC), or `query <blank> passage`
};

namespace detail {

/// Splits at tabs; a field that starts with a quote ends at the closing quote, and doubled quotes in it mean one (Python's
/// csv.reader with QUOTE_MINIMAL). Nothing where a quote is not closed.
inline std::optional<std::vector<std::string>> split_csv(std::string_view line, char separator) {
    std::vector<std::string> fields(1);
    bool quoted = false;
    for (std::size_t i = 0; i < line.size(); ++i) {
        char const c = line[i];
        bool const starts_field = i == 0 || (!quoted && line[i - 1] == separator);
        if (quoted && c == '"' && i + 1 < line.size() && line[i + 1] == '"') {
            fields.back() += c;
            ++i;
        } else if (quoted && c == '"') {
            quoted = false;
        } else if (!quoted && c == '"' && starts_field) {
            quoted = true;
        } else if (!quoted && c == separator) {
            fields.emplace_back();
        } else {
            fields.back() += c;
        }
    }
    if (quoted) { return std::nullopt; }
    return fields;
}

inline std::vector<std::string> split_at_blanks(std::string_view line) {
    std::vector<std::string> fields;
    constexpr std::string_view blanks = " \t";
    for (std::size_t begin = line.find_first_not_of(blanks); begin != std::string_view::npos;) {
        std::size_t const end = std::min(line.find_first_of(blanks, begin), line.size());
        fields.emplace_back(line.substr(begin, end - begin));
        begin = line.find_first_not_of(blanks, end);
    }
    return fields;
}

inline std::optional<std::int32_t> parse_integer(std::string_view text) noexcept {
    std::int32_t value = 0;
    auto const [stop, code] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (code != std::errc() || stop != text.data() + text.size()) { return std::nullopt; }
    return value;
}

/// Reads one line of judgements at a time, and remembers which pairs came.
class JudgementParser {
public:
    JudgementParser(RecordLines& lines, JudgementLayout layout) : lines_(lines), layout_(layout) {}

    /// The pair of the line read last; nothing where it is the header, a repetition or malformed under the policy to skip.
    std::optional<JudgedPair> parse(std::string_view line) {
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

private:
    std::optional<JudgedPair> parse_beir(std::string_view line) {
        auto fields = split_csv(line, '\t');
        if (!fields || fields->size() != 3) {
            return fault("three columns separated by tabs: query-id, corpus-id, score", excerpt(line),
                         "A TREC or MS MARCO file has another layout: read it as such.");
        }
        auto const grade = parse_integer((*fields)[2]);
        if (lines_.line() == 1) {
            if (!grade) { return std::nullopt; }   // the header
            lines_.report().warn(lines_.file().string() +
                                 ":1: the header line is missing; the first line is read as a judgement, which BEIR's own reader "
                                 "would lose.");
        }
        if (!grade) { return fault("an integer as score", excerpt((*fields)[2]), "Grades are whole numbers."); }
        return JudgedPair{.query_id = std::move((*fields)[0]), .document_id = std::move((*fields)[1]), .grade = *grade};
    }

    std::optional<JudgedPair> parse_msmarco(std::string_view line) {
        std::vector<std::string> fields = split_at_blanks(line);
        if (fields.size() == 2) { return JudgedPair{.query_id = std::move(fields[0]), .document_id = std::move(fields[1])}; }
        if (fields.size() != 4) {
            return fault("2 columns (query, passage) or 4 (query, 0, passage, grade)",
                         std::to_string(fields.size()) + " in " + excerpt(line),
                         "A BEIR file has another layout: read it as such.");
        }
        auto const grade = parse_integer(fields[3]);
        if (!grade) { return fault("an integer as grade", excerpt(fields[3]), "Grades are whole numbers."); }
        return JudgedPair{.query_id = std::move(fields[0]), .document_id = std::move(fields[2]), .grade = *grade};
    }

    std::nullopt_t fault(std::string expected, std::string found, std::string remedy) {
        lines_.fault(lines_.complaint(std::move(expected), std::move(found), std::move(remedy)));
        return std::nullopt;
    }

    RecordLines& lines_;
    JudgementLayout layout_;
    std::unordered_map<std::uint64_t, std::pair<std::int32_t, std::size_t>> seen_;
};

}  // namespace detail

/// Reads a file of judgements, plain or gzip.
/// \throws InputError  on a malformed line where the policy is to refuse, and where the file holds no judgement
inline JudgedPairs read_judged_pairs(std::filesystem::path const& path, JudgementLayout layout, ReadOptions options = {}) {
    detail::RecordLines lines(std::span(&path, 1), options);
    detail::JudgementParser parser(lines, layout);
    JudgedPairs result;
    lines.next_file();
    for (std::string_view line; lines.next(line);) {
        if (line.empty()) { continue; }
        if (auto pair = parser.parse(line)) { result.pairs.push_back(std::move(*pair)); }
    }
    if (result.pairs.empty()) {
        throw InputError(Complaint{.file = path.string(), .expected = "at least one judgement", .found = "none",
                                   .remedy = "Check that this is the file you meant."});
    }
    result.report = lines.report();
    result.report.records = result.pairs.size();
    return result;
}

}  // namespace bmae
