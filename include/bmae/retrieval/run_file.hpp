// SPDX-FileCopyrightText: the bmae authors
// SPDX-License-Identifier: Apache-2.0
/// \file
/// Run files: TREC (`query Q0 document rank score tag`), MS MARCO (`query document rank`), Tevatron (`query document score`).
#pragma once

#include <charconv>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <bmae/detail/files.hpp>
#include <bmae/detail/separate.hpp>
#include <bmae/detail/text_file.hpp>
#include <bmae/retrieval/columns.hpp>
#include <bmae/retrieval/run.hpp>

namespace bmae {

/// Columns of a run file, separated by blanks and tabs.
enum class RunFormat {
    trec,       ///< query, Q0, document, rank, score, tag; the rank is ignored, and further columns too
    msmarco,    ///< query, document, rank from 1; the score is -rank
    tevatron,   ///< query, document, score
};

struct RunFileOptions {
    RunFormat format = RunFormat::trec;
    bool comments = false;      ///< skip lines that start with '#', as trec_eval 10 does; false: refuse them, as 9 does
    bool exact_scores = true;   ///< keep scores in double precision too (8 bytes per hit), which profile trec10 uses
};

namespace detail {

/// Builds a run from hits in any order of queries.
class RunBuilder {
public:
    void add(std::string_view query, std::string_view document, double score, bool exact);

    [[nodiscard]] bool empty() const noexcept { return hits_.empty(); }

    /// \param refuse  called with (query, document) where a query has a document twice
    template <class Refuse>
    Run finish(Refuse&& refuse) {
        std::vector<std::size_t> begins(queries_.size() + 1, 0);
        for (std::size_t i = 0; i < segments_.size(); ++i) { begins[segments_[i].query + 1] += end_of(i) - segments_[i].begin; }
        for (std::size_t i = 1; i < begins.size(); ++i) { begins[i] += begins[i - 1]; }
        if (segments_.size() != queries_.size()) { gather(begins); }
        std::vector<std::uint32_t> seen(documents_->size(), 0);
        for (std::size_t query = 0; query + 1 < begins.size(); ++query) {
            for (std::size_t i = begins[query]; i < begins[query + 1]; ++i) {
                auto& mark = seen[hits_[i].document];
                if (mark == query + 1) { refuse(queries_[query], (*documents_)[hits_[i].document]); }
                mark = static_cast<std::uint32_t>(query + 1);
            }
        }
        return Run::from_parts(std::move(queries_), std::move(documents_), std::move(begins), std::move(hits_),
                               std::move(exact_));
    }

private:
    struct Segment {
        std::uint32_t query;
        std::size_t begin;
    };

    [[nodiscard]] std::size_t end_of(std::size_t i) const noexcept;

    /// Groups the hits by query; their order within the query is that of the file.
    void gather(std::vector<std::size_t> next);

    IdTable queries_;
    std::shared_ptr<IdTable> documents_ = std::make_shared<IdTable>();
    std::vector<Segment> segments_;
    std::vector<Hit> hits_;
    std::vector<double> exact_;
    std::string last_query_;
};

struct RunLine {
    std::string_view query, document;
    double score;
};

BMAE_INLINE RunLine parse_run_line(LineReader const& lines, std::string_view line, RunFormat format);

}  // namespace detail

/// Reads a run, plain or gzip. Line ends may be CRLF; a UTF-8 byte order mark is skipped; lines of a query may be scattered.
///
/// \throws InputError  naming file and line: a wrong number of columns, a score that is not finite, a document twice for one
///                     query, a NUL byte, an empty line or file
BMAE_INLINE Run read_run(std::filesystem::path const& path, RunFileOptions const& options = {});

namespace detail {

/// Refuses an id that a column of a TREC file cannot contain.
/// \param what       "a query id"
/// \param file,line  its place, or the output file
BMAE_INLINE void require_column(std::string_view text, std::string_view what, std::string const& file, std::size_t line = 0);

/// Appends a line of a TREC run. Scores have as few digits as read back to the same number.
template <class Score>
void append_run_line(std::string& text, std::string_view query, std::string_view document, std::size_t rank, Score score,
                     std::string_view tag) {
    char digits[64];
    text.append(query).append(" Q0 ").append(document).append(1, ' ');
    text.append(digits, std::to_chars(digits, digits + sizeof digits, rank).ptr).append(1, ' ');
    text.append(digits, std::to_chars(digits, digits + sizeof digits, score).ptr).append(1, ' ').append(tag).append(1, '\n');
}

}  // namespace detail

struct RunWriteOptions {
    std::string tag = "bmae";   ///< last column: the name of the system, without blanks
    bool replace = false;       ///< true: overwrite an existing file
};

/// Writes a TREC run, gzip where the name ends in .gz, ranks from 1 in the order of the run. Scores have as few digits as read back to the same float
/// (or, where the run has them, the same double).
/// \throws InputError  where an id contains a blank, or the file exists
BMAE_INLINE void write_run(Run const& run, std::filesystem::path const& path, RunWriteOptions const& options = {});

}  // namespace bmae

#if BMAE_DEFINITIONS

