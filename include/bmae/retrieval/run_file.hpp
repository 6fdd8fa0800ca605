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
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <bmae/corpus/reading.hpp>
#include <bmae/corpus/run_line.hpp>
#include <bmae/detail/columns.hpp>
#include <bmae/detail/files.hpp>
#include <bmae/detail/separate.hpp>
#include <bmae/detail/text_file.hpp>
#include <bmae/retrieval/columns.hpp>
#include <bmae/retrieval/run.hpp>

namespace bmae {

/// Columns of a run file, separated by blanks and tabs.
enum class RunFormat {
    trec,       ///< query, Q0, document, rank, score, tag; the rank must be a whole number, and is not used
    msmarco,    ///< query, document, rank from 1; the score is -rank
    tevatron,   ///< query, document, score
};

struct RunFileOptions {
    RunFormat format = RunFormat::trec;
    bool comments = false;   ///< skip lines that start with '#', as trec_eval 10 does; false: refuse them, as 9 does
    MalformedLine malformed = MalformedLine::refuse;   ///< skip: such lines, and a document's second line of a query, are counted
    bool exact_scores = true;   ///< keep scores in double precision too (8 bytes per hit), which profile trec10 uses
};

namespace detail {

/// Builds a run from hits in any order of queries.
class RunBuilder {
public:
    void add(std::string_view query, std::string_view document, double score, bool exact);

    [[nodiscard]] bool empty() const noexcept { return hits_.empty(); }