namespace bmae::detail {

BMAE_INLINE void RunBuilder::add(std::string_view query, std::string_view document, double score, bool exact) {
    if (segments_.empty() || query != last_query_) {
        last_query_ = query;
        segments_.push_back({queries_.add(query), hits_.size()});
    }
    hits_.push_back({documents_->add(document), static_cast<float>(score)});
    if (exact) { exact_.push_back(score); }
}

BMAE_INLINE std::size_t RunBuilder::end_of(std::size_t i) const noexcept {
    return i + 1 < segments_.size() ? segments_[i + 1].begin : hits_.size();
}

BMAE_INLINE void RunBuilder::gather(std::vector<std::size_t> next) {
    std::vector<Hit> hits(hits_.size());
    std::vector<double> exact(exact_.size());
    for (std::size_t i = 0; i < segments_.size(); ++i) {
        std::size_t& place = next[segments_[i].query];
        for (std::size_t from = segments_[i].begin; from < end_of(i); ++from, ++place) {
            hits[place] = hits_[from];
            if (!exact.empty()) { exact[place] = exact_[from]; }
        }
    }
    hits_ = std::move(hits);
    exact_ = std::move(exact);
}

BMAE_INLINE RunLine parse_run_line(LineReader const& lines, std::string_view line, RunFormat format) {
    Columns const columns = split_blanks(line);
    if (format == RunFormat::trec ? columns.count < 6 : columns.count != 3) {
        std::string const expected = format == RunFormat::trec      ? "6 columns 'query Q0 document rank score tag'"
                                     : format == RunFormat::msmarco ? "3 columns 'query document rank'"
                                                                    : "3 columns 'query document score'";
        throw refuse_column_count(lines, expected, line, columns.count);
    }
    if (format == RunFormat::msmarco) {
        auto const rank = parse_grade(columns[2]);
        if (!rank || *rank < 1) {
            throw refuse_line(lines, "a rank from 1 in column 3", quoted(columns[2]),
                              "Files of scores have the format tevatron.");
        }
        return {columns[0], columns[1], -static_cast<double>(*rank)};
    }
    std::size_t const column = format == RunFormat::trec ? 4 : 2;
    auto const score = parse_score(columns[column]);
    if (!score) {
        throw refuse_line(lines, "a finite score in column " + std::to_string(column + 1), quoted(columns[column]),
                          "trec_eval would rank such a document arbitrarily; fix the program that wrote the file.");
    }
    return {columns[0], columns[format == RunFormat::trec ? 2 : 1], *score};
}

BMAE_INLINE void require_column(std::string_view text, std::string_view what, std::string const& file, std::size_t line) {
    if (text.empty() || text.find_first_of(" \t\r\n") != std::string_view::npos) {
        throw InputError(Diagnostic{.file = file,
                                    .line = line,
                                    .expected = std::string(what) + " without blanks",
                                    .found = quoted(text),
                                    .hint = "The columns of a TREC run are separated by blanks: rename the id."});
    }
}

}  // namespace bmae::detail

namespace bmae {

BMAE_INLINE Run read_run(std::filesystem::path const& path, RunFileOptions const& options) {
    detail::LineReader lines(path);
    detail::RunBuilder builder;
    std::string_view line;
    while (lines.next(line)) {
        if (options.comments && line.starts_with('#')) { continue; }
        auto const [query, document, score] = detail::parse_run_line(lines, line, options.format);
        builder.add(query, document, score, options.exact_scores);
    }
    if (builder.empty()) { throw detail::refuse_empty(path); }
    return builder.finish([&](std::string_view query, std::string_view document) {
        auto const same = [&](std::string_view text) {
            if (options.comments && text.starts_with('#')) { return false; }
            auto const found = detail::parse_run_line(lines, text, options.format);
            return found.query == query && found.document == document;
        };
        std::size_t const first = detail::find_line(path, 0, same);
        throw InputError(Diagnostic{.file = path.string(),
                                    .line = detail::find_line(path, first, same),
                                    .expected = "every document once per query",
                                    .found = "document '" + std::string(document) + "' of query '" + std::string(query) +
                                             "' again (first on line " + std::to_string(first) + ")",
                                    .hint = "Keep its best score only."});
    });
}

BMAE_INLINE void write_run(Run const& run, std::filesystem::path const& path, RunWriteOptions const& options) {
    auto const check = [&](std::string_view id, std::string_view what) { detail::require_column(id, what, path.string()); };
    check(options.tag, "a tag");
    detail::TextFile file(path, options.replace ? detail::Existing::replace : detail::Existing::refuse);
    std::vector<bool> checked(run.documents()->size());
    std::string text;
    for (std::size_t i = 0; i < run.size(); ++i) {
        check(run.query(i), "a query id");
        auto const hits = run.hits(i);
        auto const exact = run.exact_scores(i);
        text.clear();
        for (std::size_t rank = 0; rank < hits.size(); ++rank) {
            std::string_view const document = run.document(hits[rank].document);
            if (!checked[hits[rank].document]) {
                check(document, "a document id");
                checked[hits[rank].document] = true;
            }
            exact.empty() ? detail::append_run_line(text, run.query(i), document, rank + 1, hits[rank].score, options.tag)
                          : detail::append_run_line(text, run.query(i), document, rank + 1, exact[rank], options.tag);
        }
        file.write(text);
    }
    file.commit();
}

}  // namespace bmae

#endif   // BMAE_DEFINITIONS