    /// \param repeats  called with (query, document) where a query has a document again, which is dropped unless it throws
    template <class Repeats>
    Run finish(Repeats&& repeats) {
        std::vector<std::size_t> begins(queries_.size() + 1, 0);
        for (std::size_t i = 0; i < segments_.size(); ++i) { begins[segments_[i].query + 1] += end_of(i) - segments_[i].begin; }
        for (std::size_t i = 1; i < begins.size(); ++i) { begins[i] += begins[i - 1]; }
        if (segments_.size() != queries_.size()) { gather(begins); }
        std::vector<std::uint32_t> seen(documents_->size(), 0);
        std::size_t kept = 0;
        for (std::size_t query = 0; query + 1 < begins.size(); ++query) {
            for (std::size_t i = std::exchange(begins[query], kept); i < begins[query + 1]; ++i) {
                auto& mark = seen[hits_[i].document];
                if (mark == query + 1) {
                    repeats(queries_[query], (*documents_)[hits_[i].document]);
                    continue;
                }
                mark = static_cast<std::uint32_t>(query + 1);
                hits_[kept] = hits_[i];
                if (!exact_.empty()) { exact_[kept] = exact_[i]; }
                ++kept;
            }
        }
        begins.back() = kept;
        hits_.resize(kept);
        if (!exact_.empty()) { exact_.resize(kept); }
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

/// One line of a run in the given columns; nothing for another, and what it should be in `wrong`.
BMAE_INLINE std::optional<RunLine> parse_run_line(std::string_view line, RunFormat format, Diagnostic& wrong);

/// The number of the first line behind line `after` that has this hit. For messages only.
BMAE_INLINE std::size_t find_run_line(std::filesystem::path const& path, RunFormat format, std::size_t after,
                                      std::string_view query, std::string_view document);

}  // namespace detail

/// Reads a run, plain or gzip. Line ends may be CRLF; a UTF-8 byte order mark and blank lines are skipped; lines of a query may be
/// scattered.
///
/// \param report      of lines that were skipped
/// \throws InputError  naming file and line: a wrong number of columns, a rank that is no whole number, a score that is not finite, a
///                     document twice for one query, a NUL byte, ill-formed UTF-8; and for a file without a hit
BMAE_INLINE Run read_run(std::filesystem::path const& path, RunFileOptions const& options, ReadReport& report);
inline Run read_run(std::filesystem::path const& path, RunFileOptions const& options = {}) {
    ReadReport report;
    return read_run(path, options, report);
}

namespace detail {

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

BMAE_INLINE std::optional<RunLine> parse_run_line(std::string_view line, RunFormat format, Diagnostic& wrong) {
    if (format == RunFormat::trec) { return parse_run_line(line, wrong); }
    Columns const columns = split_blanks(line);
    auto const refuse = [&](std::string expected, std::string found, std::string hint) {
        wrong = {.file = {}, .expected = std::move(expected), .found = std::move(found), .hint = std::move(hint)};
        return std::nullopt;
    };
    bool const has_rank = format == RunFormat::msmarco;
    if (columns.count != 3) {
        return refuse(has_rank ? "3 columns 'query document rank'" : "3 columns 'query document score'",
                      std::to_string(columns.count) + " columns: " + excerpt(line),
                      "Ids must not contain blanks; check how the file was written.");
    }
    if (has_rank) {
        auto const rank = parse_grade(columns[2]);
        if (!rank || *rank < 1) {
            return refuse("a rank from 1 in column 3", excerpt(columns[2]), "Files of scores have the format tevatron.");
        }
        return RunLine{.query = columns[0], .document = columns[1], .score = -static_cast<double>(*rank)};
    }
    auto const score = parse_score(columns[2]);
    if (!score) {
        return refuse("a finite score in column 3", excerpt(columns[2]),
                      "trec_eval would rank such a document arbitrarily; fix the program that wrote the file.");
    }
    return RunLine{.query = columns[0], .document = columns[1], .score = *score};
}

BMAE_INLINE std::size_t find_run_line(std::filesystem::path const& path, RunFormat format, std::size_t after,
                                      std::string_view query, std::string_view document) {
    LineReader lines(path);
    Diagnostic ignored;
    for (std::string_view line; lines.next(line);) {
        auto const found = lines.line() > after ? parse_run_line(line, format, ignored) : std::nullopt;
        if (found && found->query == query && found->document == document) { return lines.line(); }
    }
    return 0;
}

}  // namespace bmae::detail

namespace bmae {

BMAE_INLINE Run read_run(std::filesystem::path const& path, RunFileOptions const& options, ReadReport& report) {
    static_cast<void>(detail::open_for_reading(path));   // one file, not a folder of them
    detail::RecordLines lines(std::span(&path, 1), {.malformed = options.malformed});
    lines.next_file();
    detail::RunBuilder builder;
    Diagnostic wrong;
    for (std::string_view line; lines.next(line);) {
        bool const comment = line.starts_with('#');
        if ((options.comments && comment) || line.find_first_not_of(" \t") == line.npos) { continue; }
        if (auto const hit = detail::parse_run_line(line, options.format, wrong)) {
            builder.add(hit->query, hit->document, hit->score, options.exact_scores);
            ++lines.report().records;
        } else {
            lines.fault(lines.diagnostic(wrong.expected, wrong.found,
                                         comment ? "Set `comments` to skip lines that start with '#'." : wrong.hint));
        }
    }
    if (builder.empty()) {
        throw InputError(Diagnostic{.file = path.string(),
                                    .expected = "at least one hit",
                                    .found = lines.line() == 0 ? "an empty file" : "none",
                                    .hint = "Check the program that wrote it."});
    }
    Run run = builder.finish([&](std::string_view query, std::string_view document) {
        bool const refuses = options.malformed == MalformedLine::refuse;   // a search for the lines is for one message
        std::size_t const first = refuses ? detail::find_run_line(path, options.format, 0, query, document) : 0;
        lines.fault({.file = path.string(),
                     .line = refuses ? detail::find_run_line(path, options.format, first, query, document) : 0,
                     .expected = "every document once per query",
                     .found = "document '" + std::string(document) + "' of query '" + std::string(query) + "' again" +
                              (refuses ? " (first on line " + std::to_string(first) + ")" : ""),
                     .hint = "Keep its best score only."});
    });
    report = lines.report();
    return run;
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
